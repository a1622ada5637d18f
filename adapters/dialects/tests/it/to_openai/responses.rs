//! Bodies for the Responses API, field by field, and its counts.

use lattice_dialects::canonical::{
    Effort, Format, Maker, Request, Role, Schema, Target, ToolChoice, ToolResult,
};
use lattice_dialects::openai::responses::{count, encode};
use serde_json::{Number, Value, json};

use super::*;

#[test]
fn a_conversation_is_a_list_of_items_in_order() {
    let failed = Part::ToolResult(ToolResult {
        id: "a".into(),
        content: vec![text("1"), text("2")],
        is_error: true,
    });
    let request = Request {
        system: vec![plain("Be brief."), plain("Be kind.")],
        ..conversation(vec![
            turn(Role::User, vec![text("What?"), text("Now.")]),
            turn(
                Role::Assistant,
                vec![
                    thought(Maker::OpenAi, "hm", Some("c==")),
                    text("Let me"),
                    text("see."),
                    call("a", ""),
                    text("Or so."),
                ],
            ),
            turn(Role::User, vec![failed, text("Well?")]),
            turn(Role::System, vec![text("Hurry.")]),
        ])
    };
    let (body, noted) = to_responses(&request);
    assert_eq!(body["instructions"], "Be brief.");
    let input = |text| json!({"type": "input_text", "text": text});
    let output = |text| json!({"type": "output_text", "text": text});
    assert_eq!(
        body["input"],
        json!([
            {"type": "message", "role": "system", "content": "Be kind."},
            {"type": "message", "role": "user", "content": [input("What?"), input("Now.")]},
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "c==",
             "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "content": [output("Let me"), output("see.")]},
            {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
            {"type": "message", "role": "assistant", "content": "Or so."},
            {"type": "function_call_output", "call_id": "a", "output": [input("1"), input("2")]},
            {"type": "message", "role": "user", "content": "Well?"},
            {"type": "message", "role": "system", "content": "Hurry."},
        ])
    );
    assert_eq!(noted, ["messages.content.is_error"]);
    assert_eq!(body["store"], false);
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(body.get("stream"), None);
}

#[test]
fn thoughts_go_back_to_their_maker_before_what_they_led_to() {
    let own = || thought(Maker::OpenAi, "", Some("c=="));
    for (parts, items, notes) in [
        (vec![own(), text("Yo")], vec!["reasoning", "message"], 0),
        (
            vec![own(), own(), call("a", "{}")],
            vec!["reasoning", "reasoning", "function_call"],
            0,
        ),
        (vec![text("Yo"), own()], vec!["message"], 1),
        (
            vec![thought(Maker::OpenAi, "hm", None), text("Yo")],
            vec!["message"],
            1,
        ),
        (
            vec![thought(Maker::Anthropic, "", Some("c==")), text("Yo")],
            vec!["message"],
            1,
        ),
        (
            vec![thought(Maker::Unknown, "hm", None), text("Yo")],
            vec!["message"],
            1,
        ),
    ] {
        let request = conversation(vec![turn(Role::Assistant, parts)]);
        let (body, noted) = to_responses(&request);
        let kinds = body["input"].as_array().unwrap().iter();
        let kinds: Vec<&Value> = kinds.map(|item| &item["type"]).collect();
        assert_eq!(kinds, items);
        assert_eq!(noted, vec!["reasoning_details"; notes]);
    }
}

#[test]
fn a_model_that_never_thinks_is_not_asked_for_its_thoughts() {
    let request = Request {
        show_thoughts: Some(true),
        ..asking()
    };
    let to = Target {
        model: "gpt-4.1-mini",
        ..TO
    };
    let (body, noted) = read(encode(&request, &to).unwrap());
    assert_eq!(body.get("include"), None);
    assert_eq!(body.get("reasoning"), None);
    assert_eq!(noted, ["show_thoughts"]);
}

#[test]
fn summaries_of_thoughts_are_asked_for() {
    for (effort, shown, expected) in [
        (None, None, Value::Null),
        (None, Some(false), Value::Null),
        (None, Some(true), json!({"summary": "auto"})),
        (Some(Effort::None), None, json!({"effort": "none"})),
        (
            Some(Effort::Low),
            None,
            json!({"effort": "low", "summary": "auto"}),
        ),
        (Some(Effort::Max), Some(false), json!({"effort": "max"})),
    ] {
        let request = Request {
            effort,
            show_thoughts: shown,
            ..asking()
        };
        assert_eq!(to_responses(&request).0["reasoning"], expected);
    }
}

#[test]
fn settings_have_the_names_of_this_api() {
    let request = Request {
        max_output_tokens: Some(100),
        temperature: Some(Number::from(1)),
        top_p: Number::from_f64(0.5),
        presence_penalty: Some(Number::from(0)),
        user: Some("u-1".into()),
        stream: true,
        format: Format::JsonSchema(Schema {
            name: "answer".into(),
            schema: raw("{}"),
            strict: Some(true),
        }),
        ..asking()
    };
    let (body, noted) = to_responses(&request);
    for (field, expected) in [
        ("max_output_tokens", json!(100)),
        ("temperature", json!(1)),
        ("top_p", json!(0.5)),
        ("safety_identifier", json!("u-1")),
        ("stream", json!(true)),
        (
            "text",
            json!({"format": {"type": "json_schema", "name": "answer", "schema": {}, "strict": true}}),
        ),
        ("presence_penalty", Value::Null),
    ] {
        assert_eq!(body[field], expected, "{field}");
    }
    assert!(noted.is_empty(), "{noted:?}");
}

#[test]
fn a_cap_below_what_the_api_takes_is_raised_and_noted() {
    for (cap, sent, notes) in [
        (15, 16, vec!["max_completion_tokens: 16"]),
        (16, 16, vec![]),
    ] {
        let request = Request {
            max_output_tokens: Some(cap),
            ..asking()
        };
        let (body, noted) = to_responses(&request);
        assert_eq!(body["max_output_tokens"], sent);
        assert_eq!(noted, notes);
    }
}

#[test]
fn tools_are_flat_and_lax_unless_said_to_be_strict() {
    let choose = |choice| Request {
        tools: vec![tool("look")],
        tool_choice: Some(choice),
        parallel_tool_calls: Some(true),
        ..asking()
    };
    let function = json!({"type": "function", "name": "look"});
    for (choice, expected) in [
        (ToolChoice::Auto, json!("auto")),
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (ToolChoice::Named("look".into()), function.clone()),
        (
            ToolChoice::Allowed {
                required: true,
                names: vec!["look".into()],
            },
            json!({"type": "allowed_tools", "mode": "required", "tools": [function]}),
        ),
    ] {
        let (body, _) = to_responses(&choose(choice));
        assert_eq!(body["tool_choice"], expected);
        assert_eq!(body["parallel_tool_calls"], true);
        let flat = json!({"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": false});
        assert_eq!(body["tools"], json!([flat]));
    }
}

#[test]
fn what_the_api_has_no_form_for_is_refused_by_name() {
    for (field, request) in [
        (
            "stop",
            Request {
                stop: vec!["x".into()],
                ..asking()
            },
        ),
        (
            "seed",
            Request {
                seed: Some(1),
                ..asking()
            },
        ),
        (
            "top_k",
            Request {
                top_k: Some(1),
                ..asking()
            },
        ),
        ("n", Request { n: 2, ..asking() }),
        (
            "presence_penalty",
            Request {
                presence_penalty: Some(Number::from(1)),
                ..asking()
            },
        ),
        (
            "frequency_penalty",
            Request {
                frequency_penalty: Some(Number::from(1)),
                ..asking()
            },
        ),
        ("messages", conversation(vec![])),
    ] {
        assert_eq!(refused(encode(&request, &TO)), field);
    }
}

#[test]
fn a_count_asks_for_nothing_but_what_is_read() {
    let request = Request {
        system: vec![plain("Be brief.")],
        tools: vec![tool("look")],
        max_output_tokens: Some(1),
        seed: Some(1),
        stop: vec!["x".into()],
        stream: true,
        user: Some("u".into()),
        ..asking()
    };
    let (body, noted) = read(count::encode(&request, &TO).unwrap());
    let mut fields: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["input", "instructions", "model", "tools"]);
    assert!(noted.is_empty(), "{noted:?}");
}

#[test]
fn a_count_is_read() {
    for (body, count) in [
        (
            r#"{"input_tokens": 51, "object": "response.input_tokens"}"#,
            Some(51),
        ),
        (r#"{"input_tokens": -1}"#, None),
        (r#"{"input_tokens": 9007199254740993}"#, None),
        (r#"{"object": "response.input_tokens"}"#, None),
        ("[]", None),
    ] {
        assert_eq!(count::read(body.as_bytes()), count, "{body}");
    }
}
