//! The load gate: what is checked before a set serves.
//!
//! In this order, because each step may rely on those before it: the shape of
//! the text ([`nesting`]), syntax, then every check on the parsed rules, and
//! only then anything is evaluated. All faults of a step are told together.
//! [`ast`] is the one place that names regorus' unstable part.

pub(crate) mod ast;
mod context;
mod dependencies;
pub(crate) mod fault;
mod functions;
mod iteration;
mod negation;
mod nesting;
mod numbers;
pub(crate) mod program;
mod references;
mod repeatable;
mod syntax;
mod trials;
mod unused;

use regorus::{Engine, Value};

use crate::footprint::Footprint;
use crate::set::Sources;
use fault::{Fault, Faults, LoadError, Position};
use program::Program;

pub use fault::Severity;
pub(crate) use nesting::check as check_nesting;
pub use program::TestRule;
pub(crate) use trials::{Outcome, limit, raised, run_one, slowest};
pub use trials::{TEST_TIME_LIMIT, TESTS_TIME_LIMIT};

/// What the checks on the parsed rules find out about a set that they pass.
pub(crate) struct Passed {
    pub(crate) program: Program,
    /// File and place of the entry point; of a part that has none, nowhere.
    pub(crate) entry_point: (String, Position),
    /// What it reads of the context.
    pub(crate) context: Footprint,
    /// Its decisions may be kept.
    pub(crate) cacheable: bool,
    pub(crate) warnings: Vec<Fault>,
}

/// All checks that evaluate nothing; `data` is what the set's files give.
///
/// # Errors
/// The faults of the first step that finds some.
pub(crate) fn check(sources: &Sources, data: &Value) -> Result<Passed, LoadError> {
    inspect(sources, data, |program, faults| {
        references::check_entry_point(program, faults);
        // What need not serve may be asked with inputs of another form.
        iteration::check(program, data, faults);
    })
}

/// The same for policies that need not serve: the entry point may be missing.
///
/// # Errors
/// As for [`check`].
pub(crate) fn check_part(sources: &Sources, data: &Value) -> Result<Passed, LoadError> {
    inspect(sources, data, |_, _| {})
}

fn inspect(
    sources: &Sources,
    data: &Value,
    check_serving: impl Fn(&Program, &mut Faults),
) -> Result<Passed, LoadError> {
    let program = Program::read(sources)?;
    let marked = repeatable::is_marked(sources);
    let mut faults = Faults::default();
    check_serving(&program, &mut faults);
    functions::check(&program, &mut faults);
    dependencies::check(&program, &mut faults);
    negation::check(&program, data, &mut faults);
    numbers::check(&program, &mut faults);
    repeatable::check(&program, marked, &mut faults);
    references::check(&program, data, &mut faults);
    faults.into_result()?;
    let mut warnings = Faults::default();
    unused::check(&program, &mut warnings);
    Ok(Passed {
        entry_point: references::entry_point(&program),
        context: context::of(&program),
        cacheable: !marked,
        warnings: warnings.into_list(),
        program,
    })
}

/// Runs the tests of a set over `engine`, which has its policies, tests and
/// data.
///
/// # Errors
/// Every test that fails, raises an error or takes too long.
pub(crate) fn run_tests(
    program: &Program,
    sources: &Sources,
    engine: &mut Engine,
) -> Result<(), LoadError> {
    let mut faults = Faults::default();
    trials::run(program, sources, engine, &mut faults);
    faults.into_result()
}
