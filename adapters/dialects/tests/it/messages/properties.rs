//! What holds of any bytes.

use bytes::Bytes;
use lattice_dialects::anthropic::messages::{Decoder, MessagesRequest, MessagesWatch};
use lattice_dialects::canonical::{Block, Decode, Delta, Event, Finish, Maker, Usage};
use lattice_dialects::reply::{Relay, Translator};
use proptest::prelude::*;

use super::{added_up, reply_writer, stream_writer, writers};
use crate::order::{decoded, decoded_whole};
use crate::support::{cut, json_text};
use crate::translated::{CALL, SEALED, TEXT, THOUGHT, claude, claudes, google, stream};

const GEMINIS: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"a","thoughtSignature":"s"},{"functionCall":{"id":"c","name":"f","args":{"a":1}},"thoughtSignature":"sig"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}}"#;

/// Blocks that a message can carry as they are.
fn block() -> impl Strategy<Value = Vec<Event<'static>>> {
    let words = || proptest::collection::vec("[a-z\"\\\\ é\n]{1,6}", 1..4);
    let texts = |words: Vec<String>| words.into_iter().map(|it| Delta::Text(it.into())).collect();
    let thinks = || Block::Reasoning {
        maker: Maker::Anthropic,
        id: None,
    };
    let block = prop_oneof![
        words().prop_map(move |words| (Block::Text, texts(words))),
        (words(), "[a-z]{1,9}").prop_map(move |(words, signature)| {
            let mut deltas: Vec<Delta<'static>> = texts(words);
            deltas.push(Delta::Signature(signature.into()));
            (thinks(), deltas)
        }),
        "[a-z]{1,9}".prop_map(move |data| (thinks(), vec![Delta::Encrypted(data.into())])),
        (
            "[a-z.é]{1,6}",
            proptest::collection::btree_map("[a-z]", json_text(), 0..3)
        )
            .prop_map(|(id, members)| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("\"{key}\":{value}"))
                    .collect();
                let call = Block::ToolCall {
                    id: format!("call_{id}").into(),
                    name: "f".into(),
                };
                let pieces = ["{".to_owned(), members.join(","), "}".to_owned()];
                (call, pieces.map(|it| Delta::Arguments(it.into())).to_vec())
            }),
    ];
    block.prop_map(|(block, deltas)| {
        let mut events = vec![Event::Open { choice: 0, block }];
        events.extend(
            deltas
                .into_iter()
                .map(|delta| Event::Delta { choice: 0, delta }),
        );
        events.push(Event::Close { choice: 0 });
        events
    })
}

