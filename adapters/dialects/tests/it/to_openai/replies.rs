//! Replies of the Responses API as they are read.

use std::fmt::Write as _;

use bytes::Bytes;
use lattice_dialects::canonical::{Block, Decode, Ended, Event, Finish, Garbled, Maker, Usage};
use lattice_dialects::openai::responses::{Decoder, usage};
use lattice_dialects::reply::{Asked, Translator, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::order::{Call, Told, decoded, decoded_whole};
use crate::recorded::{Recording, recordings};
use crate::replay::writers;
use crate::support::json_text;

fn stream(events: &[Value]) -> Vec<u8> {
    let mut out = String::new();
    for event in events {
        let kind = event["type"].as_str().unwrap_or_default();
        writeln!(out, "event: {kind}\ndata: {event}\n").unwrap();
    }
    out.into_bytes()
}

fn read(events: &[Value]) -> Result<(Told, Ended), Garbled> {
    decoded(&stream(events), &mut Decoder::default())
}

/// A stream that must be read whole.
fn told(events: &[Value]) -> Told {
    let (told, ended) = read(events).unwrap();
    assert_eq!(ended, Ended::Whole);
    told
}

fn created() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5", "status": "in_progress", "output": []}})
}

fn completed(output: Value) -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "model": "gpt-5", "status": "completed", "output": output}})
}

fn added(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn delta(kind: &str, index: u64, text: &str) -> Value {
    json!({"type": format!("response.{kind}.delta"), "output_index": index, "content_index": 0, "summary_index": 0, "delta": text})
}

fn message(parts: Value) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "content": parts})
}

fn output_text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

fn function(id: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": "look", "arguments": arguments})
}

fn call(id: &str, arguments: &str) -> Call {
    Call {
        id: id.into(),
        name: "look".into(),
        arguments: arguments.into(),
    }
}

/// What the recording itself says, read without the decoder.
struct Facts {
    text: String,
    calls: Vec<String>,
    proofs: Vec<String>,
    usage: Value,
}

impl Facts {
    fn of(recording: &Recording) -> Option<Self> {
        let body = String::from_utf8(recording.body().to_vec()).unwrap();
        let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
        let events: Vec<Value> = data
            .filter_map(|it| serde_json::from_str(it).ok())
            .collect();
        let (response, items) = if recording.is_stream() {
            let items = events
                .iter()
                .filter(|it| it["type"] == "response.output_item.done");
            let items = items.map(|event| event["item"].clone()).collect();
            (events.last()?["response"].clone(), items)
        } else {
            let response: Value = serde_json::from_str(&body).unwrap();
            let items = response["output"].as_array().cloned().unwrap_or_default();
            (response, items)
        };
        let mut facts = Self {
            text: String::new(),
            calls: Vec::new(),
            proofs: Vec::new(),
            usage: response["usage"].clone(),
        };
        for item in items {
            for part in item["content"].as_array().into_iter().flatten() {
                if part["type"] == "output_text" {
                    facts.text.push_str(part["text"].as_str().unwrap());
                }
            }
            if item["type"] == "function_call" {
                facts.calls.push(item["call_id"].as_str().unwrap().into());
            }
            facts
                .proofs
                .extend(item["encrypted_content"].as_str().map(str::to_owned));
        }
        Some(facts)
    }
}

