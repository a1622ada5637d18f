//! How gate 2 is asked, and where its decisions are logged.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use lattice_policy::Options;
use lattice_policy::log::{LinesOptions, Mask};

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
