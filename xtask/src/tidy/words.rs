//! Words that the house does not use, and the few places that may.
//!
//! clippy's `disallowed_methods` sees through imports but only what is compiled here and now,
//! and an `#[expect]` silences it anywhere; this list is closed and sees every file.

use super::Violation;
use super::source::{Source, Word, words};

/// Names that need a place in [`PLACES`], and what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    (
        "tokio::spawn",
        "keep the handle, say who joins it, and add the file to PLACES",
    ),
    (
        "task::spawn",
        "keep the handle, say who joins it, and add the file to PLACES",
    ),
    (
        "SystemTime::now",
        "take the time as an argument or ask the Clock",
    ),
    (
        "OffsetDateTime::now_utc",
        "take the time as an argument or ask the Clock",
    ),
    (
        "UtcDateTime::now",
        "take the time as an argument or ask the Clock",
    ),
];

/// Where a forbidden word may stand.
struct Place {
    file: &'static str,
    word: &'static str,
    /// For whoever reads this table.
    #[expect(
        dead_code,
        reason = "a reason is written for readers, not for the program"
    )]
    reason: &'static str,
}

const PLACES: &[Place] = &[Place {
    file: "governance/kernel/src/clock.rs",
    word: "OffsetDateTime::now_utc",
    reason: "this is the Clock",
}];

pub fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations: Vec<_> = sources.iter().flat_map(allow_attributes).collect();
    let found: Vec<Found> = sources.iter().flat_map(forbidden).collect();
    let (allowed, banned): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|found| PLACES.iter().any(|place| found.is_at(place)));
    violations.extend(banned.into_iter().map(Found::into_violation));
    let unused = PLACES
        .iter()
        .filter(|place| !allowed.iter().any(|found| found.is_at(place)));
    violations.extend(unused.map(unused_place));
    violations
}

struct Found {
    file: String,
    line: usize,
    word: &'static str,
    mend: &'static str,
}

impl Found {
    fn is_at(&self, place: &Place) -> bool {
        self.file == place.file && self.word == place.word
    }

    fn into_violation(self) -> Violation {
        let message = format!("`{}` outside its places", self.word);
        Violation {
            file: self.file,
            line: self.line,
            rule: "words",
            message,
            mend: self.mend,
        }
    }
}

/// An entry that nothing needs would let the word come back unseen.
fn unused_place(place: &Place) -> Violation {
    Violation {
        file: "xtask/src/tidy/words.rs".to_owned(),
        line: 1,
        rule: "words",
        message: format!("`{}` is not used in {}", place.word, place.file),
        mend: "remove the entry from PLACES",
    }
}

fn forbidden(source: &Source) -> Vec<Found> {
    if source.is_test() {
        return Vec::new();
    }
    let words = words(source.tokens.clone(), false);
    let mut found = Vec::new();
    for (word, mend) in FORBIDDEN {
        for line in occurrences(&words, word) {
            found.push(Found {
                file: source.file.clone(),
                line,
                word,
                mend,
            });
        }
    }
    found
}

/// Lines of a path of two names, `a::b`, however long the path that it ends.
fn occurrences<'a>(words: &'a [Word], path: &str) -> impl Iterator<Item = usize> + 'a {
    let (first, last) = path.split_once("::").unwrap_or(("", path));
    let wanted = [
        first.to_owned(),
        ":".to_owned(),
        ":".to_owned(),
        last.to_owned(),
    ];
    let matches = move |window: &&[Word]| window.iter().map(|word| &word.text).eq(&wanted);
    words
        .windows(4)
        .filter(matches)
        .map(|window| window[3].first_line)
}

/// `allow` in any attribute, in tests and inside `cfg_attr` too.
fn allow_attributes(source: &Source) -> Vec<Violation> {
    let words = words(source.tokens.clone(), true);
    let mut violations = Vec::new();
    for (index, window) in words.windows(2).enumerate() {
        let [attribute, open] = window else { continue };
        if attribute.text != "#" || open.text != "[" {
            continue;
        }
        let inside = &words[index + 2..closing(&words, index + 1)];
        let allow = |pair: &[Word]| pair[0].text == "allow" && pair[1].text == "(";
        if inside.windows(2).any(allow) {
            violations.push(Violation {
                file: source.file.clone(),
                line: attribute.first_line,
                rule: "words",
                message: "an `allow` attribute outlives its reason".to_owned(),
                mend: "mend the cause, or write #[expect(…, reason = \"…\")]",
            });
        }
    }
    violations
}