#[test]
fn recorded_replies_are_read_to_the_token() {
    let test = "recorded_replies_are_read_to_the_token";
    let Some(all) = recordings("openai.responses", "", test) else {
        return;
    };
    let (mut streams, mut wholes) = (0, 0);
    for recording in all.iter().filter(|it| it.status() < 400) {
        println!("{}", recording.file);
        let facts = Facts::of(recording).unwrap();
        let mut decoder = Decoder::default();
        let read = if recording.is_stream() {
            streams += 1;
            let (told, ended) = decoded(&recording.body(), &mut decoder).unwrap();
            if ended == Ended::Errored {
                assert!(told.error.unwrap().contains("quota"));
                continue;
            }
            assert_eq!(ended, Ended::Whole);
            told
        } else if recording.request()["background"] == true {
            let garbled = decoded_whole(&recording.body(), &mut decoder).unwrap_err();
            assert!(garbled.0.contains("not complete"), "{garbled}");
            continue;
        } else {
            wholes += 1;
            decoded_whole(&recording.body(), &mut decoder).unwrap()
        };
        let choice = read.choices.get(&0).unwrap();
        assert_eq!(choice.text, facts.text);
        let calls: Vec<&String> = choice.calls.iter().map(|call| &call.id).collect();
        assert_eq!(calls, facts.calls.iter().collect::<Vec<_>>());
        assert_eq!(choice.proofs, facts.proofs);
        assert_eq!(
            choice.finish == Some(Finish::ToolCalls),
            !facts.calls.is_empty()
        );
        let count = |path: &str| {
            facts
                .usage
                .pointer(path)
                .and_then(Value::as_u64)
                .unwrap_or(0)
        };
        let usage = read.usage.unwrap();
        assert_eq!(usage.input, count("/input_tokens"));
        assert_eq!(usage.output, count("/total_tokens") - usage.input);
        assert_eq!(
            usage.cached_input,
            count("/input_tokens_details/cached_tokens")
        );
        assert_eq!(
            usage.cache_write,
            count("/input_tokens_details/cache_write_tokens")
        );
        assert_eq!(
            usage.reasoning,
            count("/output_tokens_details/reasoning_tokens")
        );
    }
    println!("{streams} streams, {wholes} replies");
    assert!(streams >= 21 && wholes >= 20);
}

#[test]
fn items_that_alternate_are_told_one_after_the_other() {
    let told = told(&[
        created(),
        added(0, message(json!([]))),
        delta("output_text", 0, "a"),
        added(1, function("c1", "")),
        added(2, function("c2", "")),
        delta("function_call_arguments", 2, "{\"y\":"),
        delta("function_call_arguments", 1, "{\"x\":"),
        delta("output_text", 0, "b"),
        delta("function_call_arguments", 1, "1}"),
        done(1, function("c1", "{\"x\":1}")),
        done(0, message(json!([output_text("ab")]))),
        delta("function_call_arguments", 2, "2}"),
        done(2, function("c2", "{\"y\":2}")),
        completed(json!([])),
    ]);
    let choice = &told.choices[&0];
    assert_eq!(choice.blocks, ["text", "call", "call"]);
    assert_eq!(choice.text, "ab");
    assert_eq!(
        choice.calls,
        [call("c1", "{\"x\":1}"), call("c2", "{\"y\":2}")]
    );
    assert_eq!(choice.finish, Some(Finish::ToolCalls));
}

#[test]
fn more_than_can_be_held_of_items_that_alternate_is_garbled() {
    let long = "x".repeat(300_000);
    let mut events = vec![created(), added(0, message(json!([])))];
    events.extend((0..3).map(|_| delta("function_call_arguments", 1, &long)));
    assert!(read(&events).is_ok());
    events.push(delta("function_call_arguments", 1, &long));
    assert!(read(&events).is_err());
}

#[test]
fn what_is_told_twice_is_told_once() {
    let part = output_text("Hi");
    let told = told(&[
        created(),
        created(),
        added(0, message(json!([]))),
        json!({"type": "response.content_part.added", "output_index": 0, "content_index": 0, "part": output_text("")}),
        delta("output_text", 0, "H"),
        delta("output_text", 0, "i"),
        json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hi"}),
        json!({"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": part}),
        done(0, message(json!([part]))),
        done(0, message(json!([part]))),
        delta("output_text", 0, "late"),
        completed(json!([message(json!([part]))])),
        completed(json!([message(json!([part]))])),
    ]);
    assert_eq!(told.choices[&0].text, "Hi");
    assert_eq!(told.choices[&0].blocks, ["text"]);
    assert_eq!(told.choices[&0].finish, Some(Finish::Stop));
}

