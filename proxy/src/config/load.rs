//! From a path to a checked configuration: the exact way that the server boots.

use std::path::{Path, PathBuf};

use serde_saphyr::{Error, SnippetMode};

use crate::config::checked::Config;
use crate::config::raw::{Raw, SecretSource};

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
    #[error("{path}:{what}")]
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
        let place = error
            .location()
            .map(|at| format!("{}:{}: ", at.line(), at.column()));
        ConfigError::Malformed {
            path: path.to_path_buf(),
            what: format!(
                "{}{}",
                place.unwrap_or_default(),
                explain(error.without_snippet())
            ),
        }
    })
}

/// What is wrong, in the words of somebody who writes the file. Never shows a
/// line of it: a secret that was put where it does not belong would be in the log.
fn explain(error: &Error) -> String {
    match error {
        Error::SerdeUnknownVariant { expected, .. } if *expected == SecretSource::SPELLINGS => {
            "a secret is never written here; point to it with { env: NAME } or { file: PATH }"
                .into()
        }
        Error::SerdeUnknownField {
            field, expected, ..
        } => {
            format!("unknown key `{field}`{}", known(field, expected))
        }
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            format!("`{variant}` is not known here{}", known(variant, expected))
        }
        Error::SerdeMissingField { field, .. } => format!("`{field}` is missing"),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("`{key}` is there twice; keep one")
        }
        Error::InvalidScalar { ty, .. } => match *ty {
            "bool" => "must be true or false".into(),
            "f32" | "f64" => "must be a number".into(),
            _ => "must be a whole number, 0 or more".into(),
        },
        other => {
            let options = serde_saphyr::render_options! { snippets: SnippetMode::Off };
            let said = other.render_with_options(options);
            said.split(" at line ")
                .next()
                .unwrap_or_default()
                .to_owned()
        }
    }
}

/// The nearest of the words that would do, then all of them.
fn known(unknown: &str, expected: &[&str]) -> String {
    let nearest = expected
        .iter()
        .map(|known| (strsim::damerau_levenshtein(unknown, known), *known))
        .filter(|(distance, known)| *distance <= known.len() / 2)
        .min();
    let hint = nearest
        .map(|(_, known)| format!("; did you mean `{known}`?"))
        .unwrap_or_default();
    format!("{hint} (known: {})", expected.join(", "))
}
