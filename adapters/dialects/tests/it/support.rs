//! What several tests need.

use bytes::Bytes;
use lattice_dialects::openai::chat::ChatWatch;
use lattice_dialects::reply::Asked;
use lattice_dialects::reply::Relay;
use proptest::prelude::*;

/// JSON text of any shape, with white space, escapes and odd numbers.
pub fn json_text() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1e5".to_owned()),
        Just("-0".to_owned()),
        Just("0.10".to_owned()),
        Just("12345678901234567890123".to_owned()),
        Just(r#""\u0061\n\ud83d\ude00""#.to_owned()),
        "[a-z é🦀]{0,8}".prop_map(|text| format!("\"{text}\"")),
    ];
    scalar.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[ {} ]", items.join(" ,\n"))),
            proptest::collection::btree_map("[a-z]{1,6}", inner, 0..5).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("\"{key}\" : {value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// `bytes` in pieces whose lengths follow `cuts`, in turn.
pub fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut pieces = Vec::new();
    let mut lengths = cuts.iter().cycle();
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |cut| (*cut).max(1));
        pieces.push(rest.split_to(length.min(rest.len())));
    }
    pieces
}

/// Passes `reads` through a relay to the end; what the caller got, and the relay.
pub fn relayed(asked: Asked, reads: Vec<Bytes>, cost: Option<&str>) -> (Vec<u8>, Relay) {
    let mut relay = Relay::new(Box::new(ChatWatch::new(asked, 1)));
    let mut price = |_: &_| cost.map(str::to_owned);
    let mut out = Vec::new();
    for read in reads {
        relay.push(read, &mut price, &mut out);
        assert!(relay.held() <= lattice_dialects::sse::MAX_EVENT);
    }
    relay.finish(&mut price, &mut out);
    (out.concat(), relay)
}
