//! What is wrong with a set, where, and what mends it.

use std::fmt;

/// Faults that one report lists; a set with more says how many.
const LISTED: usize = 32;

/// Whether a fault keeps a set from serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The set does not serve.
    Error,
    /// It serves; whoever wrote it may want to know.
    Warning,
}

/// A place in a file, both from 1; 0 is the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column, in bytes.
    pub column: u32,
}

/// One thing that is wrong with a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether it keeps the set from serving.
    pub severity: Severity,
    /// Name of the file, as its [`Sources`](crate::set::Sources) have it.
    pub file: String,
    /// Where in it.
    pub at: Position,
    /// What is wrong.
    pub reason: String,
    /// What to do about it; empty where that goes without saying.
    pub mend: String,
}

impl Fault {
    /// An error that concerns `file` as a whole.
    pub(crate) fn of_file(
        file: impl Into<String>,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::at(file, Position::default(), reason, mend)
    }

    /// An error at a place in `file`.
    pub(crate) fn at(
        file: impl Into<String>,
        at: Position,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            file: file.into(),
            at,
            reason: reason.into(),
            mend: mend.into(),
        }
    }

    /// The same as a warning.
    pub(crate) fn warning(self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.at.line > 0 {
            write!(f, "{}:{}:", self.at.line, self.at.column)?;
        }
        if self.severity == Severity::Warning {
            f.write_str(" warning:")?;
        }
        write!(f, " {}", self.reason)?;
        if self.mend.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", self.mend)
        }
    }
}

/// Why a set cannot serve: everything that was found, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    faults: Vec<Fault>,
    unlisted: usize,
}

impl LoadError {
    /// What was found, by file and place; no more than 32.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl From<Fault> for LoadError {
    fn from(fault: Fault) -> Self {
        Self {
            faults: vec![fault],
            unlisted: 0,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.faults.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        if self.unlisted > 0 {
            write!(f, "\nand {} more", self.unlisted)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// Faults as they are found; bounded.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    found: Vec<Fault>,
    unlisted: usize,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        if self.found.contains(&fault) {
        } else if self.found.len() < LISTED {
            self.found.push(fault);
        } else {
            self.unlisted += 1;
        }
    }

    /// An error if there is one; faults are sorted by file and place.
    pub(crate) fn into_result(mut self) -> Result<(), LoadError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found
            .sort_by(|a, b| (&a.file, a.at).cmp(&(&b.file, b.at)));
        Err(LoadError {
            faults: self.found,
            unlisted: self.unlisted,
        })
    }

    pub(crate) fn into_list(mut self) -> Vec<Fault> {
        self.found
            .sort_by(|a, b| (&a.file, a.at).cmp(&(&b.file, b.at)));
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(file: &str, line: u32) -> Fault {
        Fault::at(file, Position { line, column: 2 }, "is wrong", "mend it")
    }

    #[test]
    fn a_fault_reads_as_compilers_write_them() {
        assert_eq!(
            fault("a.rego", 3).to_string(),
            "a.rego:3:2: is wrong; mend it"
        );
        assert_eq!(
            fault("a.rego", 3).warning().to_string(),
            "a.rego:3:2: warning: is wrong; mend it"
        );
        assert_eq!(
            Fault::of_file("data.json", "is wrong", "").to_string(),
            "data.json: is wrong"
        );
    }

    #[test]
    fn faults_are_sorted_told_once_and_bounded() {
        let mut faults = Faults::default();
        for line in (1..=40).rev() {
            faults.add(fault("a.rego", line));
            faults.add(fault("a.rego", line));
        }
        let error = faults.into_result().unwrap_err();
        assert_eq!(error.faults().len(), 32);
        assert!(error.faults().is_sorted_by_key(|fault| fault.at));
        assert!(error.to_string().ends_with("and 16 more"), "{error}");
        assert_eq!(Faults::default().into_result(), Ok(()));
    }
}
