//! Replies and streams, piece by piece.

use lattice_dialects::anthropic::messages::Decoder;
use lattice_dialects::canonical::{Decode, Ended, Garbled, Usage};
use proptest::prelude::*;

use super::told::{Told, events, whole};
use crate::support::json_text;

const START: &str = r#"{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"usage":{"input_tokens":7,"cache_read_input_tokens":2,"output_tokens":1}}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn open(index: u32, block: &str) -> String {
    format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#)
}

fn delta(index: u32, delta: &str) -> String {
    format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#)
}

fn close(index: u32) -> String {
    format!(r#"{{"type":"content_block_stop","index":{index}}}"#)
}

fn ending(stop_reason: &str) -> String {
    format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"{stop_reason}","stop_sequence":null}},"usage":{{"output_tokens":5}}}}"#
    )
}

/// A stream of one block; the lines between its opening and the end.
fn one_block(block: &str, deltas: &[&str]) -> Result<Vec<String>, Garbled> {
    let mut stream = vec![START.to_owned(), open(0, block)];
    stream.extend(deltas.iter().map(|it| delta(0, it)));
    stream.extend([close(0), ending("end_turn"), STOP.to_owned()]);
    let (told, ended) = events(&stream)?;
    assert_eq!(ended, Ended::Whole);
    Ok(told.lines[1..told.lines.len() - 1].to_vec())
}

