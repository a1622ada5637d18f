//! Requests, byte for byte and field by field.

use lattice_dialects::canonical::{
    Cache, Effort, Format, Maker, Part, Reasoning, Request, Role, Schema, Source, Target, Text,
    Tool, ToolChoice,
};
use proptest::prelude::*;
use serde_json::{Number, Value, json};

use super::*;
use crate::support::json_text;

const OLDEST: &str = "claude-3-opus-20240229";
const BUDGET: &str = "claude-sonnet-4-5";
const ADAPTIVE: &str = "claude-opus-4-6";
const SYSTEM: &str = "claude-opus-4-8";
const NEW: &str = "claude-fable-5-1";

#[test]
fn a_request_with_everything_is_written_in_order() {
    let request = Request {
        system: vec![plain("Be brief.")],
        turns: vec![
            user("What is in it?"),
            turn(
                Role::Assistant,
                vec![
                    thought(Maker::Anthropic, "hm\n\"x\"", Some("sig==")),
                    call("toolu_1", r#"{ "path": "\u0061" }"#),
                ],
            ),
            turn(
                Role::User,
                vec![text("go on"), result("toolu_1", vec![text("é")])],
            ),
        ],
        tools: vec![Tool {
            description: Some("Looks.".into()),
            strict: Some(true),
            ..tool("look", Some(r#"{"type": "object","properties":{}}"#))
        }],
        tool_choice: Some(ToolChoice::Auto),
        parallel_tool_calls: Some(false),
        effort: Some(Effort::Low),
        stop: vec!["END".into()],
        format: Format::JsonSchema(Schema {
            name: "answer".into(),
            schema: raw(r#"{"type":"object" }"#),
            strict: Some(true),
        }),
        user: Some("u-1".into()),
        stream: true,
        ..asking()
    };
    let encoded = sent(BUDGET, &request);
    let expected = concat!(
        r#"{"model":"claude-sonnet-4-5","max_tokens":8000,"stream":true,"system":"Be brief.","messages":["#,
        r#"{"role":"user","content":"What is in it?"},"#,
        r#"{"role":"assistant","content":[{"type":"thinking","thinking":"hm\n\"x\"","signature":"sig=="},"#,
        r#"{"type":"tool_use","id":"toolu_1","name":"look","input":{ "path": "\u0061" }}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"é"},{"type":"text","text":"go on"}]}],"#,
        r#""tools":[{"name":"look","description":"Looks.","input_schema":{"type": "object","properties":{}},"strict":true}],"#,
        r#""tool_choice":{"type":"auto","disable_parallel_tool_use":true},"#,
        r#""thinking":{"type":"enabled","budget_tokens":1024},"#,
        r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object" }}},"#,
        r#""stop_sequences":["END"],"metadata":{"user_id":"u-1"}}"#,
    );
    assert_eq!(std::str::from_utf8(&encoded.body).unwrap(), expected);
    assert_eq!(
        encoded.noted,
        [
            "reasoning_effort: 1024 tokens",
            "response_format.json_schema.name"
        ]
    );
}

#[test]
fn a_cap_is_the_targets_then_the_callers_then_one_that_the_model_takes() {
    let mut request = asking();
    let capped = Target {
        model: BUDGET,
        output_cap: Some(77),
    };
    let encoded = encode(&request, &capped).unwrap();
    assert_eq!(body(&encoded)["max_tokens"], 77);
    assert!(encoded.noted.is_empty());
    assert_eq!(body(&sent(BUDGET, &request))["max_tokens"], 8000);
    request.max_output_tokens = None;
    let encoded = sent(BUDGET, &request);
    assert_eq!(body(&encoded)["max_tokens"], 32_000);
    assert_eq!(encoded.noted, ["max_tokens: 32000"]);
    let old = sent("claude-3-opus-20240229", &request);
    assert_eq!(body(&old)["max_tokens"], 4096);
    // Whoever sets the target's cap says so.
    let encoded = encode(&request, &capped).unwrap();
    assert!(encoded.noted.is_empty());
}

#[test]
fn system_texts_keep_their_blocks_where_there_is_more_to_them() {
    let marked = |cache| Text {
        cache: Some(cache),
        ..plain("b")
    };
    let ephemeral = json!({"type": "ephemeral"});
    let cases = [
        (vec![], Value::Null, vec![]),
        (vec![plain(" \n")], Value::Null, vec![]),
        (vec![plain("a"), plain("")], json!("a"), vec![]),
        (
            vec![plain("a"), plain("b")],
            json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
            vec![],
        ),
        (
            vec![marked(Cache::FiveMinutes)],
            json!([{"type": "text", "text": "b", "cache_control": ephemeral}]),
            vec![],
        ),
        (
            vec![marked(Cache::OneHour), marked(Cache::OneHour)],
            json!([
                {"type": "text", "text": "b", "cache_control": ephemeral},
                {"type": "text", "text": "b", "cache_control": ephemeral},
            ]),
            vec!["cache_control.ttl: 5m"],
        ),
    ];
    for (system, expected, noted) in cases {
        let encoded = sent(BUDGET, &Request { system, ..asking() });
        assert_eq!(body(&encoded)["system"], expected);
        assert_eq!(encoded.noted, noted);
    }
}

fn messages(model: &str, turns: Vec<Turn<'static>>) -> (Value, Vec<String>) {
    let encoded = sent(model, &conversation(turns));
    (body(&encoded)["messages"].clone(), encoded.noted)
}

#[test]
fn system_text_in_the_middle_is_native_where_the_model_and_the_place_allow_it() {
    let system = || turn(Role::System, vec![text("Rhyme.")]);
    let wrapped = json!({"type": "text", "text": "<system>\nRhyme.\n</system>"});
    let noted = ["messages.role: system text sent in a user message"];

    let (native, notes) = messages(SYSTEM, vec![user("a"), system(), assistant("b"), user("c")]);
    assert_eq!(native[1], json!({"role": "system", "content": "Rhyme."}));
    assert!(notes.is_empty());

    for model in [ADAPTIVE, "claude-sonnet-5"] {
        let (sent, notes) = messages(model, vec![user("a"), system(), assistant("b"), user("c")]);
        let a = json!({"type": "text", "text": "a"});
        assert_eq!(sent[0], json!({"role": "user", "content": [a, wrapped]}));
        assert_eq!(sent.as_array().unwrap().len(), 3);
        assert_eq!(notes, noted);
    }
    for misplaced in [
        vec![user("a"), assistant("b"), system()],
        vec![user("a"), assistant("b"), system(), user("c")],
        vec![user("a"), system(), user("c")],
        vec![system(), user("c")],
    ] {
        let (sent, notes) = messages(SYSTEM, misplaced);
        assert!(sent.to_string().contains(&wrapped.to_string()), "{sent}");
        assert_eq!(notes, noted);
    }
}

#[test]
fn turns_of_one_role_become_one_and_blank_texts_go() {
    let (sent, noted) = messages(
        BUDGET,
        vec![
            user("a"),
            turn(Role::User, vec![text("\n"), text("b")]),
            assistant("c"),
            assistant("d"),
            user("e"),
        ],
    );
    let block = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(
        sent,
        json!([
            {"role": "user", "content": [block("a"), block("b")]},
            {"role": "assistant", "content": [block("c"), block("d")]},
            {"role": "user", "content": "e"},
        ])
    );
    assert!(noted.is_empty());
}

#[test]
fn a_conversation_may_begin_with_the_assistant_and_end_with_it_where_it_is_carried_on() {
    let turns = || vec![assistant("Ask me."), user("a"), assistant("It is")];
    let (sent, _) = messages(BUDGET, turns());
    assert_eq!(sent[2], json!({"role": "assistant", "content": "It is"}));
    assert_eq!(refused(ADAPTIVE, &conversation(turns())).field, "messages");
}

#[test]
fn results_are_answered_in_one_turn_before_all_else() {
    let image = || base64("image/png", "aGk=");
    let (sent, _) = messages(
        BUDGET,
        vec![
            user("a"),
            turn(
                Role::Assistant,
                vec![text("b"), call("1.a", ""), call("2", "{}")],
            ),
            turn(Role::System, vec![text("s")]),
            turn(
                Role::User,
                vec![
                    result("2", vec![text("x"), image()]),
                    text("c"),
                    result("1.a", vec![text("")]),
                ],
            ),
        ],
    );
    let calls = &sent[1]["content"];
    assert_eq!(
        calls[1],
        json!({"type": "tool_use", "id": "lattice_1_2ea", "name": "look", "input": {}})
    );
    assert_eq!(
        calls[2],
        json!({"type": "tool_use", "id": "2", "name": "look", "input": {}})
    );
    let source = json!({"type": "base64", "media_type": "image/png", "data": "aGk="});
    assert_eq!(
        sent[2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": "2", "content": [
                {"type": "text", "text": "x"},
                {"type": "image", "source": source},
            ]},
            {"type": "tool_result", "tool_use_id": "lattice_1_2ea"},
            {"type": "text", "text": "<system>\ns\n</system>"},
            {"type": "text", "text": "c"},
        ])
    );
}

#[test]
fn claudes_own_thoughts_go_back_as_they_came_and_no_others() {
    let redacted = Part::Reasoning(Reasoning {
        text: "".into(),
        signature: None,
        encrypted: Some("ENC".into()),
        id: None,
        maker: Maker::Anthropic,
    });
    let turns = vec![
        user("a"),
        turn(
            Role::Assistant,
            vec![
                thought(Maker::Anthropic, "", Some("s1")),
                redacted,
                text("b"),
                thought(Maker::Anthropic, " t ", Some("s2")),
                thought(Maker::Gemini, "g", Some("s3")),
                thought(Maker::Unknown, "u", None),
                thought(Maker::Anthropic, "unsigned", None),
                call("1", "{}"),
            ],
        ),
        turn(Role::User, vec![result("1", vec![text("r")])]),
    ];
    let (sent, noted) = messages(ADAPTIVE, turns.clone());
    assert_eq!(
        sent[1]["content"],
        json!([
            {"type": "thinking", "thinking": "", "signature": "s1"},
            {"type": "redacted_thinking", "data": "ENC"},
            {"type": "text", "text": "b"},
            {"type": "thinking", "thinking": " t ", "signature": "s2"},
            {"type": "tool_use", "id": "1", "name": "look", "input": {}},
        ])
    );
    assert_eq!(noted, ["reasoning_details"]);
    let (sent, noted) = messages(OLDEST, turns);
    assert_eq!(sent[1]["content"].as_array().unwrap().len(), 2);
    assert_eq!(noted, ["reasoning_details"]);
}

#[test]
fn media_are_images_or_documents() {
    let url = |url: &'static str| media(Source::Url(url.into()));
    let source = |kind: &str, data: &str| json!({"type": kind, "media_type": "application/pdf", "data": data});
    let cases = [
        (
            base64("IMAGE/JPEG; q=1", "aGk="),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "aGk="}}),
        ),
        (
            base64("application/pdf", "aGk="),
            json!({"type": "document", "title": "notes", "source": source("base64", "aGk=")}),
        ),
        (
            base64("text/plain; charset=utf-8", "aGnDqQ=="),
            json!({"type": "document", "title": "notes", "source": {"type": "text", "media_type": "text/plain", "data": "hié"}}),
        ),
        (
            url("https://x.test/a.png?b.pdf"),
            json!({"type": "image", "source": {"type": "url", "url": "https://x.test/a.png?b.pdf"}}),
        ),
        (
            url("https://x.test/A.PDF#page=2"),
            json!({"type": "document", "title": "notes", "source": {"type": "url", "url": "https://x.test/A.PDF#page=2"}}),
        ),
    ];
    for (part, expected) in cases {
        let (sent, _) = messages(BUDGET, vec![turn(Role::User, vec![part])]);
        assert_eq!(sent[0]["content"], json!([expected]));
    }
}

