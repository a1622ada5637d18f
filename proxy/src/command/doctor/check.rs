//! One thing that was looked at, and what to do about it.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// What was found, for people.
    pub found: String,
    /// What that means.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What a finding means. What is not sound says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "mend", rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing to do.
    Ok,
    /// Lattice runs, and something will be missing.
    Warn(String),
    /// Lattice does not run, or not as configured.
    Fail(String),
}

impl Check {
    /// There is nothing to do.
    pub fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(name, found, Verdict::Ok)
    }

    /// Something will be missing until `mend` is done.
    pub fn warn(
        name: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(name, found, Verdict::Warn(mend.into()))
    }

    /// Lattice cannot work until `mend` is done.
    pub fn fail(
        name: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(name, found, Verdict::Fail(mend.into()))
    }

    /// An error of ours reads `what is wrong`, `separator`, `what to do`; one that
    /// names no mend gets `otherwise`.
    pub fn failed(
        name: impl Into<String>,
        error: &str,
        separator: &str,
        otherwise: impl Into<String>,
    ) -> Self {
        match error.split_once(separator) {
            Some((found, mend)) => Self::fail(name, found, mend),
            None => Self::fail(name, error, otherwise),
        }
    }

    fn new(name: impl Into<String>, found: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            name: name.into(),
            found: found.into(),
            verdict,
        }
    }
}

/// The checks of one subject, in the order in which they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The subject.
    pub title: &'static str,
    /// Its checks; a section without any is not shown.
    pub checks: Vec<Check>,
}
