//! As `JUnit` XML, which CI systems show: a suite for each package.

use std::fmt::Write as _;
use std::time::Duration;

use crate::authoring::{Status, TestResult, Tested};

/// The whole document.
#[must_use]
pub fn junit(tested: &Tested) -> String {
    let mut suites: Vec<(&str, Vec<&TestResult>)> = Vec::new();
    for result in &tested.results {
        match suites.iter_mut().find(|(name, _)| *name == result.package) {
            Some((_, tests)) => tests.push(result),
            None => suites.push((&result.package, vec![result])),
        }
    }
    let all: Vec<&TestResult> = tested.results.iter().collect();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let _ = writeln!(
        xml,
        "<testsuites name=\"lattice policy test\" {}>",
        counts(&all)
    );
    for (name, tests) in suites {
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" {}>",
            escape(name),
            counts(&tests)
        );
        tests.iter().for_each(|result| case(&mut xml, result));
        xml += "  </testsuite>\n";
    }
    xml += "</testsuites>\n";
    xml
}

fn counts(tests: &[&TestResult]) -> String {
    let count = |of: fn(&Status) -> bool| tests.iter().filter(|test| of(&test.status)).count();
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
        tests.len(),
        count(|status| matches!(status, Status::Failed { .. })),
        count(|status| matches!(status, Status::Raised(_))),
        count(|status| *status == Status::Skipped),
        seconds(tests.iter().map(|test| test.duration).sum()),
    )
}

fn seconds(duration: Duration) -> String {
    format!("{:.6}", duration.as_secs_f64())
}

fn case(xml: &mut String, result: &TestResult) {
    let _ = write!(
        xml,
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{}\">",
        escape(&result.name),
        escape(&result.package),
        escape(&result.place.file),
        result.place.row,
        seconds(result.duration),
    );
    match &result.status {
        Status::Passed => {}
        Status::Skipped => *xml += "<skipped/>",
        Status::Failed { what, at } => {
            let place = at.as_ref().map_or(&result.place, |at| &at.place);
            let text = at.as_ref().map_or(*what, |at| &at.text);
            let _ = write!(
                xml,
                "<failure message=\"it {what}\">{}:{}: {}</failure>",
                escape(&place.file),
                place.row,
                escape(text),
            );
        }
        Status::Raised(fault) => {
            let _ = write!(
                xml,
                "<error message=\"{}\">{}</error>",
                escape(&fault.reason),
                escape(&fault.to_string()),
            );
        }
    }
    if !result.output.is_empty() {
        let text = escape(&result.output.join("\n"));
        let _ = write!(xml, "<system-out>{text}</system-out>");
    }
    *xml += "</testcase>\n";
}

/// `text` for an element or an attribute. What XML cannot hold at all becomes
/// U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped += "&#10;",
            '\t' => escaped += "&#9;",
            '\r' => escaped += "&#13;",
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            char if char.is_control() && char < ' ' => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}
