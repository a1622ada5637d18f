//! The providers of a configuration: addresses, credentials, folders of models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lattice_identity::LatticeKey;
use lattice_inference::{EngineKind, LoadOptions, LocalModels, Options};
use lattice_providers::{Egress, Kind, Place, Provider, Timeouts, egress, provider};

use crate::config::checked::{data_dir, secret};
use crate::config::load::ConfigError;
use crate::config::raw::{self, Raw, SecretSource};

/// The most tokens of context that a model gets unasked: its cache takes memory for
/// every one of them, in every slot.
const CONTEXT: u32 = 8192;
/// Requests that a model generates at once, unless configured.
const PARALLEL: u32 = 4;
/// Requests that may wait for a model, unless configured.
const QUEUE: u32 = 64;
/// How long an idle model stays in memory, unless configured.
const KEEP_ALIVE: Duration = Duration::from_secs(300);
/// The longest that a provider may take for anything: a day.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;
/// The folder in `data_dir` that models are looked for in.
pub const MODELS: &str = "models";
/// The provider that serves them where nothing is configured.
const LOCAL: &str = "local";

/// A provider whose models run in this process.
#[derive(Debug, Clone)]
pub struct Local {
    /// Its name.
    pub name: String,
    /// Where its models are and how they run.
    pub options: Options,
}

/// A provider and where it is.
pub struct Checked {
    pub provider: Provider,
    /// `None`: in this process.
    pub base_url: Option<Box<str>>,
}

/// A provider for each provider's key that the environment holds.
pub fn of_environment() -> BTreeMap<String, raw::Provider> {
    let found = Kind::all().filter_map(|kind| {
        let Place::Remote {
            key_variable: Some(variable),
            ..
        } = kind.place()
        else {
            return None;
        };
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // One of our own, exported for a client: the gateway would call itself.
        if LatticeKey::parse(&set(variable)?).is_some() {
            return None;
        }
        let provider = raw::Provider {
            base_url: set(&variable.replace("_API_KEY", "_BASE_URL")),
            api_key: Some(SecretSource::Env(variable.into())),
            ..raw::Provider::new(kind)
        };
        Some((kind.name().to_owned(), provider))
    });
    found.collect()
}

/// Where there is no configuration, the models that `lattice model pull` has
/// fetched are served under their own names.
pub fn add_found_models(raw: &mut Raw) -> Result<(), ConfigError> {
    let dir = data_dir(None, Path::new(""))?.join(MODELS);
    let options = Options {
        model_dir: Some(dir),
        ..Options::default()
    };
    let models = LocalModels::open(options)
        .map_err(|error| ConfigError::invalid("data_dir", error.to_string()))?;
    // A name that two files share can be asked for by neither.
    let mut found = models.list();
    found.retain(|model| model.chat && model.note.is_none());
    let Some(kind) = Kind::named("llama_cpp").filter(|_| !found.is_empty()) else {
        return Ok(());
    };
    raw.providers
        .insert(LOCAL.to_owned(), raw::Provider::new(kind));
    raw.models.extend(found.into_iter().map(|model| raw::Model {
        name: model.name.clone(),
        targets: vec![raw::Target {
            provider: LOCAL.to_owned(),
            model: model.name,
            price: None,
            max_output_tokens: None,
            weight: None,
        }],
        balance: raw::Balance::default(),
        retries: None,
    }));
    Ok(())
}

/// Checks one provider.
pub fn check(name: &str, raw: &raw::Provider, base: &Path) -> Result<Checked, ConfigError> {
    let at = format!("providers.{name}");
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(ConfigError::invalid(
            at,
            "a provider's name has ASCII letters, digits, `_`, `-` and `.` only; it stands in headers and before the `/` of a model",
        ));
    }
    misplaced(&at, raw)?;
    match raw.kind.0.place() {
        Place::InProcess => Ok(Checked {
            provider: Provider {
                name: name.into(),
                kind: raw.kind.0,
                tls: false,
                host: "".into(),
                port: 0,
                authority: "".into(),
                base_path: "".into(),
                credential: None,
                timeouts: timeouts(&at, &raw.timeouts)?,
            },
            base_url: None,
        }),
        Place::Remote {
            base_url, versions, ..
        } => remote(name, raw, base, base_url, versions),
    }
}

/// Keys that this kind of provider has no use for.
fn misplaced(at: &str, raw: &raw::Provider) -> Result<(), ConfigError> {
    let local = raw.kind.0.place() == Place::InProcess;
    let keys = [
        ("base_url", raw.base_url.is_some(), local),
        ("api_key", raw.api_key.is_some(), local),
        (
            "timeouts.connect_ms",
            raw.timeouts.connect_ms.is_some(),
            local,
        ),
        ("model_dir", raw.model_dir.is_some(), !local),
        ("engine", raw.engine.is_some(), !local),
        ("context", raw.context.is_some(), !local),
        ("parallel", raw.parallel.is_some(), !local),
        ("queue", raw.queue.is_some(), !local),
        ("threads", raw.threads.is_some(), !local),
        (
            "keep_alive_seconds",
            raw.keep_alive_seconds.is_some(),
            !local,
        ),
    ];
    match keys
        .iter()
        .find(|(_, given, misplaced)| *given && *misplaced)
    {
        Some((key, ..)) => Err(ConfigError::invalid(
            format!("{at}.{key}"),
            format!("has no meaning for kind `{}`; remove it", raw.kind.0.name()),
        )),
        None => Ok(()),
    }
}

