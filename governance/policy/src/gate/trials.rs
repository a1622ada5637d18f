//! What is found by evaluating: a set's own tests, and what regorus says of a
//! set when it prepares it.

use std::time::{Duration, Instant};

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use super::fault::{Fault, Faults};
use super::program::{Program, TestRule};
use super::syntax;
use crate::set::{CHECK_INTERVAL, Sources};

/// The longest that one test may take.
pub const TEST_TIME_LIMIT: Duration = Duration::from_secs(2);
/// The longest that all tests of a set may take, one by the other.
pub const TESTS_TIME_LIMIT: Duration = Duration::from_secs(20);

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// It is something other than true; says what, as in "it …".
    Failed(&'static str),
    /// It ended with an error.
    Raised(Fault),
}

/// Runs every `test_…` of the set over `engine`, which has tests and data.
pub(super) fn run(program: &Program, sources: &Sources, engine: &mut Engine, faults: &mut Faults) {
    limit(engine);
    let started = Instant::now();
    for test in program.tests() {
        if test.is_todo() {
            continue;
        }
        if started.elapsed() > TESTS_TIME_LIMIT {
            faults.add(Fault::at(
                test.file,
                test.at,
                format!(
                    "the tests of the set take more than {} s",
                    TESTS_TIME_LIMIT.as_secs()
                ),
                "leave the longest of them to a set of their own",
            ));
            return;
        }
        match run_one(&test, sources, engine) {
            Outcome::Passed => {}
            Outcome::Failed(what) => faults.add(Fault::at(
                &test.file,
                test.at,
                format!("the test {} fails: it {what}", test.name),
                "mend the policy or the test",
            )),
            Outcome::Raised(fault) => faults.add(Fault {
                reason: format!("the test {} fails: {}", test.name, fault.reason),
                ..fault
            }),
        }
    }
}

/// The longest that is looked for what is slow.
const SEARCH_LIMIT: Duration = Duration::from_secs(5);

/// The rule of `program` that takes too long by itself: what it needs does not. `is_slow`
/// evaluates a rule by its path.
pub(crate) fn slowest(program: &Program, is_slow: impl Fn(&str) -> bool) -> Option<Fault> {
    let started = Instant::now();
    let rules = super::dependencies::order(program).into_iter();
    let rules = rules.filter(|node| !program.is_function(*node));
    let slow = rules
        .take_while(|_| started.elapsed() < SEARCH_LIMIT)
        .map(|node| &program.nodes[node])
        .find(|node| is_slow(&node.to_string()))?;
    let (unit, rule) = slow.rules.first()?;
    Some(program.fault(
        *unit,
        rule.span(),
        format!("{slow} takes longer than a decision may"),
        "loops inside of each other take the product of their lengths: look up by name, or shorten what they go over",
    ))
}

/// Gives each evaluation of `engine` the time that a test has.
pub(crate) fn limit(engine: &mut Engine) {
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: TEST_TIME_LIMIT,
        check_interval: CHECK_INTERVAL,
    });
}

/// Runs one test over `engine`, which has tests and data.
pub(crate) fn run_one(test: &TestRule, sources: &Sources, engine: &mut Engine) -> Outcome {
    engine.set_input(Value::new_object());
    match engine.eval_rule(test.path.clone()) {
        Ok(Value::Bool(true)) => Outcome::Passed,
        Ok(Value::Undefined) => Outcome::Failed("is undefined"),
        Ok(Value::Bool(false)) => Outcome::Failed("is false"),
        Ok(_) => Outcome::Failed("is not true"),
        Err(error) => Outcome::Raised(raised(sources, &test.file, &error.to_string())),
    }
}

/// The fault that an error of an evaluation tells of.
pub(crate) fn raised(sources: &Sources, file: &str, error: &str) -> Fault {
    let (named, _, _) = syntax::locate(error);
    let name = named.unwrap_or(file);
    let mut files = sources.policies.iter().chain(&sources.tests);
    let text = files.find(|file| file.name == name);
    syntax::fault(name, text.map_or("", |file| &file.text), error)
}