#[test]
fn a_stream_is_told_as_it_comes() {
    let stream = [
        START.to_owned(),
        r#"{"type":"ping"}"#.to_owned(),
        open(0, r#"{"type":"text","text":""}"#),
        delta(0, r#"{"type":"text_delta","text":"Hi \u00e9\n"}"#),
        delta(0, r#"{"type":"citations_delta","citation":{"text":5}}"#),
        close(0),
        open(
            1,
            r#"{"type":"tool_use","id":"t1","name":"look","input":{}}"#,
        ),
        delta(1, r#"{"type":"input_json_delta","partial_json":""}"#),
        delta(1, r#"{"type":"input_json_delta","partial_json":"{\"a\":"}"#),
        delta(1, r#"{"type":"input_json_delta","partial_json":"1}"}"#),
        close(1),
        ending("tool_use"),
        STOP.to_owned(),
    ];
    let (told, ended) = events(&stream).unwrap();
    assert_eq!(ended, Ended::Whole);
    assert_eq!(
        told.lines,
        [
            "start m1 claude-x",
            "text",
            "+text Hi é\n",
            "close",
            "call t1 look",
            "+arguments {\"a\":",
            "+arguments 1}",
            "close",
            "ToolCalls tool_use",
        ]
    );
    let usage = Usage {
        input: 9,
        cached_input: 2,
        output: 5,
        ..Usage::default()
    };
    assert_eq!(told.usage, Some(usage));
}

#[test]
fn thoughts_keep_signatures_and_secrets() {
    let thinking = r#"{"type":"thinking","thinking":"","signature":""}"#;
    let told = one_block(
        thinking,
        &[
            r#"{"type":"thinking_delta","thinking":"hm"}"#,
            r#"{"type":"signature_delta","signature":"s=="}"#,
        ],
    );
    assert_eq!(
        told.unwrap(),
        ["reasoning", "+text hm", "+signature s==", "close"]
    );
    let told = one_block(thinking, &[r#"{"type":"signature_delta","signature":"s"}"#]);
    assert_eq!(told.unwrap(), ["reasoning", "+signature s", "close"]);
    let told = one_block(r#"{"type":"redacted_thinking","data":"ENC"}"#, &[]);
    assert_eq!(told.unwrap(), ["reasoning", "+encrypted ENC", "close"]);
}

#[test]
fn arguments_that_come_with_the_block_are_not_lost_nor_told_twice() {
    let block = r#"{"type":"tool_use","id":"t","name":"look","input":{ "a": 1 }}"#;
    let told = one_block(block, &[]).unwrap();
    assert_eq!(told, ["call t look", "+arguments { \"a\": 1 }", "close"]);
    let told = one_block(block, &[r#"{"type":"input_json_delta","partial_json":""}"#]).unwrap();
    assert_eq!(told[1], "+arguments { \"a\": 1 }");
    let told = one_block(
        block,
        &[r#"{"type":"input_json_delta","partial_json":"{}"}"#],
    )
    .unwrap();
    assert_eq!(told[1..], ["+arguments {}", "close"]);
    let none = one_block(
        r#"{"type":"tool_use","id":"t","name":"look","input":{ }}"#,
        &[],
    );
    assert_eq!(none.unwrap(), ["call t look", "close"]);
}

#[test]
fn what_is_not_known_is_passed_over() {
    let text = r#"{"type":"text","text":"a"}"#;
    let told = one_block(text, &[r#"{"type":"new_delta","text":[1]}"#]).unwrap();
    assert_eq!(told, ["text", "+text a", "close"]);
    let told = one_block(
        r#"{"type":"server_tool_use","id":5,"name":null,"input":"x"}"#,
        &[
            r#"{"type":"input_json_delta","partial_json":"{"}"#,
            r#"{"type":"text_delta","text":7}"#,
        ],
    );
    assert_eq!(told.unwrap(), ["native server_tool_use", "close"]);
    let stream = [
        r#"{"type":"new","index":"x","delta":3}"#,
        START,
        STOP,
        r#"{"type":"ping"}"#,
    ];
    assert_eq!(events(&stream).unwrap().1, Ended::Whole);
}

#[test]
fn the_name_of_an_event_stands_in_for_its_type() {
    let mut told = Told::default();
    let mut decoder = Decoder::default();
    let data = br#"{"message":{"id":"a","model":"b"}}"#;
    decoder
        .event(Some(b"message_start"), data, &mut |event| told.hear(event))
        .unwrap();
    assert_eq!(told.lines, ["start a b"]);
}

#[test]
fn stop_reasons_are_never_success_where_they_are_not_known() {
    for (word, finish) in [
        ("end_turn", "Stop"),
        ("stop_sequence", "Stop"),
        ("max_tokens", "Length"),
        ("model_context_window_exceeded", "Length"),
        ("tool_use", "ToolCalls"),
        ("refusal", "ContentFilter"),
        ("pause_turn", "Error"),
        ("compaction", "Error"),
        ("", "Error"),
    ] {
        let (told, _) = events(&[START.to_owned(), ending(word), STOP.to_owned()]).unwrap();
        assert_eq!(told.lines[1], format!("{finish} {word}"));
    }
    let (told, _) = events(&[START, STOP]).unwrap();
    assert_eq!(told.lines[1], "Error ");
}

#[test]
fn a_stream_without_its_end_is_cut_and_tells_no_usage() {
    let text = open(0, r#"{"type":"text","text":"a"}"#);
    let all = [START.to_owned(), text, close(0), ending("end_turn")];
    for length in 0..=all.len() {
        let (told, ended) = events(&all[..length]).unwrap();
        assert_eq!((told.usage, ended), (None, Ended::Cut));
    }
}

#[test]
fn by_hand_a_529_in_the_middle_of_a_stream_is_an_error() {
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#;
    let text = open(0, r#"{"type":"text","text":"a"}"#);
    let (told, ended) = events(&[START, &text, overloaded]).unwrap();
    assert_eq!(ended, Ended::Errored);
    assert_eq!(
        told.lines.last().unwrap(),
        "error overloaded_error Overloaded"
    );
    assert_eq!(told.usage, None);
    for bare in [r#"{"type":"error"}"#, r#"{"type":"error","error":5}"#] {
        let (told, ended) = events(&[bare]).unwrap();
        assert_eq!((told.lines[0].as_str(), ended), ("error  ", Ended::Errored));
    }
    assert_eq!(whole(overloaded.as_bytes()).unwrap().1, Ended::Errored);
}

#[test]
fn what_breaks_the_order_is_garbled() {
    let text = r#"{"type":"text","text":""}"#;
    let call = r#"{"type":"tool_use","id":"t","name":"n","input":{}}"#;
    let said = r#"{"type":"text_delta","text":"a"}"#;
    let (start, stop) = (START.to_owned(), STOP.to_owned());
    let broken = [
        vec![start.clone(), start.clone()],
        vec![open(0, text)],
        vec![delta(0, said)],
        vec![stop.clone()],
        vec![ending("end_turn")],
        vec![start.clone(), open(1, text)],
        vec![start.clone(), open(0, text), open(1, text)],
        vec![start.clone(), open(0, text), close(0), open(0, text)],
        vec![start.clone(), open(0, text), close(0), close(0)],
        vec![start.clone(), open(0, text), close(0), delta(0, said)],
        vec![start.clone(), open(0, text), delta(1, said)],
        vec![start.clone(), open(0, text), stop.clone()],
        vec![start.clone(), open(0, text), ending("end_turn")],
        vec![start.clone(), open(0, call), delta(0, said)],
        vec![
            start.clone(),
            open(0, text),
            delta(0, r#"{"type":"input_json_delta","partial_json":"{"}"#),
        ],
        vec![
            start.clone(),
            open(0, text),
            delta(0, r#"{"type":"thinking_delta","thinking":"t"}"#),
        ],
        vec![
            start.clone(),
            open(0, text),
            delta(0, r#"{"type":"signature_delta","signature":"t"}"#),
        ],
        vec![
            start.clone(),
            open(0, r#"{"type":"tool_use","id":"","name":"n"}"#),
        ],
        vec![start.clone(), open(0, r#"{"type":"tool_use","id":"t"}"#)],
        vec![
            start.clone(),
            open(0, r#"{"type":"tool_use","id":"t","name":"n","input":[1]}"#),
        ],
        vec![start.clone(), open(0, r#"{"type":"text","text":5}"#)],
        vec![
            start.clone(),
            r#"{"type":"content_block_start","index":0}"#.to_owned(),
        ],
        vec![start.clone(), stop.clone(), stop.clone()],
        vec![start.clone(), stop.clone(), start.clone()],
        vec![start, stop, r#"{"type":"error"}"#.to_owned()],
        vec!["{".to_owned()],
        vec!["[]".to_owned()],
        vec![String::new()],
    ];
    for stream in broken {
        assert!(events(&stream).is_err(), "{stream:?}");
    }
    let secret = events(&[START.replace("\"m1\"", "{\"secret\":1}")]).unwrap_err();
    assert!(!secret.to_string().contains("secret"), "{secret}");
}

#[test]
fn a_whole_message_is_told_like_a_stream() {
    let body = br#"{"id":"m","type":"message","model":"x","content":[
        {"type":"thinking","thinking":"t","signature":"s"},
        {"type":"text","text":"a","citations":null},
        {"type":"text","text":""},
        {"type":"tool_use","id":"1","name":"n","input":{"a": [1]}},
        {"type":"tool_use","id":"2","name":"n","input":{}},
        {"type":"web_search_tool_result","content":[]}
    ],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let (told, ended) = whole(body).unwrap();
    assert_eq!(ended, Ended::Whole);
    assert_eq!(
        told.lines,
        [
            "start m x",
            "reasoning",
            "+text t",
            "+signature s",
            "close",
            "text",
            "+text a",
            "close",
            "text",
            "close",
            "call 1 n",
            "+arguments {\"a\": [1]}",
            "close",
            "call 2 n",
            "close",
            "native web_search_tool_result",
            "close",
            "ToolCalls tool_use",
        ]
    );
    assert_eq!(told.usage.unwrap().output, 2);
    for body in [
        "",
        "{}",
        "[]",
        r#"{"type":"message","content":5}"#,
        r#"{"id":"x","choices":[]}"#,
    ] {
        assert!(whole(body.as_bytes()).is_err(), "{body}");
    }
}

/// Events as they may come, in any order.
fn event() -> impl Strategy<Value = String> {
    let block = proptest::sample::select(vec![
        r#"{"type":"text","text":""}"#,
        r#"{"type":"thinking","thinking":"t","signature":"s"}"#,
        r#"{"type":"tool_use","id":"t","name":"n","input":{"a":1}}"#,
        r#"{"type":"server_tool_use"}"#,
    ]);
    let more = proptest::sample::select(vec![
        r#"{"type":"text_delta","text":"a"}"#,
        r#"{"type":"thinking_delta","thinking":"b"}"#,
        r#"{"type":"signature_delta","signature":"c"}"#,
        r#"{"type":"input_json_delta","partial_json":"{}"}"#,
    ]);
    prop_oneof![
        6 => (0..3_u32, block).prop_map(|(index, block)| open(index, block)),
        6 => (0..3_u32, more).prop_map(|(index, more)| delta(index, more)),
        6 => (0..3_u32).prop_map(close),
        1 => Just(START.to_owned()),
        1 => Just(ending("end_turn")),
        1 => Just(STOP.to_owned()),
        1 => Just(r#"{"type":"error"}"#.to_owned()),
        1 => (0..3_u32, json_text()).prop_map(|(index, json)| open(index, &json)),
        1 => (0..3_u32, json_text()).prop_map(|(index, json)| delta(index, &json)),
        1 => json_text(),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_the_order_is_kept(stream in proptest::collection::vec(event(), 0..12)) {
        let mut begun = vec![START.to_owned()];
        begun.extend(stream.iter().cloned());
        for stream in [stream, begun] {
            // `Told` checks the order.
            if let Ok((told, ended)) = events(&stream) {
                let finished = told.lines.iter().any(|line| line.starts_with("Stop") || line.starts_with("Error "));
                prop_assert_eq!(finished, ended == Ended::Whole);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), json in json_text()) {
        let _ = events(&[&bytes]);
        let _ = whole(&bytes);
        let body = format!(r#"{{"type":"message","content":[{json}],"usage":{json},"stop_reason":"end_turn"}}"#);
        let _ = whole(body.as_bytes());
    }
}
