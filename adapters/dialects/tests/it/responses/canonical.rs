//! A request in the canonical form: what becomes of each field, and what is refused.

use lattice_dialects::canonical::{
    Cache, Effort, Format, Maker, Part, Proves, Request, Role, Sealed, Source, ToolChoice,
};
use serde_json::{Value, json};

use super::request::parsed;

/// What a request that lacks only these members asks for.
fn with(members: &Value, check: impl Fn(&Request<'_>)) {
    let request = parsed(&body(members));
    match request.canonical() {
        Ok(request) => check(&request),
        Err(refused) => panic!("{members}: {refused}"),
    }
}

fn body(members: &Value) -> String {
    let mut body = json!({"model": "m", "input": "hi", "store": false});
    for (key, value) in members.as_object().unwrap() {
        body[key] = value.clone();
    }
    body.to_string()
}

/// A turn as one line.
fn turns(request: &Request<'_>) -> Vec<String> {
    let part = |part: &Part<'_>| match part {
        Part::Text(text) => text.text.to_string(),
        Part::Media(media) => match &media.source {
            Source::Base64 { media_type, data } => format!("{media_type}={data}"),
            Source::Url(url) => url.to_string(),
        },
        Part::Reasoning(it) => format!(
            "{:?}({},{:?},{:?},{:?})",
            it.maker, it.text, it.signature, it.encrypted, it.id
        ),
        Part::ToolCall(call) => {
            let signature = call.signature.as_ref().map(|it| format!("~{it}"));
            format!(
                "{}={}({}){}",
                call.id,
                call.name,
                call.arguments,
                signature.unwrap_or_default()
            )
        }
        Part::ToolResult(result) => format!("{}:{}", result.id, result.content.len()),
    };
    let turn = |turn: &lattice_dialects::canonical::Turn<'_>| {
        let parts: Vec<String> = turn.parts.iter().map(part).collect();
        format!("{:?} {}", turn.role, parts.join(" | "))
    };
    request.turns.iter().map(turn).collect()
}

#[test]
fn a_string_is_what_the_user_says() {
    with(&json!({"instructions": "be kind"}), |request| {
        assert_eq!(request.system[0].text, "be kind");
        assert_eq!(turns(request), ["User hi"]);
        assert_eq!(request.model, "m");
        assert!(request.dropped.is_empty(), "{:?}", request.dropped);
    });
}

#[test]
fn items_become_turns() {
    let input = json!([
        {"role": "developer", "content": "one"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "two"}]},
        {"role": "user", "content": [
            {"type": "input_text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
            {"type": "input_image", "image_url": "https://x/y"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,BB==", "filename": "f.pdf"},
            {"type": "input_file", "file_url": "https://x/Y.PDF?z"},
            {"type": "input_audio", "input_audio": {"data": "CC==", "format": "mp3"}},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}], "encrypted_content": "gAAA", "status": "completed"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}", "status": "completed", "caller": {"type": "direct"}},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "data:image/png;base64,AA=="}]},
        {"type": "function_call_output", "call_id": "c1", "output": "y"},
        {"role": "user", "content": "and?"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "so", "annotations": [], "logprobs": []}, {"type": "refusal", "refusal": "no"}]},
        {"role": "developer", "content": "later"},
        {"role": "assistant", "content": "done"},
    ]);
    with(
        &json!({"input": input, "instructions": "zero"}),
        |request| {
            let system: Vec<&str> = request.system.iter().map(|text| &*text.text).collect();
            assert_eq!(system, ["zero", "one", "two"]);
            assert_eq!(
                turns(request),
                [
                    "User look | image/png=AA== | https://x/y | application/pdf=BB== | https://x/Y.PDF?z | audio/mpeg=CC==",
                    "Assistant OpenAi(a\n\nb,None,Some(\"gAAA\"),Some(\"rs_1\")) | c1=f({\"a\":1}) | c2=g()",
                    "User c2:2 | c1:1 | and?",
                    "Assistant so | no",
                    "System later",
                    "Assistant done",
                ]
            );
            let Part::Text(look) = &request.turns[0].parts[0] else {
                panic!("no text")
            };
            assert_eq!(look.cache, Some(Cache::FiveMinutes));
            assert!(request.dropped.is_empty(), "{:?}", request.dropped);
        },
    );
}

