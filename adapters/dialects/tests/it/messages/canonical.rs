//! Conversations, settings and media as the canonical request.

use lattice_dialects::canonical::{
    Cache, Effort, Format, Part, Request, Role, Source, ToolResult, Turn,
};
use serde_json::{Value, json};

use super::{asking, canonical, dropped, refused, saying};

/// A line for each part.
fn lines(turns: &[Turn<'_>]) -> Vec<String> {
    let role = |turn: &Turn<'_>| format!("{:?}", turn.role).to_lowercase();
    let turns = turns.iter();
    turns
        .flat_map(|turn| turn.parts.iter().map(move |part| line(&role(turn), part)))
        .collect()
}

fn line(role: &str, part: &Part<'_>) -> String {
    match part {
        Part::Text(text) => format!("{role}: {}", text.text),
        Part::Media(media) => format!("{role}: media {:?}", media.name),
        Part::Reasoning(thought) => format!("{role}: thinks {}", thought.text),
        Part::ToolCall(call) => format!("{role}: calls {} {}", call.id, call.arguments),
        Part::ToolResult(result) => format!("{role}: result {} {}", result.id, result.is_error),
    }
}

/// A call of the model's, and what the user says to it.
fn answered(blocks: Value) -> Value {
    asking(json!({"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": blocks},
    ]}))
}

/// The first result in the last turn.
fn result<'r, 'a>(request: &'r Request<'a>) -> &'r ToolResult<'a> {
    match &request.turns.last().unwrap().parts[0] {
        Part::ToolResult(result) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn turns_alternate_and_results_come_first() {
    let body = asking(json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}]},
        {"role": "assistant", "content": [
            {"type": "text", "text": "c"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": [1]}, "caller": {"type": "direct"}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        ]},
        {"role": "assistant", "content": "d"},
        {"role": "user", "content": [
            {"type": "text", "text": "e"},
            {"type": "tool_result", "tool_use_id": "t1", "content": "r"},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2", "is_error": true}]},
        {"role": "assistant", "content": []},
    ]}));
    canonical(&body, |request| {
        let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
        assert_eq!(
            lines(&request.turns),
            [
                "user: a",
                "user: b",
                "assistant: c",
                r#"assistant: calls t1 {"x":[1]}"#,
                "assistant: calls t2 {}",
                "assistant: d",
                "user: result t1 false",
                "user: result t2 true",
                "user: e",
            ]
        );
    });
}

#[test]
fn every_setting_has_its_place() {
    let body = asking(json!({
        "system": "s",
        "stream": true,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "stop_sequences": ["x", "y"],
        "metadata": {"user_id": "{\"device\":1}"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"a": 1}}},
    }));
    canonical(&body, |request| {
        assert_eq!(request.system[0].text, "s");
        assert_eq!((request.stream, request.n), (true, 1));
        assert_eq!(request.max_output_tokens, Some(4000));
        assert_eq!(request.temperature.unwrap().to_string(), "0.5");
        assert_eq!(request.top_p.unwrap().to_string(), "0.9");
        assert_eq!(request.top_k, Some(7));
        assert_eq!(request.stop, ["x", "y"]);
        assert_eq!(request.user.as_deref(), Some("{\"device\":1}"));
        assert_eq!(request.effort, Some(Effort::Low));
        let Format::JsonSchema(schema) = request.format else {
            panic!("{:?}", request.format)
        };
        assert_eq!(schema.schema.get(), r#"{"a":1}"#);
        assert_eq!(schema.strict, Some(true));
        assert!(request.dropped.is_empty());
    });
    let old = json!({"output_format": {"type": "json_schema", "schema": {}}});
    canonical(&asking(old), |request| {
        assert!(matches!(request.format, Format::JsonSchema(_)));
    });
}

#[test]
fn marks_of_what_to_cache_are_kept_with_their_part() {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let body = answered(json!([
        {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "r"}], "cache_control": mark},
        {"type": "text", "text": "e", "cache_control": {"type": "ephemeral"}},
    ]));
    canonical(&body, |request| {
        let content = &result(&request).content[0];
        assert!(matches!(content, Part::Text(text) if text.cache == Some(Cache::OneHour)));
        let text = &request.turns[2].parts[1];
        assert!(matches!(text, Part::Text(text) if text.cache == Some(Cache::FiveMinutes)));
    });
    let system = json!({"system": [{"type": "text", "text": "s", "cache_control": mark}]});
    canonical(&asking(system), |request| {
        assert_eq!(request.system[0].cache, Some(Cache::OneHour));
    });
    let scoped = json!([{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "scope": "global"}}]);
    assert_eq!(
        dropped(&asking(json!({"system": scoped}))),
        ["cache_control"]
    );
}

