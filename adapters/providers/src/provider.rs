//! The providers of one configuration.

use std::collections::HashMap;
use std::sync::Arc;

use lattice_dialects::openai::chat::CapField;
use lattice_kernel::Secret;

/// What a provider speaks, and how it wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// OpenAI itself.
    OpenAi,
    /// Any server with OpenAI's chat route.
    OpenAiCompatible,
    /// `mlx_lm.server`: OpenAI's chat route on a Mac.
    Mlx,
}

impl Kind {
    /// The field that caps the output of one choice. OpenAI's reasoning models
    /// refuse the old name; most other servers know the old one only.
    #[must_use]
    pub fn cap_field(self) -> CapField {
        match self {
            Self::OpenAi => CapField::MaxCompletionTokens,
            Self::OpenAiCompatible | Self::Mlx => CapField::MaxTokens,
        }
    }
}

/// One provider: an address and the credential for it.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in configuration.
    pub name: Arc<str>,
    /// What it speaks.
    pub kind: Kind,
    /// Whether the connection is TLS.
    pub tls: bool,
    /// Host name or address.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
    /// `host` or `host:port`, as the `Host` header wants it.
    pub authority: Box<str>,
    /// The path of `POST …/chat/completions`.
    pub chat_path: Box<str>,
    /// The provider's key; `None` for servers that want none.
    pub api_key: Option<Secret>,
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

    /// The provider with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.get(name)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values()
    }
}
