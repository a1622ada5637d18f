//! The kinds of provider. Each has a folder with one [`Adapter`]; adding a kind
//! is a folder and a line in [`KINDS`], and nothing else in the gateway knows
//! them apart.

mod anthropic;
mod gemini;
mod llama_cpp;
mod mlx;
mod openai;
mod openai_compatible;
mod respell;
pub(crate) mod wire;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use lattice_dialects::Api;
use lattice_dialects::canonical::{self, Kept, Request};
use lattice_dialects::embed::EmbedApi;
use lattice_dialects::openai::chat::Server;
use lattice_kernel::call::Target;

use crate::execute::Outbound;
use crate::provider::Provider;
pub use respell::Caps;
pub use wire::{Forwarded, Reads};

/// Every kind, in the order in which configuration lists them.
const KINDS: &[&dyn Adapter] = &[
    &openai::OpenAi,
    &openai_compatible::OpenAiCompatible,
    &mlx::Mlx,
    &anthropic::Anthropic,
    &gemini::Gemini,
    &llama_cpp::LlamaCpp,
];

/// What is particular to one kind of provider: where it is, what it charges, and
/// which APIs it is asked by.
pub trait Adapter: Sync {
    /// As configuration writes it.
    fn name(&self) -> &'static str;

    /// Where it is.
    fn place(&self) -> Place;

    /// Where its prices are found.
    fn prices(&self) -> Prices;

    /// The header that carries the credential.
    fn credential(&self, key: &str) -> (HeaderName, String) {
        (http::header::AUTHORIZATION, format!("Bearer {key}"))
    }

    /// Which of its APIs answers what a caller asks for by `asked`: the same one
    /// where it has it.
    fn api(&self, asked: Api) -> Api;

    /// Where that API is, below the provider's base path.
    fn path(&self, api: Api, model: &str, stream: bool) -> String;

    /// What every request to it carries, beside host, length and credential.
    fn headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    /// How it reads the output cap of a chat request.
    fn caps(&self) -> Caps {
        Caps::MaxTokens
    }

    /// What answers its chat completions.
    fn server(&self, host: &str) -> Server {
        Server::of_host(host)
    }

    /// Which of its APIs counts tokens; `None` where none does.
    fn counter(&self) -> Option<Api> {
        None
    }

    /// How it is asked for embeddings; `None` where it has none.
    fn embeds(&self) -> Option<EmbedApi> {
        None
    }
}

/// Where a kind of provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At a URL.
    Remote {
        /// The provider's own address; `None` where there is no such thing.
        base_url: Option<&'static str>,
        /// What a base URL may end in, first the one that is added to one that ends
        /// in none; empty where a base URL is taken as it is.
        versions: &'static [&'static str],
        /// The environment variable that holds the key, where one is usual; with
        /// `_API_KEY` replaced by `_BASE_URL` it names the address.
        key_variable: Option<&'static str>,
    },
    /// In this process.
    InProcess,
}

/// Where the prices of a kind of provider are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prices {
    /// In the catalogue, under this provider.
    Provider(&'static str),
    /// In the catalogue, under whichever provider answers at the base URL.
    BaseUrl,
    /// It costs nothing.
    Free,
}

/// One request to one target.
pub struct Asking<'a> {
    /// Where it goes.
    pub provider: &'a Provider,
    /// The model there.
    pub target: &'a Target,
    /// What gate 3 has passed.
    pub body: &'a Outbound,
    /// What the caller may have lost of an earlier reply, by the id of a tool call.
    pub recall: &'a dyn Fn(&str) -> Option<Arc<Kept>>,
}

impl<'a> Asking<'a> {
    /// The request in the form between dialects, with what the caller has lost.
    fn canonical(&self, mut request: Request<'a>) -> Request<'a> {
        request.recall(self.recall);
        request
    }

    /// What it is encoded for. A cap that the caller names stays as it is.
    fn encode_for(&self) -> canonical::Target<'a> {
        let capless = self.body.facts().output_cap.is_none();
        canonical::Target {
            model: &self.target.model,
            output_cap: (self.body.cap_output && capless).then_some(self.target.max_output_tokens),
        }
    }
}

/// A request that is ready to be sent.
pub struct Prepared {
    /// What is sent.
    pub payload: Payload,
    /// What was changed or dropped, for `x-lattice-noted`.
    pub noted: Vec<Box<str>>,
    /// How the reply is read.
    pub reads: Reads,
}

/// What is sent.
#[derive(Debug)]
pub enum Payload {
    /// A POST to the provider.
    Http {
        /// Path and query.
        path: Box<str>,
        /// Headers beside host, length and credential.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
    },
    /// The caller's request itself, to an engine in this process.
    InProcess,
}

/// A kind of provider; compares and prints by name.
#[derive(Clone, Copy)]
pub struct Kind(&'static dyn Adapter);

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|adapter| Self(*adapter))
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name() == name)
    }
}

impl std::ops::Deref for Kind {
    type Target = dyn Adapter;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn boxed(noted: Vec<String>) -> Vec<Box<str>> {
    noted.into_iter().map(String::into_boxed_str).collect()
}

/// A header that every request to a kind carries.
fn constant(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_name() {
        let names: Vec<&str> = Kind::all().map(|kind| kind.name()).collect();
        assert_eq!(
            names,
            [
                "openai",
                "openai_compatible",
                "mlx",
                "anthropic",
                "gemini",
                "llama_cpp"
            ]
        );
        for name in names {
            assert_eq!(format!("{:?}", Kind::named(name).expect("listed")), name);
        }
        assert_ne!(Kind::named("openai"), Kind::named("mlx"));
        assert!(Kind::named("OpenAI").is_none());
    }
}
