//! Whatever a policy's text is, the gate has an answer to it, and soon.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::{PolicySet, Sources, StoreData};

/// Pieces that change what a text means more than a byte does.
const PIECES: [&str; 34] = [
    "(",
    "[",
    "{",
    "}",
    "]",
    ")",
    "not ",
    "some ",
    "every x in ",
    " in ",
    " if ",
    " with input as ",
    "data.",
    "data",
    "input",
    "else := ",
    "default ",
    "import ",
    "package ",
    "contains ",
    "\"",
    "`",
    "#",
    "\\",
    "-",
    "| ",
    ":=",
    "==",
    "set(",
    "allow",
    "decision",
    "\n",
    "\0",
    "é",
];

#[derive(Debug, Clone)]
enum Edit {
    Byte(u8),
    Piece(&'static str),
    Cut(usize),
    /// A run of the text, once more at another place.
    Copy(prop::sample::Index, usize),
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, Edit)>> {
    let edit = prop_oneof![
        any::<u8>().prop_map(Edit::Byte),
        prop::sample::select(&PIECES[..]).prop_map(Edit::Piece),
        (1..40_usize).prop_map(Edit::Cut),
        (any::<prop::sample::Index>(), 1..80_usize)
            .prop_map(|(from, length)| Edit::Copy(from, length)),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), edit), 1..6)
}

fn edited(text: &str, edits: &[(prop::sample::Index, Edit)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (at, edit) in edits {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        let run = |from: usize, length: usize| from..(from + length).min(bytes.len());
        match edit {
            Edit::Byte(byte) => bytes[at] = *byte,
            Edit::Piece(piece) => {
                bytes.splice(at..at, piece.bytes());
            }
            Edit::Cut(length) => {
                bytes.drain(run(at, *length));
            }
            Edit::Copy(from, length) => {
                let copied = bytes[run(from.index(bytes.len()), *length)].to_vec();
                bytes.splice(at..at, copied);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Rules over a handful of names, so that many of them need each other; `@` is
/// a name and `%` a function.
const RULES: [&str; 24] = [
    "@ if @",
    "@ := [x | some x in @]",
    "@ contains x if some x in @",
    "@ := 1 if not @",
    "@ := 1 if { @; @ == 1 }",
    "@ := x if { x := @; y := %(x); y }",
    "@ := 1 if { true with data.lattice.authz.@ as @ }",
    "@ := 1 if { @ with input as {\"x\": @} }",
    "@ := 1 if { %(1) with data.lattice.authz.% as data.lattice.authz.% }",
    "@ := 1 if { data.lattice.authz.%(1) with % as % }",
    "@ := 1 if { every x in @ { @ == x } }",
    "@ := 1 if @\nelse := @ if @\nelse := 3",
    "default @ := 5",
    "@.k := 1",
    "@[x] := @ if some x in [1]",
    "@ := data.lattice.authz.@",
    "@ := data.lattice[\"authz\"].@",
    "@ := {@: @}",
    "@ := 1 if { @ := 2; @ == 2 }",
    "@ := 1 if { some @ in [1]; @ }",
    "%(x) := y if { y := %(x) }",
    "%(x) := @ if x",
    "%(@) := @",
    "%(x) := [@ | some @ in x]",
];

fn rules() -> impl Strategy<Value = String> {
    let names = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d", "e"]), 8);
    let functions = prop::collection::vec(prop::sample::select(vec!["f", "g", "h"]), 8);
    let rule = (prop::sample::select(&RULES[..]), names, functions);
    prop::collection::vec(rule, 1..8).prop_map(|rules| {
        rules
            .into_iter()
            .map(|(rule, names, functions)| {
                let filled = names
                    .into_iter()
                    .fold(rule.to_owned(), |text, name| text.replacen('@', name, 1));
                functions
                    .into_iter()
                    .fold(filled, |text, name| text.replacen('%', name, 1))
                    + "\n"
            })
            .collect()
    })
}

const OPEN: &str = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_mutation_of_the_shipped_set_is_answered(file in any::<prop::sample::Index>(), edits in edits()) {
        let mut sources = Sources::shipped();
        sources.tests.clear();
        let file = file.index(sources.policies.len());
        let text = &mut sources.policies[file].text;
        *text = edited(text, &edits);
        let started = Instant::now();
        let loaded = PolicySet::load(&sources, StoreData::default());
        prop_assert!(started.elapsed() < Duration::from_secs(10));
        if let Err(error) = loaded {
            prop_assert!(!error.faults().is_empty());
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn a_mutation_of_its_tests_is_answered(file in any::<prop::sample::Index>(), edits in edits()) {
        let mut sources = Sources::shipped();
        let file = file.index(sources.tests.len());
        let text = &mut sources.tests[file].text;
        // Part of them, to be done in time.
        let half = text.char_indices().nth(2000).map_or(text.len(), |(at, _)| at);
        *text = edited(&text[..half], &edits);
        let started = Instant::now();
        let _ = PolicySet::load(&sources, StoreData::default());
        prop_assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn rules_that_may_need_each_other_are_answered(rules in rules()) {
        let text = format!("package lattice.authz\n\n{OPEN}\n\n{rules}");
        // Evaluates all of them.
        let test = "package t\n\ntest_x if data.lattice.authz\n".to_owned();
        let sources = Sources::of_files("", [("a.rego", text), ("a_test.rego", test)]);
        if let Err(error) = PolicySet::load(&sources, StoreData::default()) {
            prop_assert!(!error.faults().is_empty());
        }
    }

    #[test]
    fn pieces_of_rego_are_answered(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..200)) {
        let text = format!("package lattice.authz\n{}", pieces.concat());
        let sources = Sources::of_files("", [("a.rego", text)]);
        prop_assert!(PolicySet::load(&sources, StoreData::default()).is_err());
    }
}