#[test]
fn media_keep_their_source() {
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "QQ=="});
    let body = saying(json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUI="}},
        {"type": "image", "source": {"type": "url", "url": "https://a/i"}},
        {"type": "document", "source": pdf, "title": "T", "citations": {"enabled": false}},
        {"type": "document", "source": {"type": "url", "url": "https://a/d.pdf"}},
    ]));
    canonical(&body, |request| {
        let media = request.turns[0].parts.iter().map(|part| match part {
            Part::Media(media) => match &media.source {
                Source::Base64 { media_type, data } => {
                    (format!("{media_type} {data}"), media.name.as_deref())
                }
                Source::Url(url) => (url.to_string(), media.name.as_deref()),
            },
            other => panic!("{other:?}"),
        });
        let media: Vec<_> = media.collect();
        assert_eq!(
            media,
            [
                ("image/png QUI=".to_owned(), None),
                ("https://a/i".to_owned(), None),
                ("application/pdf QQ==".to_owned(), Some("T")),
                ("https://a/d.pdf".to_owned(), None),
            ]
        );
    });
}

#[test]
fn documents_of_text_are_text_with_what_is_said_about_them() {
    let body = saying(json!([
        {"type": "document", "title": "T", "context": "C", "source": {"type": "text", "media_type": "text/plain", "data": "D"}},
        {"type": "document", "source": {"type": "content", "content": [
            {"type": "text", "text": "one"},
            {"type": "image", "source": {"type": "url", "url": "https://a/i"}},
        ]}},
        {"type": "document", "source": {"type": "content", "content": "two"}},
    ]));
    canonical(&body, |request| {
        assert_eq!(
            lines(&request.turns),
            [
                "user: T",
                "user: C",
                "user: D",
                "user: one",
                "user: media None",
                "user: two"
            ]
        );
        assert_eq!(
            request.dropped,
            [
                "messages.content.title: sent as text",
                "messages.content.context: sent as text"
            ]
        );
    });
}

#[test]
fn results_hold_texts_and_media_and_names_of_tools() {
    let body = answered(
        json!([{"type": "tool_result", "tool_use_id": "c", "content": [
            {"type": "text", "text": "r"},
            {"type": "image", "source": {"type": "url", "url": "https://a/i"}},
            {"type": "tool_reference", "tool_name": "look"},
        ]}]),
    );
    canonical(&body, |request| {
        let content = &result(&request).content;
        let told: Vec<String> = content.iter().map(|part| line("r", part)).collect();
        assert_eq!(told, ["r: r", "r: media None", "r: look"]);
    });
    assert_eq!(
        dropped(&body),
        ["messages.content.tool_reference: sent as text"]
    );
}

#[test]
fn ids_that_were_spelled_for_anthropic_are_the_providers_again() {
    let body = asking(json!({"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "lattice_call_2e1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "lattice_call_2e1", "content": "r"}]},
    ]}));
    canonical(&body, |request| {
        assert_eq!(result(&request).id, "call.1");
        assert!(matches!(&request.turns[1].parts[0], Part::ToolCall(call) if call.id == "call.1"));
    });
}

#[test]
fn hints_are_dropped_and_noted() {
    for (members, notes) in [
        (json!({"service_tier": "auto"}), vec!["service_tier"]),
        (
            json!({"context_management": {"edits": []}}),
            vec!["context_management"],
        ),
        (
            json!({"cache_control": {"type": "ephemeral"}}),
            vec!["cache_control"],
        ),
        (
            json!({"diagnostics": {"previous_message_id": null}}),
            vec!["diagnostics"],
        ),
        (json!({"speed": "standard"}), vec![]),
        (json!({"speed": "fast"}), vec!["speed"]),
        (json!({"betas": ["x"]}), vec!["betas"]),
        (
            json!({"output_config": {"task_budget": {"total": 1}}}),
            vec!["output_config.task_budget"],
        ),
        (json!({"mcp_servers": []}), vec![]),
        (json!({"container": null, "unknown": null}), vec![]),
    ] {
        assert_eq!(dropped(&asking(members)), notes);
    }
}

/// Refused by the path of its field, in a sentence about it.
#[track_caller]
fn assert_refused(body: &Value, field: &str) {
    let refusal = refused(body);
    assert_eq!(refusal.field, field, "{refusal}");
    assert!(refusal.why.starts_with(field), "{refusal}");
}

