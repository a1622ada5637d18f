//! What somebody who writes policies asks of them: do the tests pass, which
//! lines do they reach, what does this query give, why was it decided so.
//!
//! Nothing here serves. A [`Project`] has passed every check of the load gate
//! that evaluates nothing, because regorus may only be let loose on what has.

mod coverage;
mod eval;
mod explain;
mod probe;
pub mod report;
mod test;

use regorus::{Engine, Value};

pub use coverage::{Coverage, FileCoverage};
pub use eval::{Expression, QueryError, QueryResult};
pub use explain::{Definition, Explanation, Fact, Outcome, Reason, RuleTrace, Statement};
pub use test::{Status, TestResult, Tested};

use crate::gate::fault::{Fault, LoadError};
use crate::gate::program::Program;
use crate::gate::{self, Passed};
use crate::set::{self, Sources, StoreData};

/// Policies, tests and data as their author works on them.
pub struct Project<'a> {
    sources: &'a Sources,
    program: Program,
    /// With policies, tests and data.
    engine: Engine,
    warnings: Vec<Fault>,
}

impl<'a> Project<'a> {
    /// The project of these files. It may lack the entry point, and what the
    /// store would give is empty.
    ///
    /// # Errors
    /// [`LoadError`] with the faults of the first step of the load gate that
    /// finds some; no test is run.
    pub fn open(sources: &'a Sources) -> Result<Self, LoadError> {
        let data = set::file_data(sources)?;
        let Passed {
            program, warnings, ..
        } = gate::check_part(sources, &data)?;
        let mut engine = program.testing.clone();
        set::fill(&mut engine, &data, &StoreData::default())?;
        Ok(Self {
            sources,
            program,
            engine,
            warnings,
        })
    }

    /// What its author may want to know, though nothing is wrong.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }
}

/// What regorus has as a value, as JSON has it; sets are arrays.
fn json(value: &Value) -> serde_json::Value {
    value
        .to_json_str()
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// As [`Sources`] name the file.
    pub file: String,
    /// From 1.
    pub row: u32,
    /// From 1, in bytes.
    pub col: u32,
}
