//! Where an issuer's keys are, and getting them.

use std::future::Future;

use serde_json::Value;

use super::algorithm::Algorithm;
use super::json;
use super::jwk::KeySet;

/// The longest reply that is worth reading, in bytes; whoever implements [`Fetch`]
/// gives up beyond it.
pub const LONGEST_REPLY: usize = 256 * 1024;

/// Gets documents of issuers.
pub trait Fetch: Send + Sync {
    /// The body of a `200` to a GET of `url`, at most [`LONGEST_REPLY`] long, within
    /// a few seconds and without following redirects.
    ///
    /// `configured` is the URL that configuration wrote and that led to `url`. An
    /// issuer may send us to another host, but not into our own network: an address
    /// that is not public is dialled only on behalf of whoever wrote its host.
    fn get(
        &self,
        url: &str,
        configured: &str,
    ) -> impl Future<Output = Result<Vec<u8>, FetchFailure>> + Send;
}

/// The keys of an issuer cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FetchFailure {
    /// For the log; no caller sees it.
    pub message: String,
}

impl FetchFailure {
    /// With this message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone)]
pub struct KeysAt {
    /// The issuer, as its tokens name it.
    pub issuer: Box<str>,
    /// The URL of its keys; `None`: its discovery document tells.
    pub jwks_url: Option<Box<str>>,
}

impl KeysAt {
    /// The issuer's discovery document.
    #[must_use]
    pub fn discovery_url(&self) -> String {
        let issuer = self.issuer.trim_end_matches('/');
        format!("{issuer}/.well-known/openid-configuration")
    }

    pub(crate) async fn fetch(
        &self,
        fetch: &impl Fetch,
        wanted: &[Algorithm],
    ) -> Result<KeySet, FetchFailure> {
        let (url, configured) = match &self.jwks_url {
            Some(url) => (url.clone(), url),
            None => (self.discover(fetch).await?, &self.issuer),
        };
        let text = fetch.get(&url, configured).await?;
        KeySet::parse(&text, wanted)
            .ok_or_else(|| FetchFailure::new(format!("{url} does not answer with a set of keys")))
    }

    async fn discover(&self, fetch: &impl Fetch) -> Result<Box<str>, FetchFailure> {
        let url = self.discovery_url();
        let text = fetch.get(&url, &self.issuer).await?;
        let document = json::object(&text)
            .ok_or_else(|| FetchFailure::new(format!("{url} does not answer with an object")))?;
        let member = |name: &str| document.get(name).and_then(Value::as_str);
        // Another issuer's document would let its keys sign for this one.
        if member("issuer") != Some(&*self.issuer) {
            return Err(FetchFailure::new(format!(
                "{url} is the document of another issuer than {:?}; write the issuer exactly as the provider spells it, down to the slash at its end",
                self.issuer
            )));
        }
        let found = member("jwks_uri").map(Into::into);
        found.ok_or_else(|| FetchFailure::new(format!("{url} does not name `jwks_uri`")))
    }
}