fn reply() -> impl Strategy<Value = Vec<Event<'static>>> {
    let blocks = proptest::collection::vec(block(), 0..6);
    let counts = (0_u64..1000, 0_u64..1000, 0_u64..1000, 0_u64..1000);
    (blocks, counts).prop_map(|(blocks, (fresh, cached, written, output))| {
        let mut events = vec![Event::Start {
            id: "".into(),
            model: "m".into(),
        }];
        let called = blocks.iter().flatten().any(|event| {
            matches!(
                event,
                Event::Open {
                    block: Block::ToolCall { .. },
                    ..
                }
            )
        });
        events.extend(blocks.into_iter().flatten());
        events.push(Event::Finish {
            choice: 0,
            finish: if called {
                Finish::ToolCalls
            } else {
                Finish::Stop
            },
            native: "".into(),
        });
        events.push(Event::Usage(Usage {
            input: fresh + cached + written,
            cached_input: cached,
            cache_write: written,
            output,
            reasoning: output / 2,
            ..Usage::NONE
        }));
        events
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_the_same(events in reply()) {
        let mut told = crate::order::Told::default();
        let (mut stream, mut whole) = (stream_writer(), reply_writer());
        for event in &events {
            // Ids are spelled as Anthropic takes them.
            match event {
                Event::Open { choice, block: Block::ToolCall { id, name } } => {
                    told.event(&Event::Open {
                        choice: *choice,
                        block: Block::ToolCall { id: spelled(id).into(), name: name.clone() },
                    });
                }
                event => told.event(event),
            }
            stream.event(event, &mut |_| None);
            whole.event(event);
        }
        stream.end(&mut |_| None);
        let written = stream.take();
        added_up(std::str::from_utf8(&written).unwrap());
        let (streamed, _) = decoded(&written, &mut Decoder::default()).unwrap();
        prop_assert_eq!(streamed.essence(), told.essence());
        prop_assert_eq!(streamed.usage, told.usage);
        let whole = decoded_whole(&whole.finish(&mut |_| None), &mut Decoder::default()).unwrap();
        prop_assert_eq!(whole.essence(), told.essence());
        prop_assert_eq!(whole.usage, told.usage);
    }

    #[test]
    fn however_a_stream_is_cut_the_client_gets_the_same(
        cuts in proptest::collection::vec(1_usize..90, 1..8),
        claudes_own in any::<bool>(),
    ) {
        let (decoder, stream): (fn() -> Box<dyn Decode>, String) = if claudes_own {
            (claude, claudes(&[THOUGHT, TEXT, SEALED, CALL], "tool_use"))
        } else {
            (google, stream(&[GEMINIS]))
        };
        let told = |reads: Vec<Bytes>| {
            let mut translator = Translator::new(decoder(), writers());
            let mut out = Vec::new();
            for read in reads {
                translator.push(read, &mut |_| None, &mut out);
            }
            translator.finish(&mut |_| None, &mut out);
            (out.concat(), translator.usage())
        };
        let whole = told(vec![Bytes::from(stream.clone())]);
        let stops = whole.0.ends_with(b"{\"type\":\"message_stop\"}\n\n");
        prop_assert!(stops, "it has an end");
        prop_assert_eq!(told(cut(stream.as_bytes(), &cuts)), whole);
    }

    #[test]
    fn no_body_is_too_strange(
        system in json_text(),
        content in json_text(),
        tools in json_text(),
        rest in json_text(),
        role in "user|assistant|system",
        kind in "text|image|document|tool_result|tool_use|thinking|redacted_thinking",
        member in "source|content|input|text|data|signature|cache_control|citations",
    ) {
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"system":{system},"tools":{tools},"thinking":{rest},"output_config":{rest},"tool_choice":{tools},"mcp_servers":{content},"container":{rest},"messages":[{{"role":"{role}","content":[{{"type":"{kind}","{member}":{content}}}]}},{{"role":"{role}","content":{content}}},{content}]}}"#
        );
        if let Ok(request) = MessagesRequest::parse(Bytes::from(body)) {
            // What comes of it does not matter here.
            let _ = request.canonical();
            let _ = request.facts.prompt.texts().count();
            let _ = request.rewrite(&Default::default());
        }
    }

    #[test]
    fn no_stream_is_too_strange(
        events in proptest::collection::vec(
            ("(event: (message_start|message_delta|error|message_stop|x)\n)?", json_text(), "message_start|message_delta|error|x"),
            0..6,
        ),
    ) {
        let stream: String = events
            .iter()
            .map(|(name, json, kind)| format!("{name}data: {{\"type\":\"{kind}\",\"message\":{json},\"usage\":{json},\"error\":{json}}}\n\n"))
            .collect();
        let mut relay = Relay::new(Box::new(MessagesWatch::default()));
        let mut out = Vec::new();
        relay.push(Bytes::copy_from_slice(stream.as_bytes()), &mut |_| None, &mut out);
        relay.finish(&mut |_| None, &mut out);
        prop_assert!(out.concat() == stream.as_bytes());
        let mut decoder = Decoder::default();
        let _ = decoder.whole(stream.as_bytes(), &mut |_| {});
    }
}

/// `id` in letters, digits, `_` and `-`, as the module of ids has it.
fn spelled(id: &str) -> String {
    if id
        .bytes()
        .all(|it| it.is_ascii_alphanumeric() || it == b'_')
    {
        return id.to_owned();
    }
    let spelled = id.bytes().map(|it| match it {
        it if it.is_ascii_alphanumeric() => char::from(it).to_string(),
        it => format!("_{it:02x}"),
    });
    format!("lattice_{}", spelled.collect::<String>())
}
