//! Chat bodies, field by field.

use lattice_dialects::canonical::{
    Cache, Effort, Format, Maker, Request, Role, Schema, Target, ToolChoice, ToolResult,
};
use lattice_dialects::canonical::{Part, Tool};
use lattice_dialects::openai::chat::{Server, encode};
use serde_json::{Number, Value, json};

use super::*;

const SERVERS: [Server; 4] = [
    Server::OpenAi,
    Server::Compatible,
    Server::Strict,
    Server::Mistral,
];

/// One field on its way to each of [`SERVERS`]: its value there, or `Null`.
fn sends(request: &Asking, fields: [&str; 4]) -> [Value; 4] {
    let mut told = SERVERS.map(|_| Value::Null);
    for ((server, field), told) in SERVERS.into_iter().zip(fields).zip(&mut told) {
        *told = to_chat(request, server).0[field].clone();
    }
    told
}

#[test]
fn each_server_gets_the_names_that_it_knows() {
    let request = Request {
        max_output_tokens: Some(100),
        seed: Some(-7),
        user: Some("u-1".into()),
        stream: true,
        tools: vec![tool("look")],
        tool_choice: Some(ToolChoice::Required),
        ..asking()
    };
    let caps = [
        "max_completion_tokens",
        "max_tokens",
        "max_tokens",
        "max_tokens",
    ];
    assert_eq!(sends(&request, caps), [100, 100, 100, 100].map(Value::from));
    let seeds = ["seed", "seed", "seed", "random_seed"];
    assert_eq!(sends(&request, seeds), [-7, -7, -7, -7].map(Value::from));
    let users = ["safety_identifier", "user", "user", "user"];
    assert_eq!(
        sends(&request, users),
        [json!("u-1"), json!("u-1"), json!("u-1"), Value::Null]
    );
    let usage = json!({"include_usage": true});
    assert_eq!(
        sends(&request, ["stream_options"; 4]),
        [usage.clone(), usage.clone(), usage, Value::Null]
    );
    assert_eq!(
        sends(&request, ["tool_choice"; 4]),
        ["required", "required", "required", "any"].map(Value::from)
    );
    assert_eq!(to_chat(&request, Server::Mistral).1, ["user"]);
}

