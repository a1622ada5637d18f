//! Runs tests as `opa test` does: every rule `test_…` of every package, with an
//! empty input.

use std::time::{Duration, Instant};

use super::coverage::{self, Coverage};
use super::explain::Statement;
use super::{Place, Project, probe};
use crate::gate::fault::Fault;
use crate::gate::program::{TestRule, display};
use crate::gate::{self, Outcome};

/// What became of the tests of a project.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// In the order of files and lines.
    pub results: Vec<TestResult>,
    /// Lines that the tests reached, where that was asked for.
    pub coverage: Option<Coverage>,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestResult {
    /// `data.` and the package.
    pub package: String,
    /// Of the rule.
    pub name: String,
    /// Where the rule begins.
    pub place: Place,
    /// What it came to.
    pub status: Status,
    /// Of the evaluation.
    pub duration: Duration,
    /// What it printed, `FILE:LINE: TEXT` each.
    pub output: Vec<String>,
}

/// What a test came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// It is true.
    Passed,
    /// It is not.
    Failed {
        /// As in "the test …".
        what: &'static str,
        /// The first statement that did not hold, where that can be told.
        at: Option<Statement>,
    },
    /// It ended with an error, or took longer than two seconds.
    Raised(Fault),
    /// `todo_test_…`: it was not run.
    Skipped,
}

impl Tested {
    /// Whether no test failed or raised an error.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.results
            .iter()
            .all(|result| matches!(result.status, Status::Passed | Status::Skipped))
    }
}

impl TestResult {
    /// Package and name with a dot between, which is what a filter is held
    /// against.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.package, self.name)
    }
}

impl Project<'_> {
    /// Runs the tests whose package and name (`data.lattice.authz_test.test_x`)
    /// are `wanted`. Each has two seconds.
    #[must_use]
    pub fn test(&self, wanted: impl Fn(&str) -> bool, coverage: bool) -> Tested {
        let mut engine = self.engine.clone();
        gate::limit(&mut engine);
        engine.set_enable_coverage(coverage);
        let tests = self.program.tests();
        let results = tests
            .iter()
            .filter(|test| wanted(&test.path))
            .map(|test| self.run(test, &mut engine))
            .collect();
        Tested {
            results,
            coverage: coverage.then(|| coverage::of(&self.program, &engine)),
        }
    }

    fn run(&self, test: &TestRule, engine: &mut regorus::Engine) -> TestResult {
        let started = Instant::now();
        let outcome = (!test.is_todo()).then(|| gate::run_one(test, self.sources, engine));
        let duration = started.elapsed();
        let status = match outcome {
            None => Status::Skipped,
            Some(Outcome::Passed) => Status::Passed,
            Some(Outcome::Failed(what)) => Status::Failed {
                what,
                at: probe::of_test(self, test),
            },
            Some(Outcome::Raised(fault)) => Status::Raised(fault),
        };
        TestResult {
            package: display(test.package.iter().map(String::as_str)),
            name: test.name.clone(),
            place: Place {
                file: test.file.clone(),
                row: test.at.line,
                col: test.at.column,
            },
            status,
            duration,
            output: engine.take_prints().unwrap_or_default(),
        }
    }
}
