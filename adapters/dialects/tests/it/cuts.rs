//! However an upstream's bytes are cut into reads, the caller gets the same.

use std::sync::OnceLock;

use bytes::Bytes;
use lattice_dialects::canonical::Decode;
use lattice_dialects::openai::chat::Decoder;
use lattice_dialects::openai::responses;
use lattice_dialects::reply::Asked;
use lattice_dialects::reply::Translator;
use proptest::prelude::*;

use crate::recorded::recordings;
use crate::replay::writers;
use crate::support::cut;
use crate::translated::{BARE_CALL, CALL, SEALED, TEXT, THOUGHT, claude, claudes, google};

#[derive(Debug, Clone, Copy)]
enum Dialect {
    Chat,
    Responses,
    Claude,
    Gemini,
}

impl Dialect {
    fn decoder(self) -> Box<dyn Decode> {
        match self {
            Self::Chat => Box::new(Decoder::new("s", 1)),
            Self::Responses => Box::new(responses::Decoder::default()),
            Self::Claude => claude(),
            Self::Gemini => google(),
        }
    }
}

/// All that a caller and the gateway get to know of a stream.
fn outcome(dialect: Dialect, reads: Vec<Bytes>) -> (Vec<u8>, String) {
    let mut translator = Translator::new(dialect.decoder(), writers(Asked::Yes));
    let mut out = Vec::new();
    for read in reads {
        translator.push(read, &mut |_| Some("1.5".into()), &mut out);
        assert!(translator.held() <= 1 << 20);
    }
    translator.finish(&mut |_| Some("1.5".into()), &mut out);
    let kept = translator.keepsakes();
    let known = format!(
        "{:?} {:?} {:?} {:?} {kept:?}",
        translator.ended(),
        translator.usage(),
        translator.provider_error(),
        translator.garbled(),
    );
    (out.concat(), known)
}

fn same(dialect: Dialect, stream: &[u8], cuts: &[usize]) -> Result<(), TestCaseError> {
    let whole = outcome(dialect, vec![Bytes::copy_from_slice(stream)]);
    let pieces = outcome(dialect, cut(stream, cuts));
    prop_assert_eq!(whole.1, pieces.1);
    prop_assert!(whole.0 == pieces.0, "the bytes differ");
    Ok(())
}

/// The recorded streams; none where the fixtures are absent.
fn recorded() -> &'static [(Dialect, Bytes)] {
    static STREAMS: OnceLock<Vec<(Dialect, Bytes)>> = OnceLock::new();
    STREAMS.get_or_init(|| {
        let apis = [
            (Dialect::Chat, "openai.chat"),
            (Dialect::Responses, "openai.responses"),
            (Dialect::Claude, "anthropic.messages"),
            (Dialect::Gemini, "gemini.generateContent"),
        ];
        let mut streams = Vec::new();
        for (dialect, api) in apis {
            let all = recordings(api, "", "any_cut_of_a_recorded_stream_gives_the_same");
            let all = all.into_iter().flatten().filter(|it| it.is_stream());
            streams.extend(all.map(|it| (dialect, it.body())));
        }
        streams
    })
}

#[test]
fn recorded_streams_give_the_same_byte_by_byte() {
    for (dialect, stream) in recorded() {
        same(*dialect, stream, &[1]).unwrap();
    }
    println!("{} recorded streams", recorded().len());
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1..40_usize, 1..3_000_usize], 1..8)
}

/// Streams of likely events, whole and spoiled, with every line end.
fn generated() -> impl Strategy<Value = (Dialect, Vec<u8>)> {
    let chat = prop_oneof![
        6 => "[a-z \"\\\\é]{0,12}".prop_map(|text| {
            let text = serde_json::Value::from(text);
            format!(r#"data: {{"id":"r","choices":[{{"index":0,"delta":{{"content":{text}}}}}]}}"#)
        }),
        2 => (0..3_u32, prop_oneof![Just("{"), Just("}"), Just("{}"), Just("")]).prop_map(|(index, piece)| format!(
            r#"data: {{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":{index},"id":"c{index}","function":{{"name":"f","arguments":"{piece}"}}}}]}}}}]}}"#
        )),
        1 => Just(r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#.to_owned()),
        1 => Just(": comment".to_owned()),
        1 => Just("data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}".to_owned()),
        1 => Just("data: [DONE]".to_owned()),
        1 => Just("event: error\ndata: {\"error\":\"e\"}".to_owned()),
    ];
    let chat = proptest::collection::vec(chat, 0..12).prop_map(|events| (Dialect::Chat, events));
    let block = prop_oneof![
        Just(TEXT),
        Just(THOUGHT),
        Just(SEALED),
        Just(CALL),
        Just(BARE_CALL)
    ];
    let claudes = proptest::collection::vec(block, 0..6).prop_map(|blocks| {
        let stream = claudes(&blocks, "end_turn");
        let events = stream.split_terminator("\n\n").map(str::to_owned);
        (Dialect::Claude, events.collect())
    });
    let part = prop_oneof![
        Just(r#"{"text":"a"}"#),
        Just(r#"{"text":"t","thought":true}"#),
        Just(r#"{"text":"","thoughtSignature":"x"}"#),
        Just(r#"{"functionCall":{"name":"f","args":{"a":[1]}},"thoughtSignature":"y"}"#),
    ];
    let gemini = (proptest::collection::vec((part, any::<bool>()), 0..8)).prop_map(|parts| {
        let events = parts.into_iter().map(|(part, last)| {
            let reason = if last {
                r#","finishReason":"STOP""#
            } else {
                ""
            };
            format!(r#"data: {{"candidates":[{{"content":{{"parts":[{part}]}}{reason}}}]}}"#)
        });
        (Dialect::Gemini, events.collect())
    });
    let events = prop_oneof![chat, claudes, gemini];
    let end = prop_oneof![Just("\n\n"), Just("\r\n\r\n"), Just("\r\r")];
    (events, end, any::<proptest::sample::Index>(), 0..4_u8).prop_map(
        |((dialect, events), end, at, harm)| {
            let events: Vec<String> = events
                .into_iter()
                .map(|event: String| event + end)
                .collect();
            let mut stream = events.concat().into_bytes();
            if !stream.is_empty() {
                match harm {
                    0 => stream.truncate(at.index(stream.len())),
                    1 => {
                        let at = at.index(stream.len());
                        stream[at] = b'\xff';
                    }
                    _ => {}
                }
            }
            (dialect, stream)
        },
    )
}

proptest! {
    #[test]
    fn any_cut_of_a_recorded_stream_gives_the_same(
        which in any::<proptest::sample::Index>(),
        cuts in cuts(),
    ) {
        if !recorded().is_empty() {
            let (dialect, stream) = which.get(recorded());
            same(*dialect, stream, &cuts)?;
        }
    }

    #[test]
    fn any_cut_of_a_generated_stream_gives_the_same(
        (dialect, stream) in generated(),
        cuts in cuts(),
    ) {
        same(dialect, &stream, &cuts)?;
    }
}