#[test]
fn schemas_say_that_arguments_are_an_object() {
    for (parameters, expected) in [
        (None, json!({"type": "object"})),
        (Some("{}"), json!({"type": "object"})),
        (
            Some(r#"{ "properties": {} }"#),
            json!({"type": "object", "properties": {}}),
        ),
        (
            Some(r#"{"type":["object","null"]}"#),
            json!({"type": ["object", "null"]}),
        ),
    ] {
        let tools = vec![tool("look", parameters)];
        let encoded = sent(NEW, &Request { tools, ..asking() });
        assert_eq!(
            body(&encoded)["tools"],
            json!([{"name": "look", "input_schema": expected}])
        );
    }
    let strict = |strict| Request {
        tools: vec![Tool {
            strict: Some(strict),
            cache: Some(Cache::FiveMinutes),
            ..tool("look", None)
        }],
        ..asking()
    };
    let encoded = sent(NEW, &strict(false));
    assert_eq!(body(&encoded)["tools"][0]["strict"], false);
    assert_eq!(
        body(&encoded)["tools"][0]["cache_control"]["type"],
        "ephemeral"
    );
    let encoded = sent(OLDEST, &strict(true));
    assert_eq!(body(&encoded)["tools"][0]["strict"], Value::Null);
    assert_eq!(encoded.noted, ["tools.function.strict"]);
    assert!(sent(OLDEST, &strict(false)).noted.is_empty());
}

#[test]
fn tool_choices_are_carried_over() {
    let named = || Some(ToolChoice::Named("b".into()));
    let some = |required| {
        let names = vec!["b".into()];
        Some(ToolChoice::Allowed { required, names })
    };
    let cases = [
        (None, None, Value::Null),
        (None, Some(true), Value::Null),
        (
            None,
            Some(false),
            json!({"type": "auto", "disable_parallel_tool_use": true}),
        ),
        (Some(ToolChoice::Auto), None, json!({"type": "auto"})),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"})),
        (Some(ToolChoice::Required), None, json!({"type": "any"})),
        (
            named(),
            Some(false),
            json!({"type": "tool", "name": "b", "disable_parallel_tool_use": true}),
        ),
        (some(false), None, json!({"type": "auto"})),
        (some(true), None, json!({"type": "any"})),
    ];
    for (tool_choice, parallel_tool_calls, expected) in cases {
        let filtered = matches!(tool_choice, Some(ToolChoice::Allowed { .. }));
        let request = Request {
            tools: vec![tool("a", None), tool("b", None)],
            tool_choice,
            parallel_tool_calls,
            ..asking()
        };
        let encoded = sent(BUDGET, &request);
        let body = body(&encoded);
        assert_eq!(body["tool_choice"], expected);
        let names: Vec<&Value> = body["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["name"])
            .collect();
        assert_eq!(names == ["b"], filtered);
        assert_eq!(encoded.noted.len(), usize::from(filtered));
    }
    let request = Request {
        tool_choice: Some(ToolChoice::None),
        parallel_tool_calls: Some(false),
        ..asking()
    };
    assert_eq!(body(&sent(BUDGET, &request))["tool_choice"], Value::Null);
}

#[test]
fn efforts_are_told_as_each_model_knows_them() {
    use Effort::{ExtraHigh, High, Low, Max, Medium, Minimal};
    let adaptive = |effort: &str| (json!({"type": "adaptive"}), json!({"effort": effort}));
    let budget = |tokens: u64| {
        (
            json!({"type": "enabled", "budget_tokens": tokens}),
            Value::Null,
        )
    };
    let kind = |kind: &str| (json!({"type": kind}), Value::Null);
    let nothing = || (Value::Null, Value::Null);
    let cases = [
        (OLDEST, Effort::None, nothing(), ""),
        (OLDEST, High, nothing(), "reasoning_effort"),
        (BUDGET, Effort::None, nothing(), ""),
        (
            BUDGET,
            Minimal,
            budget(1024),
            "reasoning_effort: 1024 tokens",
        ),
        (
            BUDGET,
            Medium,
            budget(4096),
            "reasoning_effort: 4096 tokens",
        ),
        (
            BUDGET,
            High,
            budget(10_000),
            "reasoning_effort: 10000 tokens",
        ),
        (ADAPTIVE, Effort::None, nothing(), ""),
        (ADAPTIVE, Minimal, adaptive("low"), "reasoning_effort: low"),
        (ADAPTIVE, Low, adaptive("low"), ""),
        (
            ADAPTIVE,
            ExtraHigh,
            adaptive("high"),
            "reasoning_effort: high",
        ),
        (ADAPTIVE, Max, adaptive("max"), ""),
        ("claude-opus-4-7", Effort::None, nothing(), ""),
        ("claude-opus-4-7", ExtraHigh, adaptive("xhigh"), ""),
        ("claude-opus-5", Effort::None, kind("disabled"), ""),
        ("claude-sonnet-5-5", Effort::None, kind("between_tools"), ""),
        ("claude-sonnet-5-5", Medium, adaptive("medium"), ""),
        (NEW, Effort::None, adaptive("low"), "reasoning_effort: low"),
        ("something-else", Max, adaptive("max"), ""),
    ];
    for (model, effort, (thinking, output), noted) in cases {
        let request = Request {
            effort: Some(effort),
            max_output_tokens: Some(20_000),
            ..asking()
        };
        let encoded = sent(model, &request);
        let body = body(&encoded);
        assert_eq!(body["thinking"], thinking, "{model} {effort:?}");
        assert_eq!(body["output_config"], output, "{model} {effort:?}");
        assert_eq!(encoded.noted.concat(), noted, "{model} {effort:?}");
        assert!(!body.to_string().contains("display"));
    }
}

#[test]
fn a_budget_is_left_out_where_the_turn_that_goes_on_lost_its_thoughts() {
    let looped = |parts| Request {
        effort: Some(Effort::High),
        ..conversation(vec![
            user("a"),
            turn(Role::Assistant, parts),
            turn(Role::User, vec![result("1", vec![text("r")])]),
        ])
    };
    let lost = looped(vec![call("1", "{}")]);
    let kept = looped(vec![
        thought(Maker::Anthropic, "t", Some("s")),
        call("1", "{}"),
    ]);
    let encoded = sent(BUDGET, &lost);
    assert_eq!(body(&encoded)["thinking"], Value::Null);
    assert_eq!(encoded.noted, ["reasoning_effort"]);
    assert_eq!(
        body(&sent(BUDGET, &kept))["thinking"]["budget_tokens"],
        4000
    );
    assert_eq!(body(&sent(ADAPTIVE, &lost))["thinking"]["type"], "adaptive");
}

#[test]
fn sampling_is_carried_where_it_may_be_and_one_is_what_claude_does_anyway() {
    let number = |value: f64| Number::from_f64(value);
    let sampled = Request {
        temperature: number(0.2),
        top_p: number(0.9),
        top_k: Some(4),
        presence_penalty: number(0.0),
        seed: Some(-1),
        ..asking()
    };
    let encoded = sent(ADAPTIVE, &sampled);
    let body_ = body(&encoded);
    assert_eq!(
        [&body_["temperature"], &body_["top_p"], &body_["top_k"]],
        [&json!(0.2), &json!(0.9), &json!(4)]
    );
    assert_eq!(encoded.noted, ["seed"]);

    let default = Request {
        temperature: Some(1.into()),
        top_p: number(1.0),
        effort: Some(Effort::High),
        ..asking()
    };
    for model in [BUDGET, ADAPTIVE, NEW] {
        let body = body(&sent(model, &default));
        assert_eq!([&body["temperature"], &body["top_p"]], [&Value::Null; 2]);
    }
}

#[test]
fn what_the_reader_left_out_is_noted_once() {
    let request = Request {
        dropped: vec!["store".into(), "metadata".into(), "store".into()],
        ..asking()
    };
    assert_eq!(sent(NEW, &request).noted, ["store", "metadata"]);
}

proptest! {
    #[test]
    fn whatever_is_asked_is_refused_or_valid(
        said in any::<String>(),
        id in any::<String>(),
        arguments in prop_oneof![json_text(), any::<String>()],
        media_type in prop_oneof![Just("text/plain".to_owned()), any::<String>()],
        data in prop_oneof!["[A-Za-z0-9+/]{0,12}={0,2}", any::<String>()],
        model in prop_oneof![Just(NEW.to_owned()), Just(BUDGET.to_owned()), any::<String>()],
    ) {
        let call = Part::ToolCall(ToolCall {
            id: id.clone().into(),
            name: "look".into(),
            arguments: arguments.into(),
            signature: None,
        });
        let document = Part::Media(Media {
            source: Source::Base64 { media_type: media_type.into(), data: data.clone().into() },
            field: "f",
            name: Some(data.clone().into()),
            cache: None,
        });
        let link = Part::Media(Media {
            source: Source::Url(format!("https://{data}").into()),
            field: "f",
            name: None,
            cache: None,
        });
        let results = |more| {
            let answer = ToolResult { id: id.clone().into(), content: vec![text("r")], is_error: false };
            turn(Role::User, vec![link.clone(), Part::ToolResult(answer), more])
        };
        for more in [text("b"), document] {
            let request = conversation(vec![
                turn(Role::User, vec![Part::Text(Text { text: said.clone().into(), cache: None }), text("a")]),
                turn(Role::Assistant, vec![call.clone()]),
                results(more),
            ]);
            let Ok(encoded) = encode(&request, &to(&model)) else { continue };
            let sent = body(&encoded);
            prop_assert_eq!(sent["model"].as_str(), Some(&*model));
            if !said.trim().is_empty() {
                prop_assert_eq!(sent["messages"][0]["content"][0]["text"].as_str(), Some(&*said));
            }
            let used = &sent["messages"][1]["content"][0];
            prop_assert!(used["input"].is_object());
            prop_assert_eq!(&used["id"], &sent["messages"][2]["content"][0]["tool_use_id"]);
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            prop_assert!(used["id"].as_str().unwrap().bytes().all(fits));
        }
    }
}