#[test]
fn fields_that_have_no_form_elsewhere_are_refused() {
    for (members, field) in [
        (json!({"unknown": 1}), "unknown"),
        (json!({"container": "c"}), "container"),
        (json!({"mcp_servers": [{}]}), "mcp_servers"),
        (json!({"mcp_servers": "x"}), "mcp_servers"),
        (json!({"thread": {"type": "create"}}), "thread"),
        (json!({"compaction": {}}), "compaction"),
        (json!({"inference_geo": "us"}), "inference_geo"),
        (json!({"metadata": {"k": "v"}}), "metadata.k"),
        (json!({"top_k": -1}), "top_k"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"stop_sequences": "x"}), "stop_sequences"),
        (json!({"system": [{"type": "image"}]}), "system[0].type"),
        (json!({"system": 1}), "system"),
    ] {
        assert_refused(&asking(members), field);
    }
}

#[test]
fn shapes_of_the_answer_that_have_no_form_elsewhere_are_refused() {
    for (config, field) in [
        (json!({"effort": "none"}), "output_config.effort"),
        (json!({"verbosity": 1}), "output_config.verbosity"),
        (
            json!({"format": {"type": "json"}}),
            "output_config.format.type",
        ),
    ] {
        assert_refused(&asking(json!({"output_config": config})), field);
    }
    let format = json!({"type": "json_schema", "schema": {}});
    let without = asking(json!({"output_format": {"type": "json_schema"}}));
    assert_refused(&without, "output_format.schema");
    let twice = json!({"output_format": format, "output_config": {"format": format}});
    assert_refused(&asking(twice), "output_config.format");
}

#[test]
fn messages_that_have_no_form_elsewhere_are_refused() {
    for (message, field) in [
        (json!({"role": "tool", "content": "x"}), "messages[0].role"),
        (json!({"role": "user"}), "messages[0].content"),
        (
            json!({"role": "user", "content": "x", "name": "n"}),
            "messages[0].name",
        ),
        (json!({"role": "user", "content": 1}), "messages[0].content"),
        (json!("x"), "messages[0]"),
    ] {
        assert_refused(&asking(json!({"messages": [message]})), field);
    }
    let unasked = saying(json!([{"type": "tool_result", "tool_use_id": "x"}]));
    assert_refused(&unasked, "messages[0].content");
}

#[test]
fn blocks_of_the_users_that_have_no_form_elsewhere_are_refused() {
    let image = |source: Value| json!({"type": "image", "source": source});
    let document = |source: Value| json!({"type": "document", "source": source});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "QQ"});
    let cited = json!({"type": "document", "citations": {"enabled": true}, "source": pdf});
    for (block, field) in [
        (json!({"type": "search_result"}), "type"),
        (json!({"type": "container_upload", "file_id": "f"}), "type"),
        (json!({"type": "text"}), "text"),
        (json!({"type": "text", "text": "a", "more": 1}), "more"),
        (
            image(json!({"type": "file", "file_id": "f"})),
            "source.type",
        ),
        (image(pdf.clone()), "source.media_type"),
        (image(json!(null)), "source"),
        (
            document(json!({"type": "url", "url": "https://a/b"})),
            "source.url",
        ),
        (
            document(json!({"type": "content", "content": [pdf]})),
            "source.content[0].type",
        ),
        (cited, "citations.enabled"),
    ] {
        let body = saying(json!([{"type": "text", "text": "a"}, block]));
        assert_refused(&body, &format!("messages[0].content[1].{field}"));
    }
}

#[test]
fn blocks_of_the_assistants_that_have_no_form_elsewhere_are_refused() {
    let call = |member: &str, value: Value| {
        let mut call = json!({"type": "tool_use", "id": "a", "name": "b", "input": {}});
        call[member] = value;
        call
    };
    for (block, field) in [
        (
            json!({"type": "server_tool_use", "id": "a", "name": "b", "input": {}}),
            "type",
        ),
        (json!({"type": "mcp_tool_use"}), "type"),
        (json!({"type": "compaction", "content": "x"}), "type"),
        (json!({"type": "image", "source": {}}), "type"),
        (json!({"type": "redacted_thinking"}), "data"),
        (call("input", json!("{}")), "input"),
        (call("id", json!("")), "id"),
        (
            call("caller", json!({"type": "code_execution_20250825"})),
            "caller.type",
        ),
    ] {
        let body = asking(json!({"messages": [{"role": "assistant", "content": [block]}]}));
        assert_refused(&body, &format!("messages[0].content[0].{field}"));
    }
}