#[test]
fn seals_are_thoughts_of_their_makers() {
    let seal = |maker, proves, id: Option<&str>, data: &str| {
        Sealed {
            maker,
            proves,
            id: id.map(str::to_owned),
            data: data.to_owned(),
        }
        .render()
    };
    let item = |text: &str, cipher: String| {
        let summary = json!([{"type": "summary_text", "text": text}]);
        let summary = if text.is_empty() { json!([]) } else { summary };
        json!({"type": "reasoning", "id": "rs_x_0", "summary": summary, "encrypted_content": cipher})
    };
    let input = json!([
        {"role": "user", "content": "hi"},
        item("hm", seal(Maker::Anthropic, Proves::Text, None, "sig")),
        item("", seal(Maker::Anthropic, Proves::Text, None, "sig2")),
        item("", seal(Maker::Anthropic, Proves::Cipher, None, "dark")),
        item("", seal(Maker::Gemini, Proves::Call, Some("c1"), "early")),
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
        item("", seal(Maker::Gemini, Proves::Call, Some("c2"), "late")),
        item("said", seal(Maker::Unknown, Proves::Text, None, "")),
    ]);
    with(&json!({"input": input}), |request| {
        assert_eq!(
            turns(request)[1],
            "Assistant Anthropic(hm,Some(\"sig\"),None,None) | Anthropic(,Some(\"sig2\"),None,None) | Anthropic(,None,Some(\"dark\"),None) | c1=f({})~early | c2=f({})~late | Unknown(said,None,None,None)"
        );
    });
}

#[test]
fn settings_are_carried() {
    let members = json!({
        "stream": true, "max_output_tokens": 77, "temperature": 0.5, "top_p": 0.25,
        "parallel_tool_calls": false, "user": "u", "safety_identifier": "s",
        "reasoning": {"effort": "xhigh", "summary": "auto", "context": "auto"},
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true, "defer_loading": false}],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": false}, "verbosity": "medium"},
        "include": ["reasoning.encrypted_content"],
        "truncation": "disabled",
        "background": false,
        "top_logprobs": 0,
    });
    with(&members, |request| {
        assert!(request.stream);
        assert_eq!((request.max_output_tokens, request.n), (Some(77), 1));
        assert_eq!(request.temperature.as_ref().unwrap().to_string(), "0.5");
        assert_eq!(request.top_p.as_ref().unwrap().to_string(), "0.25");
        assert_eq!(request.parallel_tool_calls, Some(false));
        assert_eq!(request.user.as_deref(), Some("s"));
        assert_eq!(request.effort, Some(Effort::ExtraHigh));
        assert_eq!(request.show_thoughts, Some(true));
        let tool = &request.tools[0];
        assert_eq!((&*tool.name, tool.description.as_deref()), ("f", Some("d")));
        assert_eq!(tool.strict, Some(true));
        assert_eq!(tool.parameters.unwrap().get(), r#"{"type":"object"}"#);
        let Some(ToolChoice::Allowed {
            required: true,
            names,
        }) = &request.tool_choice
        else {
            panic!("{:?}", request.tool_choice)
        };
        assert_eq!(names[..], ["f"]);
        let Format::JsonSchema(schema) = &request.format else {
            panic!("{:?}", request.format)
        };
        assert_eq!((&*schema.name, schema.strict), ("n", Some(false)));
        assert!(request.dropped.is_empty(), "{:?}", request.dropped);
    });
}

