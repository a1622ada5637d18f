//! `lattice policy …`: what helps to write policies.

mod eval;
mod explain;
mod request;
mod test;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lattice_policy::authoring::QueryError;
use lattice_policy::gate::Severity;
use lattice_policy::{Fault, LoadError, PolicySet, Sources, StoreData};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::{PolicyCommand, PolicyPaths};
use crate::command::{CommandError, Done, table};
use crate::config::load;

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: PolicyCommand) -> Done {
    match command {
        PolicyCommand::Test(options) => test::run(config, &options),
        PolicyCommand::Check {
            set,
            strict,
            listing,
        } => check(config, &set, strict, listing.json),
        PolicyCommand::Eval(options) => eval::run(config, &options),
        PolicyCommand::Explain(options) => explain::run(config, &options),
    }
}

/// The files of the set that is named, else of the configured one, else of
/// that in the binary.
fn sources(config: Option<PathBuf>, paths: &[PathBuf]) -> Result<Sources, CommandError> {
    if !paths.is_empty() {
        return Sources::of_paths(paths).map_err(unreadable);
    }
    load(config)?.policy.read().map_err(unreadable)
}

fn named(config: Option<PathBuf>, set: &PolicyPaths) -> Result<Sources, CommandError> {
    let sources = match &set.bundle {
        Some(bundle) => Sources::of_bundle(bundle).map_err(unreadable)?,
        None => sources(config, &set.paths)?,
    };
    Ok(match &set.data {
        Some(file) => sources.with_data(&file.display().to_string(), &read(file)?),
        None => sources,
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the last use of the error"
)]
fn unreadable(error: LoadError) -> CommandError {
    CommandError::Failed(error.to_string())
}

/// The text of a file; `-` is standard input.
fn read(file: &Path) -> Result<String, CommandError> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|error| CommandError::Failed(format!("{}: {error}", file.display())))
}

fn failed(error: QueryError) -> CommandError {
    match error {
        QueryError::Input(_) => CommandError::Usage(error.to_string()),
        QueryError::Query(fault) => CommandError::Failed(fault.to_string()),
    }
}

#[derive(Serialize)]
struct Checked {
    sound: bool,
    faults: Vec<Value>,
}

/// The load gate's own verdict.
fn check(config: Option<PathBuf>, set: &PolicyPaths, strict: bool, json: bool) -> Done {
    let sources = named(config, set)?;
    let (faults, told) = match PolicySet::load(&sources, StoreData::default()) {
        Ok(set) => {
            let told: Vec<String> = set.warnings().iter().map(ToString::to_string).collect();
            (set.warnings().to_vec(), told.join("\n"))
        }
        Err(error) => (error.faults().to_vec(), error.to_string()),
    };
    let counts = |fault: &Fault| strict || fault.severity == Severity::Error;
    let sound = !faults.iter().any(counts);
    if json {
        let faults = faults.iter().map(row).collect();
        table::print_json(&Checked { sound, faults })?;
    } else {
        if !told.is_empty() {
            println!("{told}");
        }
        if sound {
            let files = sources.policies.len() + sources.tests.len() + sources.data.len();
            println!("sound: {files} files");
        }
    }
    Ok(match sound {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn row(fault: &Fault) -> Value {
    json!({
        "severity": match fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "location": { "file": fault.file, "row": fault.at.line, "col": fault.at.column },
        "message": fault.reason,
        "mend": fault.mend,
    })
}