fn remote(
    name: &str,
    raw: &raw::Provider,
    base: &Path,
    default: Option<&'static str>,
    versions: &[&str],
) -> Result<Checked, ConfigError> {
    let at = format!("providers.{name}");
    let base_url = raw.base_url.as_deref().or(default).ok_or_else(|| {
        ConfigError::invalid(
            format!("{at}.base_url"),
            "is missing; for instance http://127.0.0.1:8000/v1",
        )
    })?;
    let url = Url::parse(base_url).ok_or_else(|| {
        // Not quoted: what stands before an `@` or behind a `?` may be a secret.
        ConfigError::invalid(
            format!("{at}.base_url"),
            "is not a base URL; write http(s)://HOST[:PORT]/PATH, without user, query or fragment",
        )
    })?;
    let key_at = format!("{at}.api_key");
    let key = raw.api_key.as_ref();
    let key = key
        .map(|source| secret(&key_at, source, base))
        .transpose()?;
    let credential = key.map(|key| {
        provider::credential(raw.kind.0, &key).ok_or_else(|| {
            ConfigError::invalid(&key_at, "holds characters that no HTTP header can carry")
        })
    });
    Ok(Checked {
        provider: Provider {
            name: name.into(),
            kind: raw.kind.0,
            tls: url.tls,
            host: url.host.into(),
            port: url.port,
            authority: url.authority.into(),
            base_path: versioned(url.path, versions).into(),
            credential: credential.transpose()?,
            timeouts: timeouts(&at, &raw.timeouts)?,
        },
        base_url: Some(base_url.into()),
    })
}

fn timeouts(at: &str, raw: &raw::Timeouts) -> Result<Timeouts, ConfigError> {
    let limit = |key: &str, value: Option<u64>, default: Duration| match value {
        None => Ok(default),
        Some(millis) if (1..=LONGEST_MS).contains(&millis) => Ok(Duration::from_millis(millis)),
        Some(millis) => Err(ConfigError::invalid(
            format!("{at}.timeouts.{key}"),
            format!("{millis} is out of range; from 1 to {LONGEST_MS}"),
        )),
    };
    let default = Timeouts::default();
    Ok(Timeouts {
        connect: limit("connect_ms", raw.connect_ms, default.connect)?,
        first_byte: limit("first_byte_ms", raw.first_byte_ms, default.first_byte)?,
        between_chunks: limit(
            "between_chunks_ms",
            raw.between_chunks_ms,
            default.between_chunks,
        )?,
        total: limit("total_ms", raw.total_ms, default.total)?,
    })
}

/// An address that is written out is judged before anything is sent; what a name
/// resolves to can only be judged when it is dialled.
pub fn admit(egress: &Egress, provider: &Provider) -> Result<(), ConfigError> {
    let at = format!("providers.{}.base_url", provider.name);
    admit_host(egress, &at, &provider.host)
}

/// The same for the host of any URL, which stands at `at`.
pub(super) fn admit_host(egress: &Egress, at: &str, host: &str) -> Result<(), ConfigError> {
    let refused = |what| ConfigError::invalid(at, what);
    if egress::is_disguised(host) {
        return Err(refused(format!(
            "{host:?} is a number that may be taken for an address; write the address as four decimal numbers, or a host name"
        )));
    }
    match egress::literal(host) {
        Some(address) if address.is_unspecified() => Err(refused(format!(
            "{host} is where servers listen and not where they are called; for one on this machine write 127.0.0.1"
        ))),
        Some(address) => egress
            .admit(host, address)
            .map_err(|forbidden| refused(forbidden.to_string())),
        None => Ok(()),
    }
}

/// People write the base URL of a versioned API with and without its version.
fn versioned(path: &str, versions: &[&str]) -> String {
    match versions.first() {
        Some(first) if !versions.iter().any(|version| path.ends_with(version)) => {
            format!("{path}{first}")
        }
        _ => path.to_owned(),
    }
}