#[test]
fn the_targets_cap_takes_the_place_of_the_callers() {
    let request = Request {
        max_output_tokens: Some(100),
        ..asking()
    };
    let to = Target {
        output_cap: Some(7),
        ..TO
    };
    let (body, _) = read(encode(&request, &to, Server::OpenAi).unwrap());
    assert_eq!(body["max_completion_tokens"], 7);
    assert_eq!(body["model"], "gpt-5");
    assert_eq!(
        to_chat(&asking(), Server::OpenAi)
            .0
            .as_object()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn sampling_is_sent_as_it_was_spelled() {
    let number = |text: &str| Some(serde_json::from_str::<Number>(text).unwrap());
    let request = Request {
        temperature: number("0.10"),
        top_p: number("1"),
        presence_penalty: number("-2"),
        frequency_penalty: number("0"),
        n: 3,
        stop: vec!["a".into(), "\n".into()],
        ..asking()
    };
    for server in SERVERS {
        let encoded = encode(&request, &TO, server).unwrap();
        let (body, noted) = read(encoded);
        assert_eq!(body["temperature"], 0.1);
        assert_eq!(body["top_p"], 1);
        assert_eq!(body["presence_penalty"], -2);
        assert_eq!(body["frequency_penalty"], 0);
        assert_eq!(body["n"], 3);
        assert_eq!(body["stop"], json!(["a", "\n"]));
        assert!(noted.is_empty(), "{noted:?}");
    }
}

#[test]
fn top_k_goes_only_where_it_may_be_known() {
    let request = Request {
        top_k: Some(40),
        ..asking()
    };
    let (body, noted) = to_chat(&request, Server::Compatible);
    assert_eq!(body["top_k"], 40);
    assert_eq!(noted, ["top_k: sent; the server may not know it"]);
    for server in [Server::OpenAi, Server::Strict, Server::Mistral] {
        assert_eq!(refused(encode(&request, &TO, server)), "top_k");
    }
}

#[test]
fn an_effort_is_noted_where_it_may_not_be_known() {
    let request = Request {
        effort: Some(Effort::ExtraHigh),
        thinking_budget: Some(32_000),
        show_thoughts: Some(true),
        ..asking()
    };
    let budget = "thinking_budget: reasoning_effort is xhigh";
    let (body, noted) = to_chat(&request, Server::OpenAi);
    assert_eq!(body["reasoning_effort"], "xhigh");
    assert_eq!(noted, [budget, "show_thoughts"]);
    let (body, noted) = to_chat(&request, Server::Compatible);
    assert_eq!(body["reasoning_effort"], "xhigh");
    let effort = "reasoning_effort: sent; the server may not know it";
    assert_eq!(noted, [budget, effort]);
}

#[test]
fn a_name_of_a_user_that_openai_refuses_is_left_out() {
    for (length, notes) in [(128, 0), (129, 1)] {
        let request = Request {
            user: Some("é".repeat(length).into()),
            ..asking()
        };
        for server in [Server::OpenAi, Server::Compatible] {
            let (_, noted) = to_chat(&request, server);
            assert_eq!(noted.len(), notes, "{noted:?}");
        }
        assert_eq!(to_responses(&request).1.len(), notes);
    }
}

#[test]
fn a_turn_with_results_is_one_message_for_each_and_one_for_the_rest() {
    let request = Request {
        system: vec![plain("Be brief."), plain("Be kind.")],
        ..conversation(vec![
            turn(Role::User, vec![text("What?"), text("Now.")]),
            turn(
                Role::Assistant,
                vec![text("Let me see."), call("a", ""), call("b", r#"{"x":1}"#)],
            ),
            turn(
                Role::User,
                vec![
                    text("Well?"),
                    result("b", vec![text("1"), text("2")]),
                    result("a", vec![]),
                ],
            ),
            turn(Role::System, vec![text("Hurry.")]),
            turn(Role::Assistant, vec![call("c", "{}")]),
        ])
    };
    let function = |id, arguments| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}});
    let part = |text| json!({"type": "text", "text": text});
    let (body, noted) = to_chat(&request, Server::OpenAi);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": [part("Be brief."), part("Be kind.")]},
            {"role": "user", "content": [part("What?"), part("Now.")]},
            {"role": "assistant", "content": "Let me see.",
             "tool_calls": [function("a", "{}"), function("b", r#"{"x":1}"#)]},
            {"role": "tool", "tool_call_id": "b", "content": [part("1"), part("2")]},
            {"role": "tool", "tool_call_id": "a", "content": ""},
            {"role": "user", "content": "Well?"},
            {"role": "system", "content": "Hurry."},
            {"role": "assistant", "content": null, "tool_calls": [function("c", "{}")]},
        ])
    );
    assert!(noted.is_empty(), "{noted:?}");
}

#[test]
fn what_chat_has_no_form_for_is_noted() {
    let failed = Part::ToolResult(ToolResult {
        id: "a".into(),
        content: vec![text("no such file")],
        is_error: true,
    });
    let cached = Part::Text(Text {
        cache: Some(Cache::FiveMinutes),
        ..plain("Hi")
    });
    let request = Request {
        dropped: vec!["metadata".into()],
        ..conversation(vec![
            turn(Role::User, vec![cached]),
            turn(Role::Assistant, vec![call("a", "{}"), text("Done.")]),
            turn(Role::User, vec![failed]),
        ])
    };
    let (body, noted) = to_chat(&request, Server::Compatible);
    assert_eq!(
        noted,
        [
            "metadata",
            "cache_control",
            "messages.content: text was sent before the tool calls",
            "messages.content.is_error",
        ]
    );
    assert_eq!(body["messages"][2]["content"], "no such file");
}

#[test]
fn unsigned_thoughts_go_back_to_servers_that_take_them() {
    let said = |maker| {
        conversation(vec![
            turn(Role::User, vec![text("Hi")]),
            turn(
                Role::Assistant,
                vec![
                    thought(maker, "one", None),
                    thought(maker, "two", None),
                    text("Yo"),
                ],
            ),
            turn(Role::User, vec![text("And?")]),
        ])
    };
    let (body, noted) = to_chat(&said(Maker::Unknown), Server::Compatible);
    assert_eq!(body["messages"][1]["reasoning_content"], "one\n\ntwo");
    assert!(noted.is_empty(), "{noted:?}");
    for (maker, server) in [
        (Maker::Unknown, Server::OpenAi),
        (Maker::Unknown, Server::Strict),
        (Maker::Anthropic, Server::Compatible),
        (Maker::OpenAi, Server::OpenAi),
    ] {
        let (body, noted) = to_chat(&said(maker), server);
        let answer = json!({"role": "assistant", "content": "Yo"});
        assert_eq!(body["messages"][1], answer);
        assert_eq!(noted, ["reasoning_details"]);
    }
}

#[test]
fn a_turn_of_nothing_but_foreign_thoughts_is_left_out() {
    let request = conversation(vec![
        turn(Role::User, vec![text("Hi")]),
        turn(Role::Assistant, vec![thought(Maker::Gemini, "hm", None)]),
        turn(Role::User, vec![text("And?")]),
    ]);
    let unsigned = conversation(vec![
        turn(Role::User, vec![text("Hi")]),
        turn(Role::Assistant, vec![thought(Maker::Unknown, "hm", None)]),
        turn(Role::User, vec![text("And?")]),
    ]);
    for (request, server) in [(&request, Server::OpenAi), (&unsigned, Server::Compatible)] {
        let (body, noted) = to_chat(request, server);
        assert_eq!(body["messages"].as_array().unwrap().len(), 2);
        assert_eq!(noted, ["reasoning_details"]);
    }
    let alone = conversation(vec![turn(
        Role::Assistant,
        vec![thought(Maker::Gemini, "hm", None)],
    )]);
    assert_eq!(refused(encode(&alone, &TO, Server::OpenAi)), "messages");
}

#[test]
fn ids_that_a_server_refuses_are_spelled_anew_alike_in_call_and_result() {
    let long: &'static str = Box::leak("x".repeat(65).into_boxed_str());
    let fits: &'static str = &long[..64];
    let request = conversation(vec![
        turn(Role::User, vec![text("Hi")]),
        turn(
            Role::Assistant,
            vec![call(long, "{}"), call("call_lat_0", "{}"), call(fits, "{}")],
        ),
        turn(
            Role::User,
            vec![
                result(long, vec![]),
                result("call_lat_0", vec![]),
                result(fits, vec![]),
            ],
        ),
    ]);
    for (server, expected) in [
        (Server::OpenAi, ["call_lat_1", "call_lat_0", fits]),
        (Server::Mistral, ["L00000000", "L00000001", "L00000002"]),
    ] {
        let (body, _) = to_chat(&request, server);
        for (index, id) in expected.into_iter().enumerate() {
            assert_eq!(body["messages"][1]["tool_calls"][index]["id"], id);
            assert_eq!(body["messages"][2 + index]["tool_call_id"], id);
        }
    }
    let (body, _) = to_responses(&request);
    assert_eq!(body["input"][1]["call_id"], "call_lat_1");
    assert_eq!(body["input"][4]["call_id"], "call_lat_1");
}

#[test]
fn tools_are_sent_in_the_servers_form() {
    let bare = Tool {
        parameters: None,
        description: Some("Looks.".into()),
        strict: Some(true),
        ..tool("look")
    };
    let request = Request {
        tools: vec![bare],
        parallel_tool_calls: Some(false),
        ..asking()
    };
    let (body, _) = to_chat(&request, Server::OpenAi);
    let function = json!({"name": "look", "description": "Looks.", "strict": true});
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "function": function}])
    );
    assert_eq!(body["parallel_tool_calls"], false);
    assert_eq!(body.get("tool_choice"), None);
    let (body, _) = to_chat(&request, Server::Compatible);
    let nothing = json!({"type": "object", "properties": {}});
    assert_eq!(body["tools"][0]["function"]["parameters"], nothing);
    // Servers refuse these where there are no tools.
    let request = Request {
        tools: vec![],
        tool_choice: Some(ToolChoice::Auto),
        ..request
    };
    assert_eq!(
        to_chat(&request, Server::OpenAi)
            .0
            .as_object()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_choice_that_a_server_does_not_know_becomes_fewer_tools() {
    let choose = |choice| Request {
        tools: vec![tool("a"), tool("b"), tool("c")],
        tool_choice: Some(choice),
        ..asking()
    };
    let named = choose(ToolChoice::Named("b".into()));
    let some = choose(ToolChoice::Allowed {
        required: false,
        names: vec!["c".into(), "a".into()],
    });
    let function = |name| json!({"type": "function", "function": {"name": name}});
    let allowed = json!({"type": "allowed_tools", "allowed_tools":
        {"mode": "auto", "tools": [function("c"), function("a")]}});
    let note = "tool_choice: only the allowed tools were sent";
    for (request, server, tools, choice) in [
        (&named, Server::OpenAi, "abc", function("b")),
        (&named, Server::Compatible, "b", json!("required")),
        (&named, Server::Strict, "abc", function("b")),
        (&some, Server::OpenAi, "abc", allowed),
        (&some, Server::Compatible, "ac", json!("auto")),
        (&some, Server::Mistral, "ac", json!("auto")),
    ] {
        let (body, noted) = to_chat(request, server);
        let names = body["tools"].as_array().unwrap().iter();
        let names: String = names
            .map(|tool| tool["function"]["name"].as_str().unwrap())
            .collect();
        assert_eq!((names.as_str(), &body["tool_choice"]), (tools, &choice));
        assert_eq!(noted, if tools == "abc" { vec![] } else { vec![note] });
    }
}

#[test]
fn a_choice_that_cannot_be_met_is_refused() {
    let some = |names: Vec<&'static str>| ToolChoice::Allowed {
        required: true,
        names: names.into_iter().map(Into::into).collect(),
    };
    for (tools, choice) in [
        (vec![], ToolChoice::Required),
        (vec![], ToolChoice::Named("a".into())),
        (vec![tool("a")], ToolChoice::Named("b".into())),
        (vec![tool("a")], some(vec!["a", "b"])),
        (vec![tool("a")], some(vec![])),
    ] {
        let request = Request {
            tools,
            tool_choice: Some(choice),
            ..asking()
        };
        assert_eq!(
            refused(encode(&request, &TO, Server::OpenAi)),
            "tool_choice"
        );
        assert_eq!(refused(api::encode(&request, &TO)), "tool_choice");
    }
}

