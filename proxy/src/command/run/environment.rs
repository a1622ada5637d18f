//! What the command finds in its environment, and what it does not.

use std::net::SocketAddr;
use std::path::PathBuf;

use lattice_kernel::Secret;

use crate::command::CommandError;
use crate::config::load::{find, parse};
use crate::config::raw::SecretSource;
use crate::config::{ConfigError, providers};

/// The variables that lead the usual clients to the gateway at `address`.
pub fn of_clients(address: SocketAddr, key: &Secret) -> Vec<(&'static str, String)> {
    let root = format!("http://{address}");
    let versioned = format!("{root}/v1");
    let key = key.expose();
    let addresses = [
        ("OPENAI_BASE_URL", &versioned),
        ("OPENAI_API_BASE", &versioned),
        ("ANTHROPIC_BASE_URL", &root),
        ("GOOGLE_GEMINI_BASE_URL", &root),
    ];
    let keys = [
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        // Claude Code sends this one as a bearer token and asks no questions about it.
        "ANTHROPIC_AUTH_TOKEN",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
    ];
    addresses
        .into_iter()
        .map(|(name, url)| (name, url.clone()))
        .chain(keys.map(|name| (name, key.to_owned())))
        .collect()
}

/// The variables that hold the gateway's own secrets: providers' keys above all.
///
/// # Errors
/// The configuration cannot be read.
pub fn secrets(config: Option<PathBuf>) -> Result<Vec<String>, CommandError> {
    let (providers, others) = match find(config) {
        Some(path) => {
            let text =
                std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable {
                    path: path.clone(),
                    source,
                })?;
            let raw = parse(&path, &text)?;
            (raw.providers, vec![raw.database.url, raw.security.pepper])
        }
        None => (providers::of_environment(), Vec::new()),
    };
    let keys = providers.into_values().map(|provider| provider.api_key);
    let variables = keys.chain(others).filter_map(|source| match source? {
        SecretSource::Env(name) => Some(name),
        SecretSource::File(_) => None,
    });
    // Lattice's own name for an address: clients of the command's have no business there.
    Ok(variables.chain(["GEMINI_BASE_URL".to_owned()]).collect())
}
