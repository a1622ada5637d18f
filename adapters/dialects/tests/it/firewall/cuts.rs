//! However a stream is cut into reads, the caller gets the same.

use bytes::Bytes;
use lattice_dialects::Api;
use proptest::prelude::*;

use super::calls::{blocks, forms};
use super::native::{Form, PLAIN, call, calls, stream, text};
use super::{APIS, LAWS, Law, by_name, once, through};
use crate::support::cut;

/// Every single cut, and byte by byte.
#[track_caller]
pub fn everywhere(api: Api, stream: &str, law: Law, step: usize) {
    let whole = once(api, stream, law);
    let bytes = Bytes::copy_from_slice(stream.as_bytes());
    for at in (1..bytes.len()).step_by(step) {
        let reads = vec![bytes.slice(..at), bytes.slice(at..)];
        let got = through(api, reads, law);
        assert!(
            got == whole,
            "{api:?} cut at {at}:\n{}\n\n{}",
            got.text(),
            whole.text()
        );
    }
    assert!(
        through(api, cut(&bytes, &[1]), law) == whole,
        "{api:?} byte by byte"
    );
}

#[test]
fn a_cut_at_any_byte_does_not_show() {
    let blocks = [
        text("Héllo."),
        calls(&[
            ("yes_a", r#"{"q":"one"}"#),
            ("no_b", r#"{"q":"two","r":"three"}"#),
            ("new_c", r#"{"q":"four"}"#),
        ]),
        text("And."),
        call("no_d", r#"{"q":"five"}"#),
    ];
    for api in APIS {
        for (end, alternate) in [("\n\n", false), ("\r\n\r\n", true), ("\r\r", false)] {
            let form = Form {
                alternate,
                end,
                ..PLAIN
            };
            everywhere(api, &stream(api, &blocks, form), by_name, 1);
        }
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