#[test]
fn the_shape_of_the_answer_has_a_name() {
    for (format, expected) in [
        (Format::JsonObject, json!({"type": "json_object"})),
        (
            Format::JsonSchema(Schema {
                name: "".into(),
                schema: raw(r#"{ "type":"object"}"#),
                strict: None,
            }),
            json!({"type": "json_schema", "json_schema": {"name": "response", "schema": {"type": "object"}}}),
        ),
        (
            Format::JsonSchema(Schema {
                name: "answer".into(),
                schema: raw("{}"),
                strict: Some(false),
            }),
            json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": {}, "strict": false}}),
        ),
    ] {
        let request = Request { format, ..asking() };
        assert_eq!(
            to_chat(&request, Server::OpenAi).0["response_format"],
            expected
        );
    }
}

#[test]
fn what_a_role_cannot_say_is_refused() {
    for wrong in [
        turn(Role::User, vec![call("a", "{}")]),
        turn(Role::User, vec![thought(Maker::OpenAi, "", Some("x"))]),
        turn(Role::Assistant, vec![result("a", vec![])]),
        turn(Role::Assistant, vec![linked("https://a.example/b.png")]),
        turn(Role::System, vec![linked("https://a.example/b.png")]),
        turn(Role::User, vec![result("a", vec![call("b", "{}")])]),
    ] {
        let request = conversation(vec![wrong]);
        assert_eq!(refused(encode(&request, &TO, Server::OpenAi)), "messages");
        assert_eq!(refused(api::encode(&request, &TO)), "messages");
    }
}
