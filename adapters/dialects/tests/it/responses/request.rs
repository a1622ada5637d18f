//! What the gates ask of a request, and what the model will read of it.

use bytes::Bytes;
use lattice_dialects::Prompt;
use lattice_dialects::openai::responses::ResponsesRequest;
use proptest::prelude::*;
use serde_json::json;

use crate::support::json_text;

pub fn parsed(body: &str) -> ResponsesRequest {
    ResponsesRequest::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn texts(prompt: &Prompt) -> Vec<&str> {
    prompt.texts().collect()
}

#[test]
fn facts_are_read_from_everywhere() {
    let request = parsed(
        r#"{"model":"gpt\u002d5","stream":true,"max_output_tokens":99,"instructions":"i","input":[{"role":"user","content":"u"},{"type":"function_call_output","call_id":"c","output":"o"}],"text":{"format":{"type":"json_schema","name":"n","schema":{}}},"tools":[{"name":"f","type":"function","parameters":{"properties":{"name":"x"}}},{"type":"web_search"},{"type":"namespace","name":"ns","tools":[{"type":"function","name":"g"}]},{"type":"custom","name":"h"},{"type":"mcp","server_label":"m"}]}"#,
    );
    let facts = &request.facts;
    assert_eq!(facts.model, "gpt-5");
    assert!(facts.stream && facts.has_tools && facts.has_schema);
    assert_eq!(
        (facts.output_cap, facts.n, facts.messages),
        (Some(99), 1, 3)
    );
    assert_eq!(
        facts.tool_names(),
        ["f", "web_search", "ns", "g", "h", "mcp"]
    );
    assert_eq!(
        texts(&facts.prompt),
        ["i", "user", "u", "function_call_output", "c", "o"]
    );
    assert_eq!(facts.prompt.schemas().count(), 2, "tools and format");
}

#[test]
fn a_tool_cannot_hide_from_policy() {
    let cases = [
        r#"[{"type":"namespace","tools":[{"tools":[{"type":"function","name":"evil"}],"type":"namespace"}]}]"#,
        r#"[{"type":"function","function":{"name":"evil"}}]"#,
        r#"[{"name":"evil"}]"#,
        r#"[{"type":"evil"}]"#,
    ];
    for tools in cases {
        for body in [
            format!(r#"{{"model":"m","input":"x","tools":{tools}}}"#),
            format!(
                r#"{{"model":"m","input":[{{"type":"additional_tools","role":"developer","tools":{tools}}}]}}"#
            ),
        ] {
            let facts = parsed(&body).facts;
            assert!(facts.tool_names().contains(&"evil"), "{body}");
            assert!(facts.has_tools, "{body}");
        }
    }
}

#[test]
fn what_cannot_be_governed_is_refused_by_its_field() {
    let cases = [
        (r#"{"input":"x"}"#, Some("model")),
        (r#"{"model":"","input":"x"}"#, Some("model")),
        (r#"{"model":["m"],"input":"x"}"#, Some("model")),
        (r#"{"model":"m"}"#, Some("input")),
        (r#"{"model":"m","input":[]}"#, Some("input")),
        (r#"{"model":"m","input":{"role":"user"}}"#, Some("input")),
        (r#"{"model":"m","input":7}"#, Some("input")),
        (
            r#"{"model":"m","input":"x","stream":"yes"}"#,
            Some("stream"),
        ),
        (
            r#"{"model":"m","input":"x","max_output_tokens":0}"#,
            Some("max_output_tokens"),
        ),
        (
            r#"{"model":"m","input":"x","max_output_tokens":1.5}"#,
            Some("max_output_tokens"),
        ),
        (
            r#"{"model":"m","input":"x","max_output_tokens":[9]}"#,
            Some("max_output_tokens"),
        ),
        (r#"[]"#, None),
        (r#""model""#, None),
        (r#"{"model":"m","model":"n","input":"x"}"#, None),
    ];
    for (body, field) in cases {
        let refused = ResponsesRequest::parse(Bytes::from_static(body.as_bytes())).unwrap_err();
        assert_eq!(refused.field(), field, "{body}: {refused}");
    }
}

#[test]
fn spelled_nulls_are_as_if_absent() {
    let request = parsed(
        r#"{"model":"m","input":"x","stream":null,"max_output_tokens":null,"tools":null,"text":null,"instructions":null,"previous_response_id":null,"prompt":null}"#,
    );
    assert!(!request.facts.stream && !request.facts.has_tools);
    assert_eq!(request.facts.output_cap, None);
    assert_eq!(request.facts.prompt.references(), 0);
}

#[test]
fn an_earlier_response_may_stand_for_the_input() {
    for state in [
        json!({"previous_response_id": "resp_1"}),
        json!({"conversation": "conv_1"}),
        json!({"conversation": {"id": "conv_1"}}),
        json!({"prompt": {"id": "pmpt_1"}}),
    ] {
        let mut body = state;
        body["model"] = "m".into();
        let request = parsed(&body.to_string());
        assert_eq!(request.facts.prompt.references(), 1, "{body}");
        assert_eq!(request.facts.messages, 1);
    }
}

#[test]
fn what_is_not_in_the_body_is_counted_as_a_reference() {
    let cases = [
        (r#"{"type":"item_reference","id":"msg_1"}"#, 1),
        (r#"{"id":"msg_1"}"#, 1),
        (r#"{"id":"rs_1","type":"reasoning","summary":[]}"#, 1),
        (
            r#"{"type":"reasoning","summary":[],"encrypted_content":"x","id":"rs_1"}"#,
            0,
        ),
        (
            r#"{"id":"ws_1","type":"web_search_call","status":"completed"}"#,
            1,
        ),
        (
            r#"{"id":"msg_1","role":"assistant","type":"message","content":[]}"#,
            0,
        ),
        (r#"{"id":"msg_1","role":"assistant","content":"x"}"#, 0),
        (
            r#"{"id":"fc_1","type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#,
            0,
        ),
        (
            r#"{"role":"user","content":[{"type":"input_image","file_id":"f1"},{"type":"input_file","file_url":"https://x/y"}]}"#,
            2,
        ),
    ];
    for (item, references) in cases {
        // Whichever item comes before and after.
        let body = format!(r#"{{"model":"m","input":[{item},{item}]}}"#);
        let prompt = parsed(&body).facts.prompt;
        assert_eq!(prompt.references(), 2 * references, "{item}");
    }
}

#[test]
fn payloads_are_counted_and_are_no_text() {
    let request = parsed(
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"},{"type":"input_file","filename":"n","file_data":"12345678"},{"type":"input_audio","input_audio":{"data":"1234","format":"wav"}}]},{"type":"computer_call_output","call_id":"c","output":{"type":"computer_screenshot","image_url":"data:image/png;base64,AAAA"}},{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"https://x/y.png"}]}]}"#,
    );
    let prompt = &request.facts.prompt;
    assert_eq!((prompt.images(), prompt.documents()), (3, 1));
    assert_eq!((prompt.file_bytes(), prompt.audio_bytes()), (8, 4));
    let all = texts(prompt).concat();
    assert!(!all.contains("AAAA") && !all.contains("1234"), "{all}");
}

#[test]
fn a_painted_picture_is_one_and_what_is_called_so_is_not() {
    let painted = r#""type":"image_generation_call","id":"ig_1","status":"completed""#;
    let picture = r#""result":"iVBORw0KGgo""#;
    for (item, images, references, free) in [
        (format!("{{{painted},{picture}}}"), 1, 0, true),
        (format!("{{{picture},{painted}}}"), 1, 0, true),
        (format!(r#"{{{painted},"result":null}}"#), 0, 1, true),
        (
            format!(r#"{{"type":"program_output",{picture}}}"#),
            0,
            0,
            false,
        ),
    ] {
        let body = format!(r#"{{"model":"m","input":[{item},{{"role":"user","content":"x"}}]}}"#);
        let prompt = parsed(&body).facts.prompt;
        assert_eq!(
            (prompt.images(), prompt.references()),
            (images, references),
            "{item}"
        );
        let texts = texts(&prompt);
        assert_eq!(!texts.contains(&"iVBORw0KGgo"), free, "{item}");
        assert!(texts.ends_with(&["user", "x"]), "{item}");
    }
}

#[test]
fn text_in_a_wrong_place_is_not_free() {
    let hidden = "H".repeat(100);
    let cases = [
        format!(r#"{{"role":"user","content":{{"x":"{hidden}"}}}}"#),
        format!(
            r#"{{"role":"user","content":[{{"type":"input_image","image_url":{{"x":"{hidden}"}}}}]}}"#
        ),
        format!(
            r#"{{"role":"user","content":[{{"type":"input_file","file_data":["{hidden}"]}}]}}"#
        ),
        format!(
            r#"{{"role":"user","content":[{{"type":"input_file","file_id":{{"y":["{hidden}"]}}}}]}}"#
        ),
        format!(
            r#"{{"role":"user","content":[{{"type":"input_audio","input_audio":"{hidden}"}}]}}"#
        ),
        format!(r#"{{"image_url":"{hidden}","role":"user","content":"x"}}"#),
        format!(
            r#"{{"type":"reasoning","summary":[{{"type":"summary_text","text":"{hidden}"}}]}}"#
        ),
        format!(r#"{{"type":"reasoning","encrypted_content":"{hidden}"}}"#),
        format!(r#"{{"type":"function_call","arguments":"{hidden}"}}"#),
        format!(r#"{{"type":"shell_call_output","output":[{{"stdout":"{hidden}"}}]}}"#),
        format!(r#"{{"type":"program_output","result":"{hidden}"}}"#),
        format!(r#""{hidden}""#),
        format!(r#"["{hidden}"]"#),
    ];
    for item in cases {
        for (body, place) in [
            (format!(r#"{{"model":"m","input":[{item}]}}"#), "input"),
            (
                format!(r#"{{"model":"m","input":"x","instructions":[{item}]}}"#),
                "instructions",
            ),
            (
                format!(
                    r#"{{"model":"m","input":"x","prompt":{{"id":"p","variables":{{"v":{item}}}}}}}"#
                ),
                "prompt",
            ),
        ] {
            // There these are payloads like any other.
            if place == "prompt" && item.contains("image_url\":\"") {
                continue;
            }
            let prompt = parsed(&body).facts.prompt;
            assert!(texts(&prompt).contains(&hidden.as_str()), "{body}");
        }
    }
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(value in json_text(), input in json_text(), tools in json_text()) {
        for body in [
            value.clone(),
            format!(r#"{{"model":"m","input":[{input}],"tools":{tools},"x":{value}}}"#),
            format!(r#"{{"model":"m","input":[{{"type":"reasoning","content":{input}}}],"text":{value}}}"#),
            format!(r#"{{"model":"m","input":{input},"reasoning":{value},"tool_choice":{tools}}}"#),
        ] {
            if let Ok(request) = ResponsesRequest::parse(Bytes::from(body)) {
                let _ = request.canonical().map(|it| it.turns.len());
                let _ = request.rewrite(&Default::default());
                let _ = request.facts.prompt.texts().count();
            }
        }
    }

    /// However the input nests, every string of it is text, a payload or a reference.
    #[test]
    fn no_string_of_an_item_is_free(item in json_text()) {
        let value: serde_json::Value = serde_json::from_str(&item).unwrap();
        fn strings(value: &serde_json::Value) -> usize {
            match value {
                serde_json::Value::String(text) => usize::from(!text.is_empty()),
                serde_json::Value::Array(items) => items.iter().map(strings).sum(),
                serde_json::Value::Object(members) => members.values().map(strings).sum(),
                _ => 0,
            }
        }
        let body = format!(r#"{{"model":"m","input":[{item}]}}"#);
        let prompt = parsed(&body).facts.prompt;
        prop_assert_eq!(prompt.texts().count(), strings(&value));
    }
}
