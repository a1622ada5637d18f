//! However a stream is cut into reads, the caller gets the same.

use bytes::Bytes;
use lattice_dialects::Api;
use proptest::prelude::*;

use super::calls::{blocks, forms};
use super::native::{Form, PLAIN, calls, stream, text};
use super::{APIS, LAWS, Law, by_name, once, through};
use crate::support::cut;

/// Every single cut.
#[track_caller]
pub fn everywhere(api: Api, stream: &str, law: Law) {
    let whole = once(api, stream, law);
    let bytes = Bytes::copy_from_slice(stream.as_bytes());
    for at in 1..bytes.len() {
        let got = through(api, vec![bytes.slice(..at), bytes.slice(at..)], law);
        assert!(got == whole, "{api:?} cut at {at}: {}", got.text());
    }
}

/// Reads of one byte, and of `length`, from every offset: so every byte is a cut of one
/// of them.
#[track_caller]
pub fn in_pieces(api: Api, stream: &str, law: Law, length: usize) {
    let whole = once(api, stream, law);
    let bytes = Bytes::copy_from_slice(stream.as_bytes());
    for first in 1..=length.min(bytes.len()) {
        let mut reads = vec![bytes.slice(..first)];
        reads.extend(cut(&bytes[first..], &[length]));
        assert!(through(api, reads, law) == whole, "{api:?} first {first}");
    }
    let got = through(api, cut(&bytes, &[1]), law);
    assert!(got == whole, "{api:?} byte by byte");
}

#[test]
fn a_cut_at_any_byte_does_not_show() {
    let blocks = [
        text("Héllo."),
        calls(&[
            ("yes_a", r#"{"q":"one"}"#),
            ("no_b", r#"{"q":"two"}"#),
            ("new_c", r#"{"q":"four"}"#),
        ]),
    ];
    for api in APIS {
        for (end, alternate) in [("\n\n", false), ("\r\n\r\n", true), ("\r\r", false)] {
            let form = Form {
                alternate,
                end,
                ..PLAIN
            };
            let stream = stream(api, &blocks, form);
            in_pieces(api, &stream, by_name, 29);
        }
        let few = [calls(&[("no_a", r#"{"q":"ö"}"#), ("yes_b", "{}")])];
        let form = Form {
            end: "\r\n\r\n",
            ..PLAIN
        };
        everywhere(api, &stream(api, &few, form), by_name);
    }
}

proptest! {
    #[test]
    fn any_cuts_do_not_show(
        blocks in blocks(),
        form in forms(),
        api in 0..4_usize,
        law in 0..4_usize,
        cuts in proptest::collection::vec(prop_oneof![1..9_usize, 1..900_usize], 1..8),
    ) {
        let api = APIS[api];
        let law = LAWS[law];
        let stream = stream(api, &blocks, form);
        let whole = once(api, &stream, law);
        let pieces = through(api, cut(stream.as_bytes(), &cuts), law);
        prop_assert_eq!(whole, pieces);
    }
}
