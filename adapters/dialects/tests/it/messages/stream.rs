//! Canonical events as a stream and as a message.

use lattice_dialects::canonical::{Block, Delta, Event, Finish, Maker, Usage};
use serde_json::{Value, json};

use super::{added_up, events, reply_writer, stream_writer};

const COUNTS: Usage = Usage {
    input: 10,
    cached_input: 4,
    cache_write: 2,
    output: 5,
    reasoning: 3,
    ..Usage::NONE
};

fn start<'a>() -> Event<'a> {
    Event::Start {
        id: "chatcmpl-1".into(),
        model: "theirs".into(),
    }
}

fn open(block: Block<'_>) -> Event<'_> {
    Event::Open { choice: 0, block }
}

fn delta(delta: Delta<'_>) -> Event<'_> {
    Event::Delta { choice: 0, delta }
}

fn text(said: &str) -> Event<'_> {
    delta(Delta::Text(said.into()))
}

const CLOSE: Event<'_> = Event::Close { choice: 0 };

fn finish<'a>(finish: Finish, native: &'a str) -> Event<'a> {
    Event::Finish {
        choice: 0,
        finish,
        native: native.into(),
    }
}

fn call<'a>() -> Event<'a> {
    open(Block::ToolCall {
        id: "c".into(),
        name: "f".into(),
    })
}

