//! Spellings that would lead a call around the judge.

use bytes::Bytes;
use lattice_dialects::Api;
use lattice_dialects::firewall::{Fault, Firewall};

use super::{by_name, once};

fn sse(events: &[&str]) -> String {
    events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect()
}

const SECRET: &str = r#"{\"q\":\"secret-1\"}"#;

/// A chunk of chat with one call of `no`, with other words for its own.
fn chunk(words: &[(&str, &str)]) -> String {
    let mut chunk = format!(
        r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"id":"c","type":"function","function":{{"name":"no","arguments":"{SECRET}"}}}}]}},"finish_reason":null}}]}}"#
    );
    for (word, other) in words {
        assert!(chunk.contains(word));
        chunk = chunk.replace(word, other);
    }
    chunk
}

const END: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;

#[test]
fn a_key_spelled_with_escapes_is_the_key() {
    for (word, other) in [
        ("tool_calls", r"tool\u005fcalls"),
        (
            "tool_calls",
            r"\u0074\u006f\u006f\u006c\u005f\u0063\u0061\u006c\u006c\u0073",
        ),
        ("choices", r"ch\u006fices"),
        ("\"name\":\"no\"", r#""n\u0061me":"n\u006f""#),
    ] {
        let got = once(
            Api::Chat,
            &sse(&[&chunk(&[(word, other)]), END, "[DONE]"]),
            by_name,
        );
        assert_eq!(got.fault, None, "{other}");
        assert_eq!(got.asked[0].0, "no");
        assert!(!got.text().contains("secret"), "{other}");
        assert!(got.text().contains("was refused"));
        assert!(got.text().contains(r#""finish_reason":"stop""#));
    }
}

#[test]
fn a_key_that_some_client_would_take_is_a_fault() {
    for (word, other) in [
        ("tool_calls", "Tool_Calls"),
        ("tool_calls", "tool_callſ"),
        ("\"choices", "\"Choices"),
        ("\"choices", "\"hoices"),
        ("\"delta", "\"update"),
        ("\"delta", "\"DELTA"),
        ("\"function\":", "\"Function\":"),
        ("\"name", "\"Name"),
        ("\"arguments", "\"argumentſ"),
        ("\"index\":0,\"id", "\"Index\":0,\"id"),
    ] {
        let got = once(Api::Chat, &sse(&[&chunk(&[(word, other)]), END]), by_name);
        assert!(
            matches!(got.fault, Some(Fault::Unreadable(_))),
            "{other}: {}",
            got.text()
        );
        assert!(got.out.is_empty(), "{other}: {}", got.text());
    }
    for other in ["function_call", "FunctionCall", "functioncall"] {
        let event = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"{other}":{{"name":"no"}}}}]}}}}]}}"#
        );
        let got = once(Api::Generate, &sse(&[&event]), by_name);
        assert!(got.fault.is_some(), "{other}");
        assert!(got.out.is_empty());
    }
}

#[test]
fn an_event_that_can_be_read_in_two_ways_is_a_fault() {
    let call = chunk(&[]);
    let twice = call.replacen(
        "\"index\":0,\"delta\"",
        "\"index\":0,\"delta\":{},\"delta\"",
        1,
    );
    for event in [
        twice.as_str(),
        &format!("{call}{call}"),
        &format!("{{}} {call}"),
        &format!("[{call}]"),
        &call.replace(
            "\"function\":{",
            "\"custom\":{\"name\":\"yes\"},\"function\":{",
        ),
        &call.replace("tool_calls\":[", "tool_calls\":[["),
        &call.replace("secret", "\\ud800"),
        &call[..call.len() - 1],
    ] {
        let got = once(Api::Chat, &sse(&[event, END]), by_name);
        assert!(got.fault.is_some(), "{event}");
        assert!(got.out.is_empty(), "{event}: {}", got.text());
    }
}

#[test]
fn a_type_and_a_name_that_differ_are_a_fault() {
    for (api, events) in [
        (
            Api::Messages,
            "event: content_block_stop\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"no\",\"input\":{}}}\n\n",
        ),
        (
            Api::Messages,
            "event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"no\",\"input\":{}}}\n\n",
        ),
        (
            Api::Responses,
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"name\":\"no\",\"arguments\":\"{}\"}}\n\n",
        ),
        (
            Api::Responses,
            "data: {\"type\":\"response.something\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"name\":\"no\",\"arguments\":\"{}\"}}\n\n",
        ),
        (
            Api::Responses,
            "data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,\"delta\":\"{}\"}\n\n",
        ),
    ] {
        let got = once(api, events, by_name);
        assert!(got.fault.is_some(), "{events}");
        assert!(got.out.is_empty());
    }
}

