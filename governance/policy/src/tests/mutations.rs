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
    fn pieces_of_rego_are_answered(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..200)) {
        let text = format!("package lattice.authz\n{}", pieces.concat());
        let sources = Sources::of_files("", [("a.rego", text)]);
        prop_assert!(PolicySet::load(&sources, StoreData::default()).is_err());
    }
}
