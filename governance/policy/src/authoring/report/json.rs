//! In the shapes of `opa test --format json` and `opa test --coverage`.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::authoring::{Coverage, FileCoverage, Place, Status, TestResult, Tested};
use crate::gate::fault::Fault;

/// An array of tests. `duration` is in nanoseconds and `output` is base64, as
/// OPA writes them; `fail`, `skip` and `error` are there where they apply.
/// `failed_expression` is ours.
#[must_use]
pub fn tests(tested: &Tested) -> Value {
    tested.results.iter().map(test).collect()
}

fn test(result: &TestResult) -> Value {
    let mut row = json!({
        "location": location(&result.place),
        "package": result.package,
        "name": result.name,
        "duration": u64::try_from(result.duration.as_nanos()).unwrap_or(u64::MAX),
    });
    match &result.status {
        Status::Passed => {}
        Status::Skipped => row["skip"] = true.into(),
        Status::Failed { at, .. } => {
            row["fail"] = true.into();
            if let Some(at) = at {
                row["failed_expression"] =
                    json!({ "text": at.text, "location": location(&at.place) });
            }
        }
        Status::Raised(fault) => row["error"] = error(fault),
    }
    if !result.output.is_empty() {
        let text: String = result
            .output
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        row["output"] = BASE64_STANDARD.encode(text).into();
    }
    row
}

fn error(fault: &Fault) -> Value {
    json!({
        "code": "eval_error",
        "message": fault.reason,
        "location": { "file": fault.file, "row": fault.at.line, "col": fault.at.column },
    })
}

fn location(place: &Place) -> Value {
    json!({ "file": place.file, "row": place.row, "col": place.col })
}

/// An object of files, by name, and the totals.
#[must_use]
pub fn coverage(coverage: &Coverage) -> Value {
    let files: serde_json::Map<String, Value> = coverage
        .files
        .iter()
        .map(|(name, file)| (name.clone(), of_file(file)))
        .collect();
    let (covered, not_covered) = coverage.lines();
    json!({
        "files": files,
        "covered_lines": covered,
        "not_covered_lines": not_covered,
        "coverage": coverage.percent(),
    })
}

fn of_file(file: &FileCoverage) -> Value {
    let rows = |lines| -> Value {
        ranges(lines)
            .iter()
            .map(|(start, end)| json!({ "start": { "row": start }, "end": { "row": end } }))
            .collect()
    };
    json!({
        "covered": rows(&file.covered),
        "not_covered": rows(&file.not_covered),
        "covered_lines": file.covered.len(),
        "not_covered_lines": file.not_covered.len(),
        "coverage": file.percent(),
    })
}

/// The first and the last line of each run of lines.
pub(super) fn ranges(lines: &BTreeSet<u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match ranges.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(*line) => *end = *line,
            _ => ranges.push((*line, *line)),
        }
    }
    ranges
}
