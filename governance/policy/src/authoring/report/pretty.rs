//! For people, laid out as `opa test` does.

use std::fmt::Write as _;

use crate::authoring::{Coverage, Status, TestResult, Tested};

/// What separates the tests from the summary.
const RULE: &str =
    "--------------------------------------------------------------------------------";

/// The tests that did not pass, `verbose`ly all of them, then how many there
/// are of each kind, then the lines that were not reached.
#[must_use]
pub fn pretty(tested: &Tested, verbose: bool) -> String {
    let mut screen = String::new();
    let mut file: Option<&String> = None;
    for result in &tested.results {
        if !verbose && result.status == Status::Passed {
            continue;
        }
        if file.is_some_and(|file| *file != result.place.file) {
            screen.push('\n');
        }
        file = Some(&result.place.file);
        test(&mut screen, result);
    }
    if file.is_some() {
        line(&mut screen, RULE);
    }
    summary(&mut screen, tested);
    if let Some(coverage) = &tested.coverage {
        line(&mut screen, RULE);
        reached(&mut screen, coverage);
    }
    screen
}

fn line(screen: &mut String, text: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = writeln!(screen, "{text}");
}

fn test(screen: &mut String, result: &TestResult) {
    line(
        screen,
        format_args!("{}:{}:", result.place.file, result.place.row),
    );
    let name = result.full_name();
    let took = result.duration;
    match &result.status {
        Status::Passed => line(screen, format_args!("{name}: PASS ({took:.1?})")),
        Status::Skipped => line(screen, format_args!("{name}: SKIPPED")),
        Status::Raised(fault) => {
            line(screen, format_args!("{name}: ERROR ({took:.1?})"));
            line(screen, format_args!("  {fault}"));
        }
        Status::Failed { what, at } => {
            line(screen, format_args!("{name}: FAIL ({took:.1?})"));
            match at {
                None => line(screen, format_args!("  it {what}")),
                Some(at) => {
                    let place = &at.place;
                    line(
                        screen,
                        format_args!("  {}:{}: does not hold:", place.file, place.row),
                    );
                    at.text
                        .lines()
                        .for_each(|text| line(screen, format_args!("    {text}")));
                }
            }
        }
    }
    if !result.output.is_empty() {
        screen.push('\n');
        for text in &result.output {
            line(screen, format_args!("  {text}"));
        }
        screen.push('\n');
    }
}

fn summary(screen: &mut String, tested: &Tested) {
    let count = |of: fn(&Status) -> bool| {
        tested
            .results
            .iter()
            .filter(|result| of(&result.status))
            .count()
    };
    let all = tested.results.len();
    if all == 0 {
        line(screen, "no test was run");
    }
    for (name, number) in [
        ("PASS", count(|status| *status == Status::Passed)),
        (
            "FAIL",
            count(|status| matches!(status, Status::Failed { .. })),
        ),
        ("SKIPPED", count(|status| *status == Status::Skipped)),
        ("ERROR", count(|status| matches!(status, Status::Raised(_)))),
    ] {
        if number > 0 {
            line(screen, format_args!("{name}: {number}/{all}"));
        }
    }
}

fn reached(screen: &mut String, coverage: &Coverage) {
    let width = coverage.files.keys().map(|name| name.chars().count()).max();
    let width = width.unwrap_or_default();
    for (name, file) in &coverage.files {
        let missed = super::json::ranges(&file.not_covered);
        let missed: Vec<String> = missed
            .iter()
            .map(|(start, end)| match start == end {
                true => start.to_string(),
                false => format!("{start}-{end}"),
            })
            .collect();
        let missed = match &missed[..] {
            [] => String::new(),
            missed => format!("  not reached: {}", missed.join(", ")),
        };
        let percent = file.percent();
        line(
            screen,
            format_args!("{name:width$}  {percent:5.1} %{missed}"),
        );
    }
    line(
        screen,
        format_args!("COVERAGE: {:.1} %", coverage.percent()),
    );
}
