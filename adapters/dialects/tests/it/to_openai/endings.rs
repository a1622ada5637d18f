//! How replies of the Responses API end, what they used, and their errors.

use bytes::Bytes;
use lattice_dialects::canonical::{Decode, Ended, Event, Finish, Usage};
use lattice_dialects::openai::responses::{Decoder, usage};
use lattice_dialects::reply::{Asked, Translator, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::replies::{
    added, completed, created, delta, done, function, message, output_text, read, stream,
};
use crate::replay::writers;

#[test]
fn endings_are_told_by_status_and_reason() {
    for (status, details, finish) in [
        ("completed", Value::Null, Finish::Stop),
        (
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            Finish::Length,
        ),
        (
            "incomplete",
            json!({"reason": "content_filter"}),
            Finish::ContentFilter,
        ),
        ("incomplete", json!({"reason": "steered"}), Finish::Error),
        ("incomplete", Value::Null, Finish::Error),
    ] {
        let response = json!({"status": status, "incomplete_details": details, "output": []});
        let event = json!({"type": format!("response.{status}"), "response": response});
        assert_eq!(
            {
                let (told, _) = finish_of(&event);
                told
            },
            Some(finish)
        );
    }
    // A cap may cut a call.
    let cut = json!({"type": "response.incomplete", "response": {
        "incomplete_details": {"reason": "max_output_tokens"}, "output": [function("c1", "{\"x")]}});
    assert_eq!(finish_of(&cut).0, Some(Finish::Length));
}

/// The finish that an event by itself tells, and how the stream ended.
fn finish_of(event: &Value) -> (Option<Finish>, Ended) {
    let mut decoder = Decoder::default();
    let mut finish = None;
    let mut sink = |event: Event<'_>| {
        if let Event::Finish { finish: told, .. } = event {
            finish = Some(told);
        }
    };
    decoder
        .event(None, event.to_string().as_bytes(), &mut sink)
        .unwrap();
    (finish, decoder.end(&mut |_| {}))
}

#[test]
fn errors_are_told_whatever_their_shape() {
    for (event, message, code) in [
        (
            json!({"type": "error", "code": "server_error", "message": "Oh.", "param": null, "sequence_number": 3}),
            "Oh.",
            Some("server_error"),
        ),
        (
            json!({"type": "error", "error": {"type": "t", "code": "insufficient_quota", "message": "Oh."}}),
            "Oh.",
            Some("insufficient_quota"),
        ),
        (
            json!({"error": {"message": "Oh.", "type": "t", "code": null}}),
            "Oh.",
            Some("t"),
        ),
        (
            json!({"code": "internal", "error": "Oh."}),
            "Oh.",
            Some("internal"),
        ),
        (json!({"type": "error", "message": "Oh."}), "Oh.", None),
        (
            json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "Oh."}}}),
            "Oh.",
            Some("server_error"),
        ),
        (
            json!({"type": "response.failed", "response": {"status": "failed", "error": null}}),
            "",
            Some("failed"),
        ),
    ] {
        let mut told = Vec::new();
        let mut decoder = Decoder::default();
        let mut sink = |event: Event<'_>| {
            if let Event::Error(error) = event {
                told.push((error.message.unwrap_or_default(), error.code));
            }
        };
        for event in [&event, &completed(json!([]))] {
            let event = event.to_string();
            decoder.event(None, event.as_bytes(), &mut sink).unwrap();
        }
        assert_eq!(told, [(message.to_owned(), code.map(str::to_owned))]);
        assert_eq!(decoder.end(&mut |_| {}), Ended::Errored);
    }
}

#[test]
fn handwritten_a_stream_that_is_cut_has_no_end() {
    let events = [
        created(),
        added(0, message(json!([]))),
        delta("output_text", 0, "Hi"),
        done(0, message(json!([output_text("Hi")]))),
    ];
    for length in 0..=events.len() {
        let (told, ended) = read(&events[..length]).unwrap();
        assert_eq!(ended, Ended::Cut);
        assert!(told.choices.values().all(|choice| choice.finish.is_none()));
    }
}

#[test]
fn what_is_no_reply_is_garbled() {
    for body in [
        "",
        "[]",
        "{}",
        "<html>",
        r#"{"status":"queued","output":[]}"#,
        r#"{"status":"completed","output":[1]}"#,
    ] {
        let mut decoder = Decoder::default();
        assert!(
            decoder.whole(body.as_bytes(), &mut |_| {}).is_err(),
            "{body}"
        );
    }
}

