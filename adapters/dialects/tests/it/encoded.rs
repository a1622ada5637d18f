//! Canonical events as a chat completion, byte for byte.

use lattice_dialects::canonical::{Block, Delta, Event, Finish, Maker, Usage};
use lattice_dialects::openai::chat::{ReplyEncoder, StreamEncoder, usage};
use lattice_dialects::reply::Asked;
use lattice_dialects::reply::{Labels, WriteReply as _, WriteStream as _};
use proptest::prelude::*;

use crate::order::check_chat_stream;
use crate::replay::labels;

const COUNTS: Usage = Usage {
    input: 10,
    cached_input: 4,
    cache_write: 2,
    output: 5,
    reasoning: 3,
    ..Usage::NONE
};

const RENDERED: &str = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":3},"lattice_cost_usd":0.25}"#;

fn start<'a>() -> Event<'a> {
    Event::Start {
        id: "r1".into(),
        model: "".into(),
    }
}

fn open(block: Block<'_>) -> Event<'_> {
    Event::Open { choice: 0, block }
}

fn delta(delta: Delta<'_>) -> Event<'_> {
    Event::Delta { choice: 0, delta }
}

const CLOSE: Event<'_> = Event::Close { choice: 0 };

fn finish<'a>(finish: Finish, native: &'a str) -> Event<'a> {
    Event::Finish {
        choice: 0,
        finish,
        native: native.into(),
    }
}

fn call<'a>(id: &'a str) -> Event<'a> {
    open(Block::ToolCall {
        id: id.into(),
        name: "f".into(),
    })
}

/// One of everything.
fn everything<'a>() -> Vec<Event<'a>> {
    vec![
        start(),
        open(Block::Reasoning {
            maker: Maker::Anthropic,
            id: None,
        }),
        delta(Delta::Text("hm".into())),
        delta(Delta::Signature("s".into())),
        CLOSE,
        open(Block::Reasoning {
            maker: Maker::Anthropic,
            id: None,
        }),
        delta(Delta::Encrypted("e".into())),
        CLOSE,
        open(Block::Text),
        delta(Delta::Text("a\"\n\u{1}é".into())),
        delta(Delta::Text("".into())),
        delta(Delta::Signature("ts".into())),
        CLOSE,
        open(Block::Native {
            kind: "server_tool_use".into(),
        }),
        CLOSE,
        call("c1"),
        delta(Delta::Signature("g".into())),
        delta(Delta::Arguments("{\"a\":".into())),
        delta(Delta::Arguments("1}".into())),
        CLOSE,
        call("c2"),
        CLOSE,
        open(Block::Refusal),
        delta(Delta::Text("no".into())),
        CLOSE,
        finish(Finish::ToolCalls, "tool_use"),
        Event::Usage(COUNTS),
    ]
}

fn streamed(events: &[Event<'_>], asked: Asked) -> (String, u32) {
    let mut encoder = StreamEncoder::new(labels(), asked);
    for event in events {
        encoder.event(event, &mut |_| Some("0.25".into()));
    }
    encoder.end(&mut |_| None);
    let out = encoder.take();
    (String::from_utf8(out.to_vec()).unwrap(), encoder.omitted())
}

fn whole(events: &[Event<'_>]) -> (String, u32) {
    let mut encoder = Box::new(ReplyEncoder::new(labels()));
    for event in events {
        encoder.event(event);
    }
    let omitted = encoder.omitted();
    let out = encoder.finish(&mut |_| Some("0.25".into()));
    (String::from_utf8(out.to_vec()).unwrap(), omitted)
}

#[test]
fn every_event_has_its_chunk() {
    let (out, omitted) = streamed(&everything(), Asked::Yes);
    assert_eq!(omitted, 1);
    let deltas = [
        r#"{"role":"assistant","content":""}"#,
        r#"{"reasoning_content":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","format":"anthropic-claude-v1","index":0}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.text","signature":"s","format":"anthropic-claude-v1","index":0}]}"#,
        r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"e","format":"anthropic-claude-v1","index":1}]}"#,
        r#"{"content":"a\"\n\u0001é"}"#,
        r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"ts","format":"google-gemini-v1","index":2}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":""},"extra_content":{"google":{"thought_signature":"g"}}}],"reasoning_details":[{"type":"reasoning.encrypted","data":"g","id":"c1","format":"google-gemini-v1","index":3}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"f","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
        r#"{"refusal":"no"}"#,
    ];
    let head = r#"data: {"id":"r1","object":"chat.completion.chunk","created":1700000000,"model":"asked","choices":["#;
    let mut expected: String = deltas
        .iter()
        .map(|delta| {
            format!("{head}{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n")
        })
        .collect();
    expected +=
        &format!("{head}{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"tool_calls\"}}]}}\n\n");
    expected += &format!("{head}],\"usage\":{RENDERED}}}\n\ndata: [DONE]\n\n");
    assert_eq!(out, expected);
    check_chat_stream(&out);
}

#[test]
fn usage_that_was_not_asked_for_has_no_chunk() {
    let (asked, _) = streamed(&everything(), Asked::Yes);
    let (unasked, _) = streamed(&everything(), Asked::No);
    let usage = asked
        .split_inclusive("\n\n")
        .find(|it| it.contains("\"usage\""));
    assert_eq!(asked.replace(usage.unwrap(), ""), unasked);
}