#[test]
fn what_comes_only_at_an_end_is_told_then() {
    let parts = json!([output_text("Hi"), {"type": "refusal", "refusal": "No."}]);
    let thought = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "c==",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]});
    let items = [thought, message(parts), function("c1", "{}")];
    let whole = completed(json!(items));
    let at_the_items_end: Vec<Value> = [created()]
        .into_iter()
        .chain(
            (0..)
                .zip(items.clone())
                .map(|(index, item)| done(index, item)),
        )
        .chain([completed(json!([]))])
        .collect();
    let at_the_parts_end = [
        created(),
        added(0, json!({"type": "reasoning", "id": "rs_1", "summary": []})),
        json!({"type": "response.reasoning_summary_text.done", "output_index": 0, "summary_index": 0, "text": "a"}),
        json!({"type": "response.reasoning_summary_text.done", "output_index": 0, "summary_index": 1, "text": "b"}),
        done(0, items[0].clone()),
        json!({"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": "Hi"}),
        json!({"type": "response.refusal.done", "output_index": 1, "content_index": 1, "refusal": "No."}),
        done(1, items[1].clone()),
        json!({"type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{}"}),
        done(2, items[2].clone()),
        whole.clone(),
    ];
    // Nothing says that items end, but for the end of all.
    let without_ends = [
        created(),
        added(0, json!({"type": "reasoning", "id": "rs_1", "summary": []})),
        delta("reasoning_summary_text", 0, "a"),
        added(1, message(json!([]))),
        delta("output_text", 1, "Hi"),
        added(2, function("c1", "")),
        whole.clone(),
    ];
    for events in [
        &at_the_items_end[..],
        &at_the_parts_end[..],
        &without_ends[..],
        &[created(), whole.clone()][..],
        &[whole.clone()][..],
    ] {
        let told = told(events);
        let choice = &told.choices[&0];
        assert_eq!(choice.blocks, ["reasoning", "text", "refusal", "call"]);
        assert_eq!(choice.reasoning, "a\n\nb");
        assert_eq!(choice.proofs, ["c=="]);
        assert_eq!((&*choice.text, &*choice.refusal), ("Hi", "No."));
        assert_eq!(choice.calls, [call("c1", "{}")]);
    }
}

#[test]
fn thoughts_name_their_maker_and_their_id() {
    let mut opened = Vec::new();
    let data = done(
        0,
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c=="}),
    );
    let mut decoder = Decoder::default();
    let mut sink = |event: Event<'_>| {
        if let Event::Open { block, .. } = event {
            opened.push(format!("{block:?}"));
        }
    };
    decoder
        .event(None, data.to_string().as_bytes(), &mut sink)
        .unwrap();
    let block = Block::Reasoning {
        maker: Maker::OpenAi,
        id: Some("rs_1".into()),
    };
    assert_eq!(opened, [format!("{block:?}")]);
}

#[test]
fn a_thought_of_nothing_is_no_block() {
    let empty = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let told = told(&[
        created(),
        added(0, empty.clone()),
        done(0, empty),
        done(1, message(json!([output_text("Hi")]))),
        completed(json!([])),
    ]);
    assert_eq!(told.choices[&0].blocks, ["text"]);
}

#[test]
fn what_runs_at_the_provider_is_a_block_of_its_own_kind() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let told = told(&[
        created(),
        added(0, search.clone()),
        json!({"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"}),
        done(0, search),
        completed(json!([])),
    ]);
    assert_eq!(told.choices[&0].blocks, ["native"]);
    assert_eq!(told.choices[&0].finish, Some(Finish::Stop));
}

#[test]
fn servers_that_number_nothing_are_read_item_by_item() {
    let bare = |mut event: Value| {
        event.as_object_mut().unwrap().remove("output_index");
        event
    };
    let told = told(&[
        created(),
        bare(added(0, message(json!([])))),
        bare(delta("output_text", 0, "Hi")),
        bare(done(0, message(json!([output_text("Hi")])))),
        bare(added(1, function("c1", ""))),
        bare(delta("function_call_arguments", 1, "{}")),
        bare(done(1, function("c1", "{}"))),
        completed(json!([
            message(json!([output_text("Hi")])),
            function("c1", "{}")
        ])),
    ]);
    assert_eq!(told.choices[&0].blocks, ["text", "call"]);
    assert_eq!(told.choices[&0].text, "Hi");
}

