//! Whatever comes, nothing panics, nothing unbounded is held, and no cut shows.

use bytes::Bytes;
use lattice_dialects::firewall::{Firewall, MAX_HELD};
use proptest::prelude::*;

use super::calls::{blocks, forms};
use super::native::stream;
use super::{APIS, by_name, once, through};
use crate::support::cut;

/// What is put where a mutation hits: pieces of JSON, of framing, and of calls.
fn splinter() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::sample::select(vec![
            "\"",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\n",
            "\r",
            "\n\n",
            "data: ",
            "event: x\n",
            "\\",
            "\\u0061",
            "null",
            "0",
            "-1",
            "1e9",
            "true",
            "\"tool_calls\":",
            "\"function_call\":{}",
            "_call",
            "tool_use",
            "functionCall",
            "\"index\":7",
            "\"index\":null",
            "\"type\":\"x\"",
            "[DONE]",
            "\"finish_reason\":\"stop\"",
            "é",
            "\u{feff}",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn a_mutated_stream_is_read_or_refused(
        blocks in blocks(),
        form in forms(),
        api in 0..4_usize,
        mutations in proptest::collection::vec((any::<proptest::sample::Index>(), 0..9_usize, splinter()), 1..6),
        cuts in proptest::collection::vec(1..300_usize, 1..6),
    ) {
        let api = APIS[api];
        let mut bytes = stream(api, &blocks, form).into_bytes();
        for (at, gone, put) in mutations {
            let at = at.index(bytes.len());
            let end = (at + gone).min(bytes.len());
            bytes.splice(at..end, put);
            if bytes.is_empty() {
                bytes.push(b'\n');
            }
        }
        let whole = through(api, vec![Bytes::from(bytes.clone())], by_name);
        let pieces = through(api, cut(&bytes, &cuts), by_name);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn a_mutated_reply_is_read_or_refused(
        blocks in blocks(),
        form in forms(),
        api in 0..4_usize,
        at in any::<proptest::sample::Index>(),
        put in splinter(),
    ) {
        // Any one event of a stream is a document as good as a reply.
        let api = APIS[api];
        let stream = stream(api, &blocks, form);
        let events: Vec<&str> = stream.split(['\n', '\r']).filter(|it| it.starts_with("data: {")).collect();
        let mut body = events[at.index(events.len())].as_bytes()[6..].to_vec();
        let at = at.index(body.len());
        body.splice(at..at, put);
        let _ = Firewall::new(api).whole(body.into(), &mut |call| by_name(call, 0));
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'"')], 0..300),
        api in 0..4_usize,
    ) {
        let mut firewall = Firewall::new(APIS[api]);
        let mut out = Vec::new();
        firewall.push(Bytes::from(bytes.clone()), &mut |call| by_name(call, 0), &mut out);
        prop_assert!(firewall.held() <= MAX_HELD);
        let _ = firewall.whole(bytes.into(), &mut |call| by_name(call, 0));
    }

    /// However it is harmed, a stream tells nothing of a call that no judge released.
    #[test]
    fn a_mutated_stream_tells_nothing_of_what_is_refused(
        blocks in blocks(),
        form in forms(),
        api in 0..4_usize,
        at in any::<proptest::sample::Index>(),
        gone in 0..30_usize,
        put in splinter(),
    ) {
        let api = APIS[api];
        let whole = stream(api, &blocks, form);
        let mut bytes = whole.clone().into_bytes();
        let at = at.index(bytes.len());
        let end = (at + gone).min(bytes.len());
        bytes.splice(at..end, put);
        let Ok(harmed) = String::from_utf8(bytes) else { return Ok(()) };
        let got = once(api, &harmed, |_, _| lattice_dialects::firewall::Ruling::Refuse("No.".into()));
        if let Some(name) = got.text().find("\"tool_calls\":[{").or(got.text().find("\"tool_use\",\"name\"")) {
            prop_assert!(false, "a call passed at {}: {}", name, got.text());
        }
    }
}