#[test]
fn thoughts_are_shown_where_a_summary_is_asked_for() {
    for (reasoning, shown) in [
        (json!({"effort": "low"}), None),
        (json!({"summary": null}), None),
        (json!({"summary": "concise"}), Some(true)),
        (json!({"generate_summary": "detailed"}), Some(true)),
    ] {
        with(&json!({"reasoning": reasoning}), |request| {
            assert_eq!(request.show_thoughts, shown, "{reasoning}");
        });
    }
}

#[test]
fn hints_are_dropped_and_named() {
    let cases = [
        (json!({"store": true}), "store"),
        (json!({"store": null}), "store"),
        (json!({"metadata": {"a": "b"}}), "metadata"),
        (json!({"prompt_cache_key": "k"}), "prompt_cache_key"),
        (
            json!({"prompt_cache_retention": "24h"}),
            "prompt_cache_retention",
        ),
        (
            json!({"prompt_cache_options": {"mode": "implicit"}}),
            "prompt_cache_options",
        ),
        (json!({"client_metadata": {"a": "b"}}), "client_metadata"),
        (json!({"service_tier": "flex"}), "service_tier"),
        (json!({"truncation": "auto"}), "truncation"),
        (json!({"max_tool_calls": 3}), "max_tool_calls"),
        (
            json!({"stream_options": {"include_obfuscation": false}}),
            "stream_options.include_obfuscation",
        ),
        (json!({"text": {"verbosity": "low"}}), "text.verbosity"),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "description": "d"}}}),
            "text.format.description",
        ),
        (
            json!({"reasoning": {"context": "all_turns"}}),
            "reasoning.context",
        ),
        (
            json!({"include": ["code_interpreter_call.outputs"]}),
            "include",
        ),
        (
            json!({"input": [{"role": "assistant", "content": "x", "phase": "commentary"}]}),
            "input.phase",
        ),
        (
            json!({"input": [{"role": "assistant", "content": [{"type": "output_text", "text": "x", "annotations": [{}]}]}]}),
            "input.content.annotations",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x/y", "detail": "high"}]}]}),
            "input.content.detail",
        ),
    ];
    for (members, hint) in cases {
        with(&members, |request| {
            assert_eq!(request.dropped, [hint], "{members}")
        });
    }
}

