//! `lattice policy test`

use std::path::PathBuf;
use std::process::ExitCode;

use lattice_policy::authoring::{Project, Tested, report};
use regex::Regex;

use crate::cli::{PolicyTest, TestFormat};
use crate::command::policy::{named, unreadable};
use crate::command::{CommandError, Done};

/// Runs the tests and reports them.
pub(super) fn run(config: Option<PathBuf>, options: &PolicyTest) -> Done {
    let wanted = options.run.as_deref().map(Regex::new).transpose();
    let wanted = wanted.map_err(|error| CommandError::Usage(format!("--run: {error}")))?;
    let sources = named(config, &options.set)?;
    let project = Project::open(&sources).map_err(unreadable)?;
    let tested = project.test(
        |name| wanted.as_ref().is_none_or(|wanted| wanted.is_match(name)),
        options.coverage || options.threshold.is_some(),
    );
    print(options, &tested)?;
    let short = tested
        .coverage
        .as_ref()
        .map(lattice_policy::authoring::Coverage::percent)
        .zip(options.threshold)
        .filter(|(percent, threshold)| percent < threshold);
    if let Some((percent, threshold)) = short {
        eprintln!(
            "lattice: the tests reach {percent:.2} % of the lines, and {threshold:.2} % are asked for"
        );
    }
    Ok(match tested.is_sound() && short.is_none() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn print(options: &PolicyTest, tested: &Tested) -> Result<(), CommandError> {
    match options.format {
        TestFormat::Pretty => print!("{}", report::pretty(tested, options.verbose)),
        TestFormat::Junit => print!("{}", report::junit(tested)),
        TestFormat::Json => {
            let tests = report::tests(tested);
            // OPA's report of coverage says nothing of the tests.
            let value = match &tested.coverage {
                None => tests,
                Some(coverage) => {
                    let mut value = report::coverage(coverage);
                    value["tests"] = tests;
                    value
                }
            };
            let text = serde_json::to_string_pretty(&value).map_err(std::io::Error::from)?;
            println!("{text}");
        }
    }
    Ok(())
}
