//! Replies of the Responses API as they are read.

use std::fmt::Write as _;

use lattice_dialects::canonical::{Block, Decode, Ended, Event, Finish, Garbled, Maker};
use lattice_dialects::openai::responses::Decoder;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::order::{Call, Told, decoded, decoded_whole};
use crate::recorded::{Recording, recordings};
use crate::support::json_text;

pub(super) fn stream(events: &[Value]) -> Vec<u8> {
    let mut out = String::new();
    for event in events {
        let kind = event["type"].as_str().unwrap_or_default();
        writeln!(out, "event: {kind}\ndata: {event}\n").unwrap();
    }
    out.into_bytes()
}

pub(super) fn read(events: &[Value]) -> Result<(Told, Ended), Garbled> {
    decoded(&stream(events), &mut Decoder::default())
}

/// A stream that must be read whole.
fn told(events: &[Value]) -> Told {
    let (told, ended) = read(events).unwrap();
    assert_eq!(ended, Ended::Whole);
    told
}

pub(super) fn created() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5", "status": "in_progress", "output": []}})
}

pub(super) fn completed(output: Value) -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "model": "gpt-5", "status": "completed", "output": output}})
}

pub(super) fn added(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

pub(super) fn done(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

pub(super) fn delta(kind: &str, index: u64, text: &str) -> Value {
    json!({"type": format!("response.{kind}.delta"), "output_index": index, "content_index": 0, "summary_index": 0, "delta": text})
}

pub(super) fn message(parts: Value) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "content": parts})
}

pub(super) fn output_text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

pub(super) fn function(id: &str, arguments: &str) -> Value {
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