#[test]
fn what_has_no_form_elsewhere_is_refused_by_its_place() {
    let item = |item: Value| json!({"input": [{"role": "user", "content": "x"}, item]});
    let part = |part: Value| json!({"input": [{"role": "user", "content": [part]}]});
    let cases = [
        (
            json!({"previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
        (json!({"conversation": {"id": "c"}}), "conversation"),
        (json!({"prompt": {"id": "p"}}), "prompt"),
        (json!({"background": true}), "background"),
        (json!({"top_logprobs": 5}), "top_logprobs"),
        (
            json!({"include": ["message.output_text.logprobs"]}),
            "include",
        ),
        (json!({"moderation": {"model": "m"}}), "moderation"),
        (json!({"seed": 1}), "seed"),
        (json!({"stop": ["x"]}), "stop"),
        (json!({"reasoning": {"mode": "pro"}}), "reasoning.mode"),
        (json!({"reasoning": {"effort": "huge"}}), "reasoning.effort"),
        (json!({"reasoning": {"x": 1}}), "reasoning.x"),
        (json!({"input": []}), "input"),
        (
            item(json!({"type": "item_reference", "id": "msg_1"})),
            "input[1].type",
        ),
        (item(json!({"id": "msg_1"})), "input[1].type"),
        (
            item(json!({"type": "web_search_call", "id": "ws_1"})),
            "input[1].type",
        ),
        (
            item(json!({"type": "computer_call_output", "call_id": "c"})),
            "input[1].type",
        ),
        (item(json!({"type": "mcp_call"})), "input[1].type"),
        (item(json!({"type": "shell_call"})), "input[1].type"),
        (item(json!({"type": "custom_tool_call"})), "input[1].type"),
        (
            item(json!({"type": "additional_tools", "role": "developer", "tools": []})),
            "input[1].type",
        ),
        (
            item(json!({"type": "compaction", "encrypted_content": "x"})),
            "input[1].type",
        ),
        (
            item(json!({"type": "message", "content": "x"})),
            "input[1].role",
        ),
        (
            item(json!({"role": "critic", "content": "x"})),
            "input[1].role",
        ),
        (item(json!({"role": "user"})), "input[1].content"),
        (
            item(json!({"role": "user", "content": "x", "x": 1})),
            "input[1].x",
        ),
        (
            item(json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "[]"})),
            "input[1].arguments",
        ),
        (
            item(
                json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "n"}),
            ),
            "input[1].namespace",
        ),
        (
            item(
                json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "caller": {"type": "program", "caller_id": "p"}}),
            ),
            "input[1].caller.type",
        ),
        (
            item(json!({"type": "function_call_output", "call_id": "c", "output": "x"})),
            "input[1].call_id",
        ),
        (
            item(json!({"type": "reasoning", "summary": [{"type": "text", "text": "x"}]})),
            "input[1].summary[0].type",
        ),
        (
            part(json!({"type": "input_image", "file_id": "f"})),
            "input[0].content[0].file_id",
        ),
        (
            part(json!({"type": "input_image", "image_url": "file:///x"})),
            "input[0].content[0].image_url",
        ),
        (
            part(json!({"type": "input_file", "file_id": "f"})),
            "input[0].content[0].file_id",
        ),
        (
            part(json!({"type": "input_file", "file_url": "https://x/y.docx"})),
            "input[0].content[0].file_url",
        ),
        (
            part(json!({"type": "input_file", "file_data": "JVBERi0="})),
            "input[0].content[0].file_data",
        ),
        (
            part(json!({"type": "input_video"})),
            "input[0].content[0].type",
        ),
        (
            json!({"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "https://x/y"}]}]}),
            "input[0].content[0].type",
        ),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (
            json!({"tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}]}),
            "tools[1].type",
        ),
        (
            json!({"tools": [{"type": "namespace", "name": "n", "tools": []}]}),
            "tools[0].type",
        ),
        (
            json!({"tools": [{"type": "function", "name": "f", "defer_loading": true}]}),
            "tools[0].defer_loading",
        ),
        (
            json!({"tool_choice": {"type": "function", "name": "g"}}),
            "tool_choice",
        ),
        (
            json!({"tool_choice": {"type": "web_search"}}),
            "tool_choice.type",
        ),
        (
            json!({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}}),
            "tool_choice.tools[0].type",
        ),
        (
            json!({"text": {"format": {"type": "grammar"}}}),
            "text.format.type",
        ),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "n"}}}),
            "text.format.schema",
        ),
    ];
    for (members, field) in cases {
        let Ok(request) =
            lattice_dialects::openai::responses::ResponsesRequest::parse(body(&members).into())
        else {
            // Refused before it is asked for in another form.
            assert_eq!(field, "input", "{members}");
            continue;
        };
        let refused = request.canonical().map(|it| turns(&it)).unwrap_err();
        assert_eq!(refused.field, field, "{members}: {refused}");
        assert!(refused.why.len() > 20, "says what to do: {refused}");
    }
}

#[test]
fn codex_is_understood_once_its_own_tools_are_gone() {
    let codex = json!({
        "model": "m", "stream": true, "instructions": "You are Codex.", "store": false,
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions/>"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "ls"}]},
        ],
        "tools": [{"type": "function", "name": "exec_command", "description": "runs", "strict": false, "parameters": {"type": "object"}}],
        "tool_choice": "auto", "parallel_tool_calls": true,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"], "prompt_cache_key": "thread",
        "client_metadata": {"x": "y"}, "text": {"verbosity": "low"},
    });
    with(&codex, |request| {
        assert_eq!(request.system.len(), 2);
        assert_eq!(turns(request), ["User ls"]);
        assert_eq!(request.turns[0].role, Role::User);
        assert_eq!(
            request.dropped,
            ["prompt_cache_key", "client_metadata", "text.verbosity"]
        );
    });
}