fn stream_of(events: &[Event<'_>]) -> String {
    let mut writer = stream_writer();
    for event in events {
        writer.event(event, &mut |_| None);
    }
    writer.end(&mut |_| None);
    String::from_utf8(writer.take().to_vec()).unwrap()
}

fn message_of(events: &[Event<'_>]) -> Value {
    let mut writer = reply_writer();
    for event in events {
        writer.event(event);
    }
    serde_json::from_slice(&writer.finish(&mut |_| None)).unwrap()
}

/// One of everything.
fn everything<'a>() -> Vec<Event<'a>> {
    let (maker, id) = (Maker::Anthropic, None);
    vec![
        start(),
        open(Block::Reasoning {
            maker,
            id: id.clone(),
        }),
        text("h"),
        text("m"),
        delta(Delta::Signature("s".into())),
        CLOSE,
        open(Block::Reasoning { maker, id }),
        delta(Delta::Encrypted("e".into())),
        CLOSE,
        open(Block::Text),
        text("a\"\n"),
        text(""),
        text("é"),
        CLOSE,
        open(Block::Native {
            kind: "server_tool_use".into(),
        }),
        CLOSE,
        call(),
        delta(Delta::Arguments("{\"a\":".into())),
        delta(Delta::Arguments("1}".into())),
        CLOSE,
        finish(Finish::ToolCalls, "tool_calls"),
        Event::Usage(COUNTS),
    ]
}

fn expected() -> Value {
    json!({
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "theirs",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "e"},
            {"type": "text", "text": "a\"\né"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": null,
        "stop_details": null,
        "usage": {
            "input_tokens": 4,
            "cache_creation_input_tokens": 2,
            "cache_read_input_tokens": 4,
            "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 3},
        },
    })
}

#[test]
fn a_stream_and_a_message_say_the_same() {
    assert_eq!(added_up(&stream_of(&everything())), expected());
    assert_eq!(message_of(&everything()), expected());
}

#[test]
fn a_stream_is_written_event_by_event() {
    let mut writer = stream_writer();
    let mut shapes = Vec::new();
    for event in &everything() {
        writer.event(event, &mut |_| None);
        let written = String::from_utf8(writer.take().to_vec()).unwrap();
        shapes.push(written.matches("event: ").count());
    }
    assert_eq!(
        shapes,
        [
            1, 0, 2, 1, 0, 2, 0, 0, 2, 0, 2, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0
        ]
    );
    writer.end(&mut |_| None);
    let end = String::from_utf8(writer.take().to_vec()).unwrap();
    assert_eq!(end.matches("event: ").count(), 2);
    assert_eq!(writer.omitted(), 1, "the native block");
}

#[test]
fn a_model_without_a_name_is_the_one_that_was_asked() {
    let nameless = Event::Start {
        id: "".into(),
        model: "".into(),
    };
    let message = message_of(&[nameless, finish(Finish::Stop, "")]);
    assert_eq!(message["model"], "asked");
    assert_eq!(message["content"], json!([]));
}

#[test]
fn every_finish_has_its_word() {
    let with = |block: Vec<Event<'static>>, end: Finish, native: &'static str| {
        let mut events = vec![start()];
        events.extend(block);
        events.push(finish(end, native));
        let streamed = added_up(&stream_of(&events));
        let whole = message_of(&events);
        assert_eq!(streamed["stop_reason"], whole["stop_reason"]);
        assert_eq!(streamed["stop_details"], whole["stop_details"]);
        let details = whole["stop_details"]["type"].as_str().map(str::to_owned);
        (whole["stop_reason"].as_str().unwrap().to_owned(), details)
    };
    let said = || vec![open(Block::Text), text("a"), CLOSE];
    let called = || vec![call(), CLOSE];
    let refusing = || vec![open(Block::Refusal), text("no"), CLOSE];
    let refusal = Some("refusal");
    for (block, end, native, word, details) in [
        (said(), Finish::Stop, "stop", "end_turn", None),
        (said(), Finish::Stop, "stop_sequence", "stop_sequence", None),
        (said(), Finish::Length, "length", "max_tokens", None),
        (
            said(),
            Finish::Length,
            "model_context_window_exceeded",
            "model_context_window_exceeded",
            None,
        ),
        (said(), Finish::ContentFilter, "SAFETY", "refusal", refusal),
        (said(), Finish::ToolCalls, "tool_calls", "end_turn", None),
        (called(), Finish::ToolCalls, "tool_calls", "tool_use", None),
        (called(), Finish::Stop, "stop", "tool_use", None),
        (called(), Finish::Length, "length", "max_tokens", None),
        (refusing(), Finish::Stop, "stop", "refusal", refusal),
    ] {
        let expected = (word.to_owned(), details.map(str::to_owned));
        assert_eq!(with(block, end, native), expected);
    }
}

#[test]
fn a_model_that_failed_never_seems_to_have_ended_its_turn() {
    for (native, word) in [
        ("MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"),
        ("", "error"),
    ] {
        let said = [
            start(),
            open(Block::Text),
            text("a"),
            CLOSE,
            finish(Finish::Error, native),
        ];
        let told = events(&stream_of(&said));
        let last = told.last().unwrap();
        assert_eq!(last["type"], "error");
        assert_eq!(last["error"]["type"], "api_error");
        assert!(last["error"]["message"].as_str().unwrap().contains(native));
        assert!(told.iter().all(|event| event["type"] != "message_stop"));
        assert_eq!(message_of(&said)["stop_reason"], word);
    }
}

#[test]
fn a_call_that_the_cap_has_cut_breaks_no_reply() {
    let cut = [
        start(),
        call(),
        delta(Delta::Arguments("{\"a\":".into())),
        CLOSE,
        finish(Finish::Length, "length"),
    ];
    let message = message_of(&cut);
    assert_eq!(message["content"][0]["input"], json!({}));
    assert_eq!(message["stop_reason"], "max_tokens");
    assert_eq!(added_up(&stream_of(&cut))["stop_reason"], "max_tokens");
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    for blank in [vec![], vec![delta(Delta::Arguments(" \n".into()))]] {
        let mut said = vec![start(), call()];
        said.extend(blank);
        said.extend([CLOSE, finish(Finish::ToolCalls, "")]);
        let stream = stream_of(&said);
        assert!(stream.contains(r#""partial_json":"{}""#), "{stream}");
        assert_eq!(added_up(&stream)["content"], message_of(&said)["content"]);
    }
}

#[test]
fn texts_that_are_empty_are_no_blocks() {
    let empty = [
        start(),
        open(Block::Text),
        text(""),
        CLOSE,
        open(Block::Text),
        CLOSE,
        finish(Finish::Stop, ""),
    ];
    assert_eq!(added_up(&stream_of(&empty))["content"], json!([]));
    assert_eq!(message_of(&empty)["content"], json!([]));
}

#[test]
fn only_the_first_choice_has_a_place() {
    let other = |event: Event<'static>| match event {
        Event::Open { block, .. } => Event::Open { choice: 1, block },
        Event::Delta { delta, .. } => Event::Delta { choice: 1, delta },
        _ => Event::Close { choice: 1 },
    };
    let said = [
        start(),
        other(open(Block::Text)),
        open(Block::Text),
        other(text("b")),
        text("a"),
        other(CLOSE),
        CLOSE,
        finish(Finish::Stop, ""),
    ];
    let content = json!([{"type": "text", "text": "a"}]);
    assert_eq!(added_up(&stream_of(&said))["content"], content);
    assert_eq!(message_of(&said)["content"], content);
}