/// Where the models of an in-process provider are, and how they run.
pub fn local(
    name: &str,
    raw: &raw::Provider,
    models: &[raw::Model],
    base: &Path,
    data_dir: &Path,
) -> Result<Local, ConfigError> {
    let at = |key: &str| format!("providers.{name}.{key}");
    let count = |key: &str, value: Option<u32>, default: u32, most: u32| match value {
        Some(value) if value == 0 || value > most => Err(ConfigError::invalid(
            at(key),
            format!("{value} is out of range; from 1 to {most}"),
        )),
        value => Ok(value.unwrap_or(default)),
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let targets = models.iter().flat_map(|model| &model.targets);
    let files = targets
        .filter(|target| target.provider == name && is_path(&target.model))
        .map(|target| (target.model.clone(), base.join(&target.model)));
    let model_dir: PathBuf = match &raw.model_dir {
        Some(dir) => base.join(dir),
        None => data_dir.join(MODELS),
    };
    let keep_alive = match raw.keep_alive_seconds {
        None => Some(KEEP_ALIVE),
        Some(-1) => None,
        Some(seconds) => Some(Duration::from_secs(u64::try_from(seconds).map_err(
            |_| {
                ConfigError::invalid(
                    at("keep_alive_seconds"),
                    "is a number of seconds, or -1 for ever",
                )
            },
        )?)),
    };
    Ok(Local {
        name: name.to_owned(),
        options: Options {
            model_dir: Some(model_dir),
            files: files.collect(),
            engine: match raw.engine.unwrap_or_default() {
                raw::Engine::Auto => EngineKind::Auto,
                raw::Engine::LlamaCpp => EngineKind::Llama,
                raw::Engine::Candle => EngineKind::Candle,
            },
            load: LoadOptions {
                context: count("context", raw.context, CONTEXT, 10_000_000)?,
                slots: count("parallel", raw.parallel, PARALLEL, 256)?,
                threads: count("threads", raw.threads, cores, 1024)?,
                queue: count("queue", raw.queue, QUEUE, 100_000)?,
            },
            keep_alive,
        },
    })
}

/// Whether a target's model is a file of its own and not a name in `model_dir`.
fn is_path(model: &str) -> bool {
    model.contains('/') && model.ends_with(".gguf")
}

/// The parts of a base URL.
pub(super) struct Url<'a> {
    pub(super) tls: bool,
    authority: &'a str,
    pub(super) host: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Url<'a> {
    pub(super) fn parse(url: &'a str) -> Option<Self> {
        let uri: http::Uri = url.parse().ok()?;
        let (tls, rest) = match uri.scheme_str()? {
            "https" => (true, url.get("https://".len()..)?),
            "http" => (false, url.get("http://".len()..)?),
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if uri.query().is_some() || url.contains(['#', '@']) || uri.host()?.is_empty() {
            return None;
        }
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let host = authority.get(..uri.host()?.len())?;
        Some(Self {
            tls,
            authority,
            host,
            port,
            path: path.trim_end_matches('/'),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_versioned_api_takes_its_base_url_either_way() {
        let gemini = ["/v1beta", "/v1"];
        assert_eq!(versioned("", &gemini), "/v1beta");
        assert_eq!(versioned("/v1beta", &gemini), "/v1beta");
        assert_eq!(versioned("/proxy/v1", &gemini), "/proxy/v1");
        assert_eq!(versioned("/proxy", &["/v1"]), "/proxy/v1");
        assert_eq!(versioned("/any", &[]), "/any");
    }

    #[test]
    fn a_key_without_meaning_is_refused_by_name() {
        let kind = |name| Kind::named(name).expect("a kind");
        let remote = raw::Provider {
            model_dir: Some("models".into()),
            ..raw::Provider::new(kind("gemini"))
        };
        let local = raw::Provider {
            base_url: Some("http://127.0.0.1:1".into()),
            ..raw::Provider::new(kind("llama_cpp"))
        };
        for (provider, key) in [(remote, "model_dir"), (local, "base_url")] {
            let error = check("p", &provider, Path::new("")).err().expect("refused");
            assert_eq!(
                error.to_string(),
                format!(
                    "providers.p.{key}: has no meaning for kind `{}`; remove it",
                    provider.kind.0.name()
                )
            );
        }
    }

    #[test]
    fn a_timeout_out_of_range_is_named() {
        let provider = |timeouts| raw::Provider {
            base_url: Some("http://127.0.0.1:1".into()),
            timeouts,
            ..raw::Provider::new(Kind::named("openai").expect("a kind"))
        };
        let checked = |timeouts| check("p", &provider(timeouts), Path::new(""));
        let sound = checked(raw::Timeouts {
            first_byte_ms: Some(1500),
            ..raw::Timeouts::default()
        });
        let expected = Timeouts {
            first_byte: Duration::from_millis(1500),
            ..Timeouts::default()
        };
        assert_eq!(sound.ok().map(|it| it.provider.timeouts), Some(expected));
        for millis in [0, LONGEST_MS + 1] {
            let error = checked(raw::Timeouts {
                total_ms: Some(millis),
                ..raw::Timeouts::default()
            });
            assert_eq!(
                error.err().map(|error| error.to_string()),
                Some(format!(
                    "providers.p.timeouts.total_ms: {millis} is out of range; from 1 to {LONGEST_MS}"
                ))
            );
        }
    }
}