#[test]
fn a_call_in_data_of_many_lines_is_judged() {
    let event = chunk(&[]).replace(',', ",\ndata: ");
    let stream = format!("data: {event}\n\ndata: {END}\n\n");
    let got = once(Api::Chat, &stream, by_name);
    assert_eq!(got.fault, None);
    assert!(got.text().contains("was refused"));
    assert!(!got.text().contains("secret"));
}

#[test]
fn what_is_said_of_a_call_at_its_end_must_be_what_was_said_before() {
    let item = |arguments: &str| {
        format!(
            r#"{{"id":"fc_1","type":"function_call","call_id":"c","name":"yes","arguments":"{arguments}"}}"#
        )
    };
    let added = format!(
        r#"{{"type":"response.output_item.added","output_index":0,"item":{}}}"#,
        item("")
    );
    let delta =
        r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":1}"}"#;
    let done = |arguments| {
        format!(
            r#"{{"type":"response.output_item.done","output_index":0,"item":{}}}"#,
            item(arguments)
        )
    };
    let same = sse(&[&added, delta, &done(r#"{\"a\": 1}"#)]);
    let got = once(Api::Responses, &same, by_name);
    assert_eq!((got.fault, got.text()), (None, same.as_str()));
    let got = once(
        Api::Responses,
        &sse(&[&added, delta, &done(r#"{\"a\":2}"#)]),
        by_name,
    );
    assert!(got.fault.is_some());
    assert!(got.out.is_empty());
}

#[test]
fn the_end_of_a_response_cannot_bring_a_call_that_was_not_judged() {
    let end = r#"{"type":"response.completed","response":{"status":"completed","output":[{"id":"fc_1","type":"function_call","call_id":"c","name":"no","arguments":"{\"q\":\"secret\"}"}]}}"#;
    let got = once(Api::Responses, &sse(&[end]), by_name);
    assert_eq!(got.fault, None);
    assert_eq!(got.asked.len(), 1);
    assert!(!got.text().contains("secret"));
    assert!(!got.text().contains("function_call"));
    assert!(got.text().contains(r#""id":"msg_1""#));
}

#[test]
fn a_call_does_not_go_on_after_its_end() {
    let first = chunk(&[("no", "yes")]);
    let more = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"q\":2}"}}]}}]}"#;
    let got = once(Api::Chat, &sse(&[&first, more]), by_name);
    assert!(got.fault.is_some());
    assert!(!got.text().contains(r#"{\"q\":2}"#));
    let name = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"_more"}}]}}]}"#;
    assert!(
        once(Api::Chat, &sse(&[&first, name]), by_name)
            .fault
            .is_some()
    );
    let blank = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":" "}}]}}]}"#;
    let stream = sse(&[&first, blank]);
    assert_eq!(once(Api::Chat, &stream, by_name).text(), stream);
}

/// Clients join the pieces of one number: two calls of one are told as two.
#[test]
fn calls_that_a_server_numbers_alike_are_told_apart() {
    let one = chunk(&[("no", "yes_a"), ("\"c\"", "\"c1\"")]);
    let two = chunk(&[("no", "yes_b"), ("\"c\"", "\"c2\"")]);
    let got = once(Api::Chat, &sse(&[&one, &two, END]), by_name);
    assert_eq!(got.fault, None);
    assert_eq!(got.asked.len(), 2);
    assert!(
        got.text().contains(r#""tool_calls":[{"index":1,"id":"c2""#),
        "{}",
        got.text()
    );
}

#[test]
fn a_whole_reply_with_a_strange_key_is_a_fault() {
    for (api, body) in [
        (
            Api::Chat,
            r#"{"choices":[{"message":{"Tool_Calls":[{"function":{"name":"no"}}]}}]}"#,
        ),
        (
            Api::Chat,
            r#"{"choices":[],"choices":[{"message":{"tool_calls":[{}]}}]}"#,
        ),
        (
            Api::Messages,
            r#"{"Content":[{"type":"tool_use","name":"no"}]}"#,
        ),
        (
            Api::Responses,
            r#"{"output":[{"Type":"function_call","name":"no"}]}"#,
        ),
        (
            Api::Generate,
            r#"{"candidates":[{"content":{"parts":[{"function_call":{"name":"no"}}]}}]}"#,
        ),
    ] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let whole = Firewall::new(api).whole(body, &mut |call| by_name(call, 0));
        assert!(whole.is_err(), "{api:?}");
    }
}
