//! From a path to a checked configuration: the exact way that the server boots.

use std::path::{Path, PathBuf};

use crate::config::checked::Config;
use crate::config::raw::Raw;

/// Why a configuration is refused. Each text names the place and the mend.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what the schema asks for.
    #[error("{path}: {what}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong there.
        what: String,
    },
    /// A value cannot be used.
    #[error("{at}: {what}")]
    Invalid {
        /// The key, as a path.
        at: String,
        /// What is wrong and what would do.
        what: String,
    },
}

impl ConfigError {
    /// A value at `at` cannot be used.
    pub fn invalid(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Invalid {
            at: at.into(),
            what: what.into(),
        }
    }
}

/// The file that applies: `--config`, else `LATTICE_CONFIG` (clap has merged the
/// two), else `./lattice.yaml` where there is one, else none.
#[must_use]
pub fn find(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Some(PathBuf::from("lattice.yaml")).filter(|path| path.exists()))
}

/// Reads and checks the configuration that applies.
///
/// # Errors
/// See [`ConfigError`].
pub fn load(named: Option<PathBuf>) -> Result<Config, ConfigError> {
    match find(named) {
        Some(path) => {
            let text =
                std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable {
                    path: path.clone(),
                    source,
                })?;
            let raw = parse(&path, &text)?;
            let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
            Config::check(raw, &base)
        }
        None => Config::from_environment(),
    }
}

/// Reads the text of a configuration file.
///
/// # Errors
/// [`ConfigError::Malformed`] with line and column; for an unknown key, with
/// the nearest known one.
pub fn parse(path: &Path, text: &str) -> Result<Raw, ConfigError> {
    // An empty file is an empty configuration, not a missing one.
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(Raw::default());
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let said = error.to_string();
        let hint = nearest_key(&said)
            .map(|key| format!(" (did you mean `{key}`?)"))
            .unwrap_or_default();
        ConfigError::Malformed {
            path: path.to_path_buf(),
            what: format!("{said}{hint}"),
        }
    })
}

/// The known key that is nearest to the unknown one of a serde message:
/// ``unknown field `lisen`, expected one of `listen`, …``.
fn nearest_key(said: &str) -> Option<String> {
    let rest = said
        .split_once("unknown field")
        .or_else(|| said.split_once("unknown variant"))?
        .1;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .filter(|(distance, known)| *distance <= known.len() / 2)
        .min()
        .map(|(_, known)| known.to_owned())
}