#[test]
fn a_whole_reply_has_everything_in_its_place() {
    let (out, omitted) = whole(&everything());
    assert_eq!(omitted, 1);
    let message = concat!(
        r#"{"role":"assistant","content":"a\"\n\u0001é","refusal":"no","reasoning_content":"hm","#,
        r#""reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s","format":"anthropic-claude-v1","index":0},"#,
        r#"{"type":"reasoning.encrypted","data":"e","format":"anthropic-claude-v1","index":1},"#,
        r#"{"type":"reasoning.encrypted","data":"ts","format":"google-gemini-v1","index":2},"#,
        r#"{"type":"reasoning.encrypted","data":"g","id":"c1","format":"google-gemini-v1","index":3}],"#,
        r#""tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"extra_content":{"google":{"thought_signature":"g"}}},"#,
        r#"{"id":"c2","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
    );
    assert_eq!(
        out,
        format!(
            r#"{{"id":"r1","object":"chat.completion","created":1700000000,"model":"asked","choices":[{{"index":0,"message":{message},"logprobs":null,"finish_reason":"tool_calls"}}],"usage":{RENDERED}}}"#
        )
    );
}

#[test]
fn content_is_null_only_beside_calls_or_a_refusal() {
    let message = |events: &[Event<'_>]| {
        let reply: serde_json::Value = serde_json::from_str(&whole(events).0).unwrap();
        reply["choices"][0]["message"]["content"].clone()
    };
    let only_calls = [start(), call("c"), CLOSE, finish(Finish::ToolCalls, "")];
    assert!(message(&only_calls).is_null());
    let refusal = [
        start(),
        open(Block::Refusal),
        CLOSE,
        finish(Finish::Stop, ""),
    ];
    assert!(message(&refusal).is_null());
    assert_eq!(message(&[start(), finish(Finish::Length, "")]), "");
}

#[test]
fn choices_are_told_apart_and_in_order() {
    let of = |choice, text: &'static str| {
        [
            Event::Open {
                choice,
                block: Block::Text,
            },
            Event::Delta {
                choice,
                delta: Delta::Text(text.into()),
            },
            Event::Close { choice },
            Event::Finish {
                choice,
                finish: Finish::Stop,
                native: "".into(),
            },
        ]
    };
    let events = [vec![start()], of(1, "b").into(), of(0, "a").into()].concat();
    let chunks = check_chat_stream(&streamed(&events, Asked::No).0);
    assert_eq!(chunks.len(), 6);
    let reply: serde_json::Value = serde_json::from_str(&whole(&events).0).unwrap();
    for (index, text) in [(0, "a"), (1, "b")] {
        assert_eq!(reply["choices"][index]["index"], index);
        assert_eq!(reply["choices"][index]["message"]["content"], text);
    }
}

#[test]
fn the_providers_word_stands_beside_a_finish_that_says_less() {
    for (reason, native, expected) in [
        (Finish::Stop, "end_turn", r#""finish_reason":"stop"}]"#),
        (
            Finish::Stop,
            "stop_sequence",
            r#""finish_reason":"stop","native_finish_reason":"stop_sequence"}]"#,
        ),
        (
            Finish::Length,
            "MAX_TOKENS",
            r#""finish_reason":"length"}]"#,
        ),
        (
            Finish::ContentFilter,
            "SAFETY",
            r#""finish_reason":"content_filter","native_finish_reason":"SAFETY"}]"#,
        ),
        (
            Finish::Error,
            "pause_turn",
            r#""finish_reason":"error","native_finish_reason":"pause_turn"}]"#,
        ),
        (Finish::Error, "", r#""finish_reason":"error"}]"#),
    ] {
        let events = [start(), finish(reason, native)];
        for out in [streamed(&events, Asked::No).0, whole(&events).0] {
            assert!(out.contains(expected), "{out}");
        }
    }
}

#[test]
fn names_of_the_provider_replace_ours() {
    let start = Event::Start {
        id: "".into(),
        model: "theirs \"1\"".into(),
    };
    let mut encoder = StreamEncoder::new(
        Labels {
            id: "ours".into(),
            ..labels()
        },
        Asked::No,
    );
    encoder.event(&start, &mut |_| None);
    let out = encoder.take();
    let head = br#"data: {"id":"chatcmpl-ours","object":"chat.completion.chunk","created":1700000000,"model":"theirs \"1\"","#;
    assert!(out.starts_with(head));
}

proptest! {
    #[test]
    fn usage_is_the_same_when_it_is_read_back(
        input in 0..=Usage::ABSURD,
        output in 0..=Usage::ABSURD,
        parts in [0.0..=1.0_f64, 0.0..=1.0, 0.0..=1.0],
        cost in prop_oneof![Just(None), Just(Some("0.1")), Just(Some("no number"))],
    ) {
        let part = |whole: u64, share: f64| ((whole as f64 * share) as u64).min(whole);
        let usage = Usage {
            input,
            cached_input: part(input, parts[0]),
            cache_write: part(input, parts[1]),
            output,
            reasoning: part(output, parts[2]),
..Usage::NONE
};
        let json = usage::render(&usage, cost);
        prop_assert_eq!(Usage::read(&json), Some(usage), "{}", json);
    }
}
