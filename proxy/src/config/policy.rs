//! Where the policy set comes from, how it is asked, and where its decisions are logged.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lattice_policy::log::{LinesOptions, Mask};
use lattice_policy::{LoadError, OnStale, Options, Sources};

use crate::config::load::ConfigError;
use crate::config::raw;

/// How long the store may be silent before decisions are no longer kept, seconds.
const STALE_AFTER: u32 = 10;
const LOG_MIB: u32 = 100;

/// How decisions are made.
///
/// # Errors
/// `policy.shadow` is no share.
pub fn options(policy: &raw::Policy) -> Result<Options, ConfigError> {
    let defaults = Options::default();
    let shadow = policy.shadow.unwrap_or(defaults.shadow);
    if !(0.0..=1.0).contains(&shadow) {
        return Err(ConfigError::invalid(
            "policy.shadow",
            "a share is a number from 0 to 1, for instance 0.01",
        ));
    }
    let stale_after = policy.stale_after_seconds.unwrap_or(STALE_AFTER);
    Ok(Options {
        cache: matches!(policy.cache, raw::Switch::On),
        shadow,
        stale_after: Some(Duration::from_secs(stale_after.into())),
        on_stale: match policy.on_stale {
            raw::OnStale::Bypass => OnStale::Bypass,
            raw::OnStale::Deny => OnStale::Deny,
        },
    })
}

/// Where decisions are logged, if they are.
///
/// # Errors
/// A place to mask is none, or the size is out of range.
pub fn log(policy: &raw::Policy, base: &Path) -> Result<Option<LinesOptions>, ConfigError> {
    let Some(log) = &policy.decision_log else {
        return Ok(None);
    };
    let mask = match &log.mask {
        None => Mask::default(),
        Some(places) => Mask::new(places.iter().map(String::as_str))
            .map_err(|error| ConfigError::invalid("policy.decision_log.mask", error.to_string()))?,
    };
    let at = "policy.decision_log.max_mib";
    let max_bytes = super::checked::size(at, log.max_mib.unwrap_or(LOG_MIB), 1 << 20)?;
    Ok(Some(LinesOptions {
        path: base.join(&log.file),
        mask,
        labels: BTreeMap::from([
            ("app".to_owned(), "lattice".to_owned()),
            ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]),
        max_bytes: max_bytes as u64,
    }))
}

/// Where the policy set comes from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    files: Option<Files>,
    /// Takes the place of the shipped set's own data.
    data: Option<PathBuf>,
}

#[derive(Debug, Clone)]
enum Files {
    Folder(PathBuf),
    Bundle(PathBuf),
}

impl Source {
    /// Of these settings; relative paths start at `base`.
    ///
    /// # Errors
    /// They name two sets, or data for one that brings its own.
    pub fn of(policy: &raw::Policy, base: &Path) -> Result<Self, ConfigError> {
        let path = |path: &PathBuf| base.join(path);
        let files = match (&policy.dir, &policy.bundle) {
            (Some(_), Some(_)) => {
                return Err(ConfigError::invalid(
                    "policy.bundle",
                    "stands beside policy.dir; keep the one that is to serve",
                ));
            }
            (Some(dir), None) => Some(Files::Folder(path(dir))),
            (None, Some(bundle)) => Some(Files::Bundle(path(bundle))),
            (None, None) => None,
        };
        if files.is_some() && policy.data.is_some() {
            return Err(ConfigError::invalid(
                "policy.data",
                "replaces the data of the shipped set, and another set is configured; put a data.json into that one",
            ));
        }
        let data = policy.data.as_ref().map(path);
        Ok(Self { files, data })
    }

    /// Reads the set's files.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn read(&self) -> Result<Sources, LoadError> {
        let sources = match &self.files {
            Some(Files::Folder(dir)) => Sources::of_dir(dir)?,
            Some(Files::Bundle(bundle)) => Sources::of_bundle(bundle)?,
            None => Sources::shipped(),
        };
        let Some(file) = &self.data else {
            return Ok(sources);
        };
        let data = Sources::of_paths(std::slice::from_ref(file))?.data;
        Ok(data.iter().fold(sources, |sources, file| {
            sources.with_data(&file.name, &file.text)
        }))
    }

    /// What the set is read from, to be watched.
    pub fn paths(&self) -> Vec<PathBuf> {
        let files = self.files.iter().map(|files| match files {
            Files::Folder(path) | Files::Bundle(path) => path.clone(),
        });
        files.chain(self.data.clone()).collect()
    }
}

/// For people: the place, as configured.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.files, &self.data) {
            (Some(Files::Folder(path) | Files::Bundle(path)), _) => path.display().fmt(f),
            (None, None) => f.write_str("shipped"),
            (None, Some(data)) => write!(f, "shipped, with {}", data.display()),
        }
    }
}
