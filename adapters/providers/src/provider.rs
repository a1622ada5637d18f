//! The providers of one configuration.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use lattice_kernel::Secret;

use crate::kinds::Kind;

/// One provider: an address and the credential for it.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in configuration.
    pub name: Arc<str>,
    /// What it speaks.
    pub kind: Kind,
    /// Whether the connection is TLS.
    pub tls: bool,
    /// Host name or address; empty for a provider in this process.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
    /// `host` or `host:port`, as the `Host` header wants it.
    pub authority: Box<str>,
    /// What every path begins with, without a slash at its end.
    pub base_path: Box<str>,
    /// The header with the provider's key; `None` for servers that want none.
    pub credential: Option<(HeaderName, HeaderValue)>,
    /// How long it may take.
    pub timeouts: Timeouts,
}

/// How long a provider may take for each part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, the look-up of its name included.
    pub connect: Duration,
    /// From the end of the request to the head of the reply.
    pub first_byte: Duration,
    /// For more of the body, while somebody waits for it.
    pub between_chunks: Duration,
    /// From when the request may leave to the end of the reply, earlier attempts
    /// and the waits between them included.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(300),
            between_chunks: Duration::from_secs(300),
            total: Duration::from_secs(3600),
        }
    }
}

/// The header that carries `key` to a provider of this kind, marked so that it is
/// never printed; `None` where a header cannot hold such a key.
#[must_use]
pub fn credential(kind: Kind, key: &Secret) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = kind.credential(key.expose());
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// Providers by name.
#[derive(Debug, Default)]
pub struct Directory {
    providers: HashMap<Arc<str>, Arc<Provider>>,
}

impl Directory {
    /// A directory of these.
    pub fn new(providers: impl IntoIterator<Item = Provider>) -> Self {
        let named = providers
            .into_iter()
            .map(|provider| (provider.name.clone(), Arc::new(provider)));
        Self {
            providers: named.collect(),
        }
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.providers.keys()
    }

    /// The provider with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.get(name)
    }
}