/// Index of the bracket that closes the one at `open`.
fn closing(words: &[Word], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, word) in words.iter().enumerate().skip(open) {
        match word.text.as_str() {
            "[" => depth += 1,
            "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    words.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(file: &str, rust: &str) -> Source {
        Source::parse(file, rust.to_owned()).unwrap()
    }

    /// Line and word of each finding.
    fn found(file: &str, rust: &str) -> Vec<(usize, &'static str)> {
        forbidden(&source(file, rust))
            .iter()
            .map(|found| (found.line, found.word))
            .collect()
    }

    #[test]
    fn each_forbidden_word_is_found_under_any_path() {
        for (word, _) in FORBIDDEN {
            let rust = format!("fn f() {{\n    {word}(g());\n    ::some::{word}(g());\n}}");
            assert_eq!(found("a/src/lib.rs", &rust), [(2, *word), (3, *word)]);
        }
    }

    #[test]
    fn longer_names_strings_and_comments_are_other_words() {
        let rust = "// tokio::spawn\nfn f() { tokio::task::spawn_blocking(g); \"tokio::spawn\"; }";
        assert_eq!(found("a/src/lib.rs", rust), []);
    }

    #[test]
    fn tests_may_spawn_and_ask_the_time() {
        let call = "fn f() { tokio::spawn(g()); SystemTime::now(); }";
        assert_eq!(found("a/tests/it.rs", call), []);
        assert_eq!(found("a/src/b/tests.rs", call), []);
        assert_eq!(
            found(
                "a/src/lib.rs",
                &format!("#[cfg(test)] mod tests {{ {call} }}")
            ),
            []
        );
        assert_eq!(found("a/src/latest.rs", call).len(), 2);
    }

    #[test]
    fn a_word_is_allowed_in_its_place_and_nowhere_else() {
        let clock = "fn now() { OffsetDateTime::now_utc(); }";
        let both = "fn now() { OffsetDateTime::now_utc(); SystemTime::now(); }";
        let place = "governance/kernel/src/clock.rs";
        let count = |sources: &[Source]| check(sources).len();
        assert_eq!(count(&[source(place, clock)]), 0);
        assert_eq!(count(&[source(place, both)]), 1);
        assert_eq!(
            count(&[source(place, clock), source("a/src/lib.rs", clock)]),
            1
        );
    }

    #[test]
    fn a_place_that_nothing_needs_is_a_violation() {
        let violations = check(&[source("governance/kernel/src/clock.rs", "fn now() {}")]);
        assert_eq!(violations.len(), 1);
        assert!(
            violations[0].message.contains("is not used"),
            "{violations:?}"
        );
    }

    #[test]
    fn allow_attributes_are_found_in_every_form() {
        let lines = |rust: &str| {
            let violations = allow_attributes(&source("a.rs", rust));
            violations
                .iter()
                .map(|violation| violation.line)
                .collect::<Vec<_>>()
        };
        assert_eq!(lines("\n#[allow(dead_code)] fn f() {}"), [2]);
        assert_eq!(lines("#![allow(dead_code)]"), [1]);
        assert_eq!(
            lines("fn f() {}\n#[cfg_attr(unix, allow(dead_code))] fn g() {}"),
            [2]
        );
        assert_eq!(
            lines("#[cfg(test)] mod tests { #[allow(dead_code)] fn f() {} }"),
            [1]
        );
        assert_eq!(
            lines("#[expect(dead_code, reason = \"allow(no)\")] fn f() {}"),
            [0; 0]
        );
        assert_eq!(
            lines("#[derive(Debug)] struct A; fn f() { allow([1]); }"),
            [0; 0]
        );
    }
}