#[test]
fn a_call_that_is_named_late_keeps_its_arguments() {
    let told = told(&[
        created(),
        delta("function_call_arguments", 0, "{\"x\""),
        delta("function_call_arguments", 0, ":1}"),
        done(0, function("c1", "{\"x\":1}")),
        completed(json!([])),
    ]);
    assert_eq!(told.choices[&0].calls, [call("c1", "{\"x\":1}")]);
    let nameless = [
        created(),
        delta("function_call_arguments", 0, "{}"),
        completed(json!([])),
    ];
    assert!(read(&nameless).is_err());
}

#[test]
fn arguments_may_be_the_object_itself() {
    let item =
        json!({"type": "function_call", "call_id": "c1", "name": "look", "arguments": {"x": 1}});
    let told = told(&[completed(json!([item]))]);
    assert_eq!(told.choices[&0].calls, [call("c1", "{\"x\":1}")]);
}

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

/// One event of some item, in any order that a stranger may choose.
fn any_event() -> impl Strategy<Value = Value> {
    let kinds = vec![
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.refusal.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.completed",
    ];
    let items = vec![
        message(json!([output_text("x")])),
        function("c", "{}"),
        function("", ""),
        json!({"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "e"}),
        json!({"type": "file_search_call"}),
    ];
    let weights = proptest::sample::select(kinds);
    let item = proptest::sample::select(items);
    (weights, item, 0..3_u64, 0..2_u64).prop_map(|(kind, item, index, part)| {
        json!({"type": kind, "output_index": index, "content_index": part, "summary_index": part,
            "item": item, "part": output_text(""), "delta": "{}", "text": "x", "arguments": "{}",
            "response": {"status": "completed", "output": [item]}})
    })
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
        };
        prop_assert_eq!(usage::read(&usage::render(&said)), Some(said));
    }

    /// The order checker panics where blocks overlap or are closed unopened.
    #[test]
    fn events_in_any_order_are_told_in_order_or_not_at_all(events in proptest::collection::vec(any_event(), 0..24)) {
        let mut told = String::new();
        let mut open = false;
        let mut finished = false;
        let mut decoder = Decoder::default();
        for event in events {
            let data = event.to_string();
            let read = decoder.event(None, data.as_bytes(), &mut |event| {
                assert!(!finished || matches!(event, Event::Usage(_)), "{event:?} after the end");
                match event {
                    Event::Open { .. } => assert!(!std::mem::replace(&mut open, true)),
                    Event::Close { .. } => assert!(std::mem::replace(&mut open, false)),
                    Event::Delta { .. } => assert!(open),
                    Event::Finish { .. } => {
                        assert!(!open);
                        finished = true;
                    }
                    Event::Start { .. } | Event::Usage(_) | Event::Error(_) => {}
                }
                write!(told, "{event:?}").unwrap();
            });
            if read.is_err() {
                break;
            }
        }
    }

    #[test]
    fn no_event_makes_it_panic(text in json_text(), kind in "[a-z_.]{0,12}|response\\.(created|completed|output_item\\.(added|done)|output_text\\.delta)") {
        let mut decoder = Decoder::default();
        let sink = &mut |_: Event<'_>| {};
        let _ = decoder.event(Some(kind.as_bytes()), text.as_bytes(), sink);
        let event = format!(r#"{{"type":"{kind}","response":{text},"item":{text},"delta":{text}}}"#);
        let _ = decoder.event(None, event.as_bytes(), sink);
        decoder.end(sink);
        let _ = Decoder::default().whole(text.as_bytes(), sink);
        let whole = format!(r#"{{"status":"completed","output":[{text}],"usage":{text}}}"#);
        let _ = Decoder::default().whole(whole.as_bytes(), sink);
    }
}