#[test]
fn usage_that_cannot_be_true_is_none() {
    for json in [
        "null",
        "{}",
        r#"{"input_tokens":1}"#,
        r#"{"input_tokens":-1,"output_tokens":1}"#,
        r#"{"input_tokens":1.5,"output_tokens":1}"#,
        r#"{"input_tokens":9007199254740993,"output_tokens":1}"#,
        r#"{"input_tokens":1,"output_tokens":1,"total_tokens":18446744073709551615}"#,
    ] {
        assert_eq!(usage::read(json), None, "{json}");
    }
    let beside = r#"{"input_tokens":10,"output_tokens":5,"total_tokens":22,"input_tokens_details":{"cached_tokens":30,"cache_write_tokens":2}}"#;
    let expected = Usage {
        input: 40,
        cached_input: 30,
        cache_write: 2,
        output: 12,
        reasoning: 0,
        ..Usage::NONE
    };
    assert_eq!(usage::read(beside), Some(expected));
}

/// Through a translator, as in life: how the stream ended, its usage, and whether it
/// was read to its end.
fn translated(stream: &[u8]) -> (Verdict, Option<Usage>, bool) {
    let decoder = Box::new(Decoder::default());
    let mut translator = Translator::new(decoder, writers(Asked::Yes));
    let mut out = Vec::new();
    for chunk in stream.chunks(100_000) {
        translator.push(Bytes::copy_from_slice(chunk), &mut |_| None, &mut out);
        assert!(translator.held() <= 1 << 20);
    }
    translator.finish(&mut |_| None, &mut out);
    let read = translator.garbled().is_none();
    (translator.ended(), translator.usage(), read)
}

/// An event of more than 1 MiB, with `rest` behind what makes it so.
fn huge(kind: &str, rest: &str) -> Vec<u8> {
    let long = "x".repeat(1 << 20);
    format!(
        r#"event: {kind}
data: {{"type":"{kind}","output_index":0,"item":"{long}","response":{{"instructions":"{long}",{rest}}}}}

"#
    )
    .into_bytes()
}

#[test]
fn a_last_event_too_long_to_be_held_still_tells_the_ending_and_the_usage() {
    let hi = || {
        stream(&[
            created(),
            added(0, message(json!([]))),
            delta("output_text", 0, "Hi"),
        ])
    };
    let usage = r#""usage":{"input_tokens":3,"output_tokens":4}"#;
    let told = Usage {
        input: 3,
        output: 4,
        ..Usage::default()
    };
    let completed = huge(
        "response.completed",
        &format!(r#""status":"completed","error":null,{usage}"#),
    );
    let whole = [hi(), completed.clone()].concat();
    assert_eq!(translated(&whole), (Verdict::Finished, Some(told), true));
    // Cut in the middle of it, but for the last brace.
    let cut = &whole[..whole.len() - 3];
    assert_eq!(translated(cut), (Verdict::Cut, None, true));
    // What has been told may be repeated at any length; the rest must be read.
    let ends = huge("response.output_item.done", r#""a":1"#);
    let whole = [hi(), ends, completed.clone()].concat();
    assert_eq!(translated(&whole), (Verdict::Finished, Some(told), true));
    let begins = huge("response.created", r#""id":"resp_1""#);
    let whole = [begins, hi(), completed.clone()].concat();
    assert_eq!(translated(&whole), (Verdict::Finished, Some(told), true));
    let failed = huge("response.failed", r#""error":{"code":"a","message":"b"}"#);
    assert_eq!(
        translated(&[hi(), failed].concat()),
        (Verdict::Errored, None, true)
    );
    for lost in [
        completed,
        [
            stream(&[created()]),
            huge("response.output_item.done", r#""a":1"#),
        ]
        .concat(),
        [hi(), huge("response.output_text.delta", r#""a":1"#)].concat(),
    ] {
        assert_eq!(translated(&lost), (Verdict::Cut, None, false));
    }
}

proptest! {
    #[test]
    fn usage_survives_the_round_trip(input in 0..1u64 << 40, output in 0..1u64 << 40, share in 0..=100u64) {
        let said = Usage {
            input,
            cached_input: input * share / 100,
            cache_write: input * (100 - share) / 100,
            output,
            reasoning: output * share / 100,
..Usage::NONE
};
        prop_assert_eq!(usage::read(&usage::render(&said)), Some(said));
    }
}
