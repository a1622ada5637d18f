//! What was found, as people and as programs read it. Nothing is looked at here.

use std::fmt::Write as _;

use serde::Serialize;

use super::check::{Check, Section, Verdict};

/// Names longer than this push what was found aside instead of widening every line.
const WIDEST_NAME: usize = 24;

/// The screen for people. `colour`: for a terminal; the words are the same without.
pub fn text(sections: &[Section], colour: bool) -> String {
    let checks = || sections.iter().flat_map(|section| &section.checks);
    let width = checks()
        .map(|check| check.name.chars().count())
        .filter(|width| *width <= WIDEST_NAME)
        .max()
        .unwrap_or(0);
    let mut screen = String::new();
    for section in sections.iter().filter(|section| !section.checks.is_empty()) {
        screen += section.title;
        screen.push('\n');
        for check in &section.checks {
            line(&mut screen, check, width, colour);
        }
        screen.push('\n');
    }
    screen += &summary(checks());
    screen.push('\n');
    screen
}

fn line(screen: &mut String, check: &Check, width: usize, colour: bool) {
    let (mark, code, mend) = match &check.verdict {
        Verdict::Ok => ("ok", 32, None),
        Verdict::Warn(mend) => ("warn", 33, Some(mend)),
        Verdict::Fail(mend) => ("FAIL", 31, Some(mend)),
    };
    let (on, off) = if colour {
        (format!("\x1b[{code}m"), "\x1b[0m")
    } else {
        (String::new(), "")
    };
    let Check { name, found, .. } = check;
    // A name may hold anything that a configuration can; a line stays a line.
    let (name, found) = (plain(name), plain(found));
    // Writing to a string does not fail.
    let _ = writeln!(screen, "  {on}{mark:4}{off}  {name:width$}  {found}");
    if let Some(mend) = mend {
        let _ = writeln!(screen, "        {}", plain(mend));
    }
}

fn plain(text: &str) -> String {
    text.replace(|char: char| char.is_control(), " ")
}

fn summary<'a>(checks: impl Iterator<Item = &'a Check>) -> String {
    let (mut failures, mut warnings) = (0, 0);
    for check in checks {
        match check.verdict {
            Verdict::Ok => {}
            Verdict::Warn(_) => warnings += 1,
            Verdict::Fail(_) => failures += 1,
        }
    }
    let warnings = match warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        more => format!(", {more} warnings"),
    };
    match failures {
        0 => format!("nothing stands in the way{warnings}"),
        1 => format!("1 thing to mend{warnings}"),
        more => format!("{more} things to mend{warnings}"),
    }
}

/// One object for each check.
pub fn json(sections: &[Section]) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Row<'a> {
        section: &'static str,
        #[serde(flatten)]
        check: &'a Check,
    }
    let rows: Vec<Row<'_>> = sections
        .iter()
        .flat_map(|section| {
            section.checks.iter().map(|check| Row {
                section: section.title,
                check,
            })
        })
        .collect();
    serde_json::to_string_pretty(&rows)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn sections() -> Vec<Section> {
        vec![
            Section {
                title: "machine",
                checks: vec![Check::ok("disk", "12 GB free")],
            },
            Section {
                title: "local models",
                checks: Vec::new(),
            },
            Section {
                title: "network",
                checks: vec![
                    Check::warn("provider x", "does not answer", "start it"),
                    Check::fail("a name that is longer than others\nare", "taken", "stop it"),
                ],
            },
        ]
    }

    #[test]
    fn each_check_is_a_line_and_what_is_not_sound_has_a_second_with_the_mend() {
        assert_snapshot!(text(&sections(), false), @"
        machine
          ok    disk        12 GB free

        network
          warn  provider x  does not answer
                start it
          FAIL  a name that is longer than others are  taken
                stop it

        1 thing to mend, 1 warning
        ");
        assert!(text(&sections(), true).contains("\x1b[31mFAIL\x1b[0m  a name"));
    }

    #[test]
    fn programs_read_the_same_as_an_array() {
        assert_snapshot!(json(&sections()).expect("JSON"), @r#"
        [
          {
            "section": "machine",
            "name": "disk",
            "found": "12 GB free",
            "verdict": "ok"
          },
          {
            "section": "network",
            "name": "provider x",
            "found": "does not answer",
            "verdict": "warn",
            "mend": "start it"
          },
          {
            "section": "network",
            "name": "a name that is longer than others\nare",
            "found": "taken",
            "verdict": "fail",
            "mend": "stop it"
          }
        ]
        "#);
    }
}
