//! What is read from a chat request.

use bytes::Bytes;
use lattice_dialects::openai::chat::ChatRequest;
use proptest::prelude::*;

use crate::support::json_text;

fn parse(body: &str) -> ChatRequest {
    ChatRequest::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn with(members: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{members}}}"#)
}

#[test]
fn a_plain_request_is_read_and_its_defaults_filled_in() {
    let request = parse(r#"{"model":"gpt\u002d5","messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!(request.facts.model, "gpt-5");
    assert_eq!((request.facts.messages, request.facts.n), (1, 1));
    assert!(!request.facts.stream && !request.include_usage);
    assert!(!request.facts.has_tools && !request.facts.has_schema);
    assert_eq!(request.facts.output_cap, None);
    assert_eq!(
        request.facts.prompt.texts().collect::<Vec<_>>(),
        ["user", "hi"]
    );
}

#[test]
fn every_text_that_the_model_reads_is_found_and_payloads_are_counted_apart() {
    let request = parse(
        r#"{"messages":[
          {"role":"system","content":"be \u0062rief","name":"boss"},
          {"role":"user","content":[
            {"type":"text","text":"look"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},
            {"type":"image_url","image_url":"https://example.com/a.png"},
            {"type":"input_audio","input_audio":{"data":"QUJDRA==","format":"wav"}},
            {"type":"file","file":{"file_data":"data:application/pdf;base64,QQ==","filename":"a.pdf"}},
            {"type":"file","file":{"file_id":"file-1"}},
            {"type":"video_url","video_url":{"url":"https://example.com/v.mp4"}}]},
          {"role":"assistant","content":null,"refusal":"no","reasoning_content":"hm",
           "audio":{"id":"audio_1"},
           "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
          {"role":"tool","tool_call_id":"c1","content":["plain",""]}],
         "tools":[{"type":"function","function":{"name":"f","parameters":{"name":"not a tool"}}},
                  {"type":"custom","custom":{"name":"g"}}, {"type":"web_search"}],
         "functions":[{"name":"old"}],
         "response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}},
         "model":"m","user":"not read by the model"}"#,
    );
    let texts: Vec<&str> = request.facts.prompt.texts().collect();
    #[rustfmt::skip]
    assert_eq!(texts, [
        "system", "be brief", "boss",
        "user", "text", "look", "image_url", "low", "image_url", "input_audio", "wav",
        "file", "a.pdf", "file", "video_url",
        "assistant", "no", "hm", "c1", "function", "f", "{\"a\":1}",
        "tool", "c1", "plain",
    ]);
    assert_eq!(request.facts.prompt.images(), 2);
    assert_eq!(request.facts.prompt.audio_bytes(), 8);
    assert_eq!(request.facts.prompt.file_bytes(), 32);
    assert_eq!(request.facts.prompt.references(), 4);
    assert_eq!(request.facts.tool_names(), ["f", "g", "web_search", "old"]);
    assert!(request.facts.has_tools && request.facts.has_schema);
    let schemas: Vec<&str> = request.facts.prompt.schemas().collect();
    assert_eq!(schemas.len(), 3);
    assert_eq!(schemas[1], r#"[{"name":"old"}]"#);
}

#[test]
fn text_in_the_place_of_a_payload_elsewhere_is_not_free() {
    let long = "secret text";
    for part in [
        format!(r#"{{"type":"text","file_data":"{long}"}}"#),
        format!(r#"{{"type":"text","data":"{long}","url":"short"}}"#),
        format!(r#"{{"image_url":{{"url":["{long}"]}}}}"#),
        format!(r#"{{"image_url":["{long}"]}}"#),
        format!(r#"{{"input_audio":{{"data":{{"data":"{long}"}}}}}}"#),
        format!(r#"{{"nested":{{"file":{{"file_data":"{long}"}}}}}}"#),
        format!(r#"[["{long}"]]"#),
    ] {
        let request = parse(&format!(
            r#"{{"model":"m","messages":[{{"content":[{part}]}}]}}"#
        ));
        assert!(
            request.facts.prompt.texts().any(|text| text == long),
            "{part}"
        );
        assert_eq!(request.facts.prompt.images(), 0, "{part}");
    }
    let outside = [
        format!(r#""{long}""#),
        format!(r#"["{long}"]"#),
        format!(r#"{{"content":{{"image_url":{{"url":"{long}"}}}}}}"#),
    ];
    for message in outside {
        let request = parse(&format!(r#"{{"model":"m","messages":[{message}]}}"#));
        assert!(
            request.facts.prompt.texts().any(|text| text == long),
            "{message}"
        );
    }
}

#[test]
fn what_must_be_governed_must_be_understood() {
    let cases = [
        (
            r#"{"messages":[{}]}"#,
            Some("model"),
            "model must be a non-empty string",
        ),
        (
            r#"{"model":"","messages":[{}]}"#,
            Some("model"),
            "model must be a non-empty string at line 1 column 11",
        ),
        (
            r#"{"model":null,"messages":[{}]}"#,
            Some("model"),
            "model must be a non-empty string at line 1 column 13",
        ),
        (
            r#"{"model":["m"],"messages":[{}]}"#,
            Some("model"),
            "model must be a non-empty string at line 1 column 10",
        ),
        (
            r#"{"model":"m"}"#,
            Some("messages"),
            "messages must be a non-empty array",
        ),
        (
            r#"{"model":"m","messages":[]}"#,
            Some("messages"),
            "messages must be a non-empty array",
        ),
        (
            r#"{"model":"m","messages":"hi"}"#,
            Some("messages"),
            "messages must be a non-empty array at line 1 column 28",
        ),
        (
            r#"{"model":"m","messages":{}}"#,
            Some("messages"),
            "messages must be a non-empty array at line 1 column 26",
        ),
        (
            r#"["model"]"#,
            None,
            "the body must be a JSON object at line 1 column 1",
        ),
        (
            "7",
            None,
            "the body must be a JSON object at line 1 column 1",
        ),
    ];
    for (body, field, expected) in cases {
        let refusal = ChatRequest::parse(Bytes::from(body)).unwrap_err();
        assert_eq!(refusal.field(), field, "{body}");
        assert_eq!(refusal.to_string(), expected, "{body}");
    }
}

#[test]
fn a_wrong_number_or_switch_is_refused_by_its_name() {
    let wrong = [
        (
            "max_tokens",
            &[
                "0",
                "-1",
                "1.5",
                "5.0",
                "1e3",
                "\"5\"",
                "true",
                "[1]",
                "18446744073709551616",
            ][..],
        ),
        ("max_completion_tokens", &["0", "-1", "{}"]),
        ("n", &["0", "129", "-1", "1.0", "\"1\""]),
        ("stream", &["1", "\"true\"", "[]", "{}"]),
        ("stream_options", &["true", "[]", "\"x\""]),
    ];
    for (field, values) in wrong {
        for value in values {
            let body = with(&format!(r#""{field}":{value}"#));
            let refusal = ChatRequest::parse(Bytes::from(body)).unwrap_err();
            assert_eq!(refusal.field(), Some(field), "{value}");
            assert!(refusal.to_string().starts_with(field), "{refusal}");
        }
    }
    let options = with(r#""stream_options":{"include_usage":1}"#);
    let refusal = ChatRequest::parse(Bytes::from(options)).unwrap_err();
    assert_eq!(refusal.field(), Some("stream_options.include_usage"));
}

#[test]
fn right_numbers_and_switches_are_read_and_null_is_as_good_as_left_out() {
    let request = parse(&with(
        r#""max_tokens":1,"max_completion_tokens":18446744073709551615,"n":128,"stream":true,"stream_options":{"x":1,"include_usage":true}"#,
    ));
    assert_eq!(request.max_tokens, Some(1));
    assert_eq!(request.facts.output_cap, Some(u64::MAX));
    assert_eq!(request.facts.n, 128);
    assert!(request.facts.stream && request.include_usage);
    let request = parse(&with(
        r#""max_tokens":null,"max_completion_tokens":null,"n":null,"stream":null,"stream_options":null"#,
    ));
    assert_eq!((request.facts.output_cap, request.facts.n), (None, 1));
    assert!(!request.facts.stream && !request.include_usage);
}

#[test]
fn types_that_nobody_here_needs_are_left_to_the_upstream() {
    let request = parse(&with(
        r#""tools":"x","functions":5,"response_format":[],"temperature":"hot","top_p":{}"#,
    ));
    assert!(!request.facts.has_tools && !request.facts.has_schema);
}

#[test]
fn values_whose_span_is_wanted_are_read_as_strictly_as_the_rest() {
    let deep = "[".repeat(128) + &"]".repeat(128);
    let cases = [
        (
            r#""tools":[{"a":1,"b":{"x":1,"x":2}}]"#.to_owned(),
            r#"duplicate key "x" at line 1 column 87"#,
        ),
        (
            r#""response_format":{"\u0061":1,"a":2}"#.to_owned(),
            r#"duplicate key "a""#,
        ),
        (
            r#""functions":["\ud800"]"#.to_owned(),
            "not valid JSON: unexpected end of hex escape",
        ),
        (
            r#""tools":[1e999]"#.to_owned(),
            "not valid JSON: number out of range",
        ),
        (
            format!(r#""tools":{deep}"#),
            "nested deeper than 128 levels",
        ),
        (
            r#""stream_options":{"include_usage":true,"include_usage":true}"#.to_owned(),
            r#"duplicate key "include_usage""#,
        ),
    ];
    for (member, expected) in cases {
        let refusal = ChatRequest::parse(Bytes::from(with(&member))).unwrap_err();
        assert!(refusal.to_string().starts_with(expected), "{refusal}");
    }
    let deep = "[".repeat(125) + &"]".repeat(125);
    parse(&with(&format!(
        r#""tools":[{{"type":"x","x":{deep}}}],"functions":[{{"name":"f","x":{deep}}}]"#
    )));
    let unclosed = with(&format!(r#""tools":{}"#, "[".repeat(1_000_000)));
    ChatRequest::parse(Bytes::from(unclosed)).unwrap_err();
}

#[test]
fn nothing_of_the_prompt_is_shown_by_debug() {
    let request = parse(&with(r#""user":"canary","x":"canary""#).replace("hi", "canary"));
    assert!(!format!("{request:?}").contains("canary"));
}

/// A request of likely members with unlikely values.
fn odd_request() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("model"),
        Just("messages"),
        Just("stream"),
        Just("stream_options"),
        Just("max_tokens"),
        Just("n"),
        Just("tools"),
        Just("functions"),
        Just("response_format"),
        Just("image_url"),
        Just("content"),
        Just("x"),
    ];
    let value = prop_oneof![
        json_text(),
        Just(r#""m""#.to_owned()),
        Just("[{}]".to_owned())
    ];
    proptest::collection::vec((key, value), 0..8).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(" , "))
    })
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(
        body in odd_request(), at in any::<prop::sample::Index>(), byte in any::<u8>(), spoil in any::<bool>(),
    ) {
        let mut body = body.into_bytes();
        if spoil {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Ok(request) = ChatRequest::parse(Bytes::from(body)) {
            let read: usize = request.facts.prompt.texts().chain(request.facts.prompt.schemas()).map(str::len).sum();
            prop_assert!(read <= request.body().len());
        }
    }
}
