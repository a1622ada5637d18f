//! Where an entry's upstream is.

use std::path::Path;

use http::Uri;
use lattice_providers::Egress;
use serde_json::{Map, Value};

use super::document::{text, variable};
use super::draft::Address;
use super::grade::{Verdict, approximate, exact, manual};
use super::models::{Environment, is_given};
use super::places::Place;
use crate::config::{ConfigError, providers, raw};

/// What speaks OpenAI's API somewhere.
const COMPATIBLE: &str = "openai_compatible";
/// Where Ollama speaks OpenAI's API unless it is told otherwise.
const OLLAMA: &str = "http://localhost:11434/v1";
/// Where OpenAI is.
const OPENAI: &str = "https://api.openai.com/v1";

/// An upstream without a name.
pub struct Found {
    /// Its kind.
    pub kind: &'static str,
    /// Where it is.
    pub address: Address,
    /// What it may be called after.
    pub home: String,
    /// The variable of its key, where the entry names none.
    pub key: Option<&'static str>,
    /// The variable whose key LiteLLM would send there although it is another server's.
    pub withheld: Option<&'static str>,
    /// What became of the address that the entry gives; `None`: it gives none.
    pub verdict: Option<Verdict>,
}

/// The upstream of an entry.
pub fn find(
    params: &Map<String, Value>,
    prefix: &str,
    place: Place,
    environment: Environment<'_>,
) -> Found {
    let (kind, key, usual) = match place {
        Place::Own { kind, key } => (kind, Some(key), None),
        Place::Compatible { base_url, key } => (COMPATIBLE, key, base_url),
        Place::Ollama | Place::Nowhere(_) => (COMPATIBLE, None, Some(OLLAMA)),
    };
    let default = match (place, usual) {
        (Place::Own { .. }, _) => Address::Default,
        (_, Some(url)) => Address::At(url.to_owned()),
        (_, None) => Address::Missing {
            hint: slug(&format!("{prefix} base url")),
        },
    };
    let at_home = |verdict| Found {
        kind,
        address: default,
        home: prefix.to_owned(),
        key,
        withheld: None,
        verdict,
    };
    let Some(given) = given(params) else {
        return at_home(None);
    };
    let (url, verdict) = resolve(given, kind, environment);
    let url = url.map(|url| adapted(&url, prefix, place));
    let home_url = usual.or((prefix == "openai").then_some(OPENAI));
    if url.is_some() && url.as_deref() == home_url {
        return at_home(Some(verdict));
    }
    let (address, name) = match url {
        Some(url) => {
            let name = host(&url);
            (Address::At(url), name)
        }
        None => {
            let hint = slug(variable(given).unwrap_or(prefix));
            (Address::Missing { hint: hint.clone() }, Some(hint))
        }
    };
    // `openai/` with an address of one's own is how LiteLLM spells "speaks OpenAI's API".
    let (kind, home) = match name {
        Some(name) if prefix == "openai" => (COMPATIBLE, name),
        _ => (kind, prefix.to_owned()),
    };
    Found {
        kind,
        address,
        home,
        key: None,
        withheld: key,
        verdict: Some(verdict),
    }
}

/// The address that an entry gives.
fn given(params: &Map<String, Value>) -> Option<&str> {
    let key = ["api_base", "base_url"]
        .into_iter()
        .find(|key| is_given(params, key))?;
    Some(text(params, key).unwrap_or_default())
}

/// The base URL that was written or is in a variable, and what became of it.
fn resolve(
    given: &str,
    kind: &'static str,
    environment: Environment<'_>,
) -> (Option<String>, Verdict) {
    let missing = |why: &str| {
        let note =
            format!("{why}; replace the `.invalid` address that stands in lattice.yaml for it.");
        (None, manual(note))
    };
    let Some(name) = variable(given) else {
        let url = callable(given);
        return match refusal(&url, kind) {
            Some(why) => missing(&format!("The address {why}")),
            None if url != given => (
                Some(url),
                approximate(
                    "The provider's `base_url`, at 127.0.0.1: servers listen on 0.0.0.0 and are not called there.",
                ),
            ),
            None if is_local_name(&url) => (
                Some(url),
                approximate(
                    "The provider's `base_url`; if the name leads to a private address, list that under `security.egress.allow`.",
                ),
            ),
            None => (Some(url), exact("The provider's `base_url`.")),
        };
    };
    match environment(name).map(|url| callable(&url)) {
        Some(url) if refusal(&url, kind).is_none() => {
            let note = format!(
                "The provider's `base_url`, fixed to what {name} holds now: a `base_url` is never read from the environment."
            );
            (Some(url), approximate(note))
        }
        _ => missing(&format!(
            "A `base_url` is never read from the environment, and {name} holds none that can be used now"
        )),
    }
}

/// Python's servers say that they are at 0.0.0.0, and its clients call them there.
fn callable(url: &str) -> String {
    url.replacen("://0.0.0.0", "://127.0.0.1", 1)
}

/// Why the gateway would not boot with this base URL, without its text.
fn refusal(url: &str, kind: &str) -> Option<String> {
    let kind = lattice_providers::Kind::named(kind)?;
    let raw = raw::Provider {
        base_url: Some(url.to_owned()),
        ..raw::Provider::new(kind)
    };
    let admitted = providers::check("imported", &raw, Path::new("")).and_then(|checked| {
        let egress =
            Egress::allowing::<&str>(&[]).map_err(|what| ConfigError::invalid("", what))?;
        providers::admit(&egress, &checked.provider)
    });
    match admitted.err()? {
        ConfigError::Invalid { what, .. } => Some(what),
        other => Some(other.to_string()),
    }
}

/// Whether a name is probably one of a network of one's own.
fn is_local_name(url: &str) -> bool {
    const ENDINGS: [&str; 5] = [".internal", ".local", ".lan", ".home.arpa", ".svc"];
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    let is_single = !host.contains('.') && host != "localhost";
    !is_address && (is_single || ENDINGS.iter().any(|ending| host.ends_with(ending)))
}

/// The base URL that Lattice has to have to ask where LiteLLM asks.
fn adapted(url: &str, prefix: &str, place: Place) -> String {
    let url = url.trim_end_matches('/');
    let root = match place {
        Place::Own {
            kind: "anthropic", ..
        } => url.trim_end_matches("/v1/messages"),
        _ => url.trim_end_matches("/chat/completions"),
    };
    let is_versioned = root.ends_with("/v1");
    match place {
        Place::Ollama if !is_versioned => format!("{root}/v1"),
        _ if prefix == "mistral" && !is_versioned => format!("{root}/v1"),
        _ => root.to_owned(),
    }
}

/// `http://localhost:8000/v1`: `localhost-8000`.
fn host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.to_owned();
    Some(match uri.port_u16() {
        Some(port) => format!("{host}-{port}"),
        None => host,
    })
}

/// `FAKE_OPENAI_API_BASE`: `fake-openai-api-base`, which fits in a host name.
fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let slug = lower.replace(|char: char| !char.is_ascii_alphanumeric(), "-");
    let slug = slug.get(..slug.len().min(63)).unwrap_or_default();
    match slug.trim_matches('-') {
        "" => "base-url".into(),
        slug => slug.to_owned(),
    }
}
