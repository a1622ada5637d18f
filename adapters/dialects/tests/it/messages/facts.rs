//! What is read of a request before anybody decides on it.

use bytes::Bytes;
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::json::Malformed;
use serde_json::{Value, json};

use super::{asking, parsed, saying};

fn malformed(body: &Value) -> Malformed {
    MessagesRequest::parse(Bytes::from(body.to_string())).unwrap_err()
}

/// What the model reads, a line for each text.
fn texts(body: &Value) -> Vec<String> {
    let request = parsed(body);
    request.facts.prompt.texts().map(str::to_owned).collect()
}

#[test]
fn what_the_gates_ask_for_is_read() {
    let request = parsed(&asking(json!({
        "model": "claude",
        "max_tokens": 9,
        "stream": true,
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
        "tools": [
            {"name": "f", "input_schema": {"type": "object"}},
            {"type": "custom", "name": "g", "input_schema": {}},
            {"type": null, "name": "h", "input_schema": {}},
            {"name": "web_search", "type": "web_search_20250305"},
            {"type": "computer_toolset_20260801"},
        ],
        "output_config": {"format": {"type": "json_schema", "schema": {"title": "t"}}},
    })));
    let facts = &request.facts;
    assert_eq!((facts.model.as_str(), facts.stream), ("claude", true));
    assert_eq!((facts.output_cap, facts.n, facts.messages), (Some(9), 1, 3));
    assert_eq!(
        facts.tool_names(),
        ["f", "g", "h", "web_search", "computer_toolset_20260801"]
    );
    assert!(facts.has_tools && facts.has_schema);
    assert_eq!(facts.prompt.references(), 1, "what the search finds");
    let schemas: Vec<&str> = facts.prompt.schemas().collect();
    assert_eq!(schemas.len(), 2, "tools and the shape of the answer");
    for part in ["web_search_20250305", "title"] {
        assert!(schemas.iter().any(|schema| schema.contains(part)));
    }
}

#[test]
fn a_request_with_nothing_but_what_it_needs_is_read() {
    let facts = parsed(&asking(json!({"stream": null}))).facts;
    assert!(!facts.stream && !facts.has_tools && !facts.has_schema);
    assert!(facts.tool_names().is_empty());
    assert_eq!(facts.prompt.references(), 0);
}

#[test]
fn tools_of_mcp_servers_are_tools_of_a_type() {
    let servers = json!([{"type": "url", "url": "https://mcp.example", "name": "s"}]);
    let facts = parsed(&asking(json!({"mcp_servers": servers}))).facts;
    assert!(facts.has_tools);
    assert_eq!(facts.tool_names(), ["mcp_toolset"]);
    assert_eq!(facts.prompt.references(), 1);
}

#[test]
fn tools_that_come_in_the_middle_of_a_conversation_are_tools_on_offer() {
    let change = |definition: Value| json!({"role": "system", "content": [{"type": "tool_addition", "tool": {"type": "tool_definition", "definition": definition}}]});
    let facts = parsed(&asking(json!({"messages": [
        {"role": "user", "content": "Hi"},
        change(json!({"name": "f", "description": "DESCRIBED", "input_schema": {}})),
        change(json!({"type": "web_fetch_20250910", "name": "web_fetch"})),
    ]})))
    .facts;
    assert!(facts.has_tools);
    assert_eq!(facts.tool_names(), ["f", "web_fetch"]);
    assert!(
        facts
            .prompt
            .schemas()
            .any(|schema| schema.contains("DESCRIBED"))
    );
}

#[test]
fn what_cannot_be_governed_is_refused_by_its_field() {
    for (members, field) in [
        (json!({"model": ""}), "model"),
        (json!({"model": 1}), "model"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": {}}), "messages"),
        (json!({"messages": "Hi"}), "messages"),
        (json!({"max_tokens": null}), "max_tokens"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (json!({"max_tokens": "9"}), "max_tokens"),
        (json!({"max_tokens": [9]}), "max_tokens"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"fallbacks": "default"}), "fallbacks"),
        (json!({"fallbacks": [{"model": "other"}]}), "fallbacks"),
    ] {
        assert_eq!(malformed(&asking(members)).field(), Some(field));
    }
    assert_eq!(malformed(&json!([])).field(), None);
}

#[test]
fn counting_needs_no_cap() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(malformed(&body).field(), Some("max_tokens"));
    let request = MessagesRequest::parse_count(Bytes::from(body.to_string())).unwrap();
    assert_eq!(request.facts.output_cap, None);
    assert_eq!(request.canonical().unwrap().max_output_tokens, None);
}

/// One of everything that can be said.
fn everything() -> Value {
    json!({
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "SYS", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "TEXT", "citations": [{"cited_text": "CITED"}]},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "PAYLOAD"}},
                {"type": "image", "source": {"type": "url", "url": "https://PAYLOAD/i.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "PAYLOAD"}},
                {"type": "document", "title": "TITLE", "context": "CONTEXT", "source": {"type": "text", "media_type": "text/plain", "data": "DATA"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "PAYLOAD"}},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "INNER"}]}},
                {"type": "document", "source": {"type": "content", "content": "STRING"}},
                {"type": "search_result", "source": "SOURCE", "title": "T", "content": [{"type": "text", "text": "FOUND"}]},
                {"type": "container_upload", "file_id": "PAYLOAD"},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "THOUGHT", "signature": "SIGNATURE"},
                {"type": "redacted_thinking", "data": "CIPHER"},
                {"type": "tool_use", "id": "ID", "name": "NAME", "input": {"KEYED": ["ARGUMENT"], "source": {"type": "base64", "data": "DEEP"}}},
                {"type": "server_tool_use", "id": "i", "name": "web_search", "input": {"query": "QUERY"}},
                {"type": "web_search_tool_result", "content": [{"type": "web_search_result", "encrypted_content": "PAGE"}]},
                {"type": "web_fetch_tool_result", "content": {"type": "web_fetch_result", "content": {"type": "document", "source": {"type": "text", "data": "FETCHED"}}}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "ID", "content": [
                    {"type": "text", "text": "RESULT"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "PAYLOAD"}},
                ]},
                {"type": "tool_result", "tool_use_id": "ID", "content": "PLAIN"},
            ]},
        ],
        "compaction": {"instructions": "SUMMARY"},
    })
}

#[test]
fn all_that_the_model_reads_is_counted() {
    let request = parsed(&everything());
    let prompt = &request.facts.prompt;
    let texts: Vec<&str> = prompt.texts().collect();
    for text in [
        "SYS",
        "TEXT",
        "CITED",
        "TITLE",
        "CONTEXT",
        "DATA",
        "INNER",
        "STRING",
        "SOURCE",
        "FOUND",
        "THOUGHT",
        "SIGNATURE",
        "CIPHER",
        "NAME",
        "ARGUMENT",
        "DEEP",
        "QUERY",
        "PAGE",
        "FETCHED",
        "RESULT",
        "PLAIN",
        "SUMMARY",
    ] {
        assert!(texts.contains(&text), "{text}");
    }
    assert!(!texts.iter().any(|text| text.contains("PAYLOAD")));
    assert_eq!((prompt.images(), prompt.documents()), (3, 1));
    assert_eq!(prompt.file_bytes(), 7);
    assert_eq!(prompt.references(), 2, "a file and an upload");
}

#[test]
fn texts_in_the_wrong_place_are_not_free() {
    let png = json!({"type": "base64", "media_type": "image/png", "data": "TEXT"});
    for block in [
        // A source of no image and no document.
        json!({"type": "text", "text": "a", "source": png}),
        json!({"source": png}),
        json!({"type": "tool_result", "source": png}),
        // A payload of no type, of another or of one that is said elsewhere.
        json!({"type": "image", "source": {"data": "TEXT"}}),
        json!({"type": "image", "source": {"type": "text", "data": "TEXT"}}),
        json!({"type": "image", "type_": "base64", "source": {"data": "TEXT", "media_type": "base64"}}),
        json!({"type": "document", "source": {"type": "text", "data": "TEXT"}}),
        // Beside the payload, or inside it.
        json!({"type": "image", "source": {"type": "base64", "data": "QUJD", "url": "TEXT"}}),
        json!({"type": "image", "source": {"type": "url", "url": "https://a", "data": "TEXT"}}),
        json!({"type": "image", "source": {"type": "base64", "data": ["TEXT"]}}),
        json!({"type": "image", "source": {"type": "base64", "data": {"data": "TEXT"}}}),
        json!({"type": "image", "source": {"type": "base64", "data": "QUJD", "more": "TEXT"}}),
        json!({"type": "image", "source": "TEXT"}),
        json!({"type": "TEXT"}),
    ] {
        let texts = texts(&saying(json!([block])));
        assert!(texts.iter().any(|text| text == "TEXT"), "{block}");
    }
}

/// A request whose one block is spelled so.
fn said(block: &str) -> MessagesRequest {
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":[{block}]}}]}}"#
    );
    MessagesRequest::parse(Bytes::from(body)).unwrap()
}

#[test]
fn a_source_that_goes_on_behind_a_nested_one_is_not_free() {
    let inner = r#"{"type":"image","source":{"type":"base64","media_type":"image/png"}}"#;
    let outer = format!(r#"{{"source":{{"content":[{inner}],"data":"TEXT"}},"type":"document"}}"#);
    assert!(said(&outer).facts.prompt.texts().any(|text| text == "TEXT"));
}

#[test]
fn payloads_are_counted_in_whatever_order_their_members_come() {
    let data = r#""data":"QUJDRA==""#;
    let (kind, media) = (r#""type":"base64""#, r#""media_type":"image/png""#);
    for source in [
        [kind, media, data],
        [data, media, kind],
        [media, data, kind],
    ] {
        let source = source.join(",");
        for block in [
            format!(r#"{{"type":"image","source":{{{source}}}}}"#),
            format!(r#"{{"source":{{{source}}},"type":"image"}}"#),
        ] {
            let prompt = said(&block).facts.prompt;
            assert_eq!(prompt.images(), 1, "{block}");
            assert!(prompt.texts().all(|text| text != "QUJDRA=="));
        }
    }
}

#[test]
fn what_looks_like_an_image_and_is_none_is_a_document() {
    for (block, images, documents, references) in [
        (
            json!({"type": "image", "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ"}}),
            0,
            1,
            0,
        ),
        (
            json!({"type": "document", "source": {"type": "base64", "media_type": "image/png", "data": "QQ"}}),
            0,
            1,
            0,
        ),
        (
            json!({"type": "image", "source": {"type": "base64", "data": "QQ"}}),
            0,
            1,
            0,
        ),
        (
            json!({"type": "image", "source": {"type": "url", "url": "https://a/b.PDF?c"}}),
            0,
            0,
            1,
        ),
        (
            json!({"type": "document", "source": {"type": "url", "url": "https://a/b"}}),
            0,
            0,
            1,
        ),
        (
            json!({"type": "image", "source": {"type": "url", "url": "https://a/b"}}),
            1,
            0,
            0,
        ),
    ] {
        let request = parsed(&saying(json!([block])));
        let prompt = &request.facts.prompt;
        let counted = (prompt.images(), prompt.documents(), prompt.references());
        assert_eq!(counted, (images, documents, references), "{block}");
    }
}

#[test]
fn what_is_kept_at_the_provider_counts_as_a_reference() {
    for (members, references) in [
        (json!({"container": "c_1"}), 1),
        (
            json!({"container": {"id": "c_1", "skills": [{"type": "anthropic", "skill_id": "xlsx"}]}}),
            2,
        ),
        (
            json!({"thread": {"type": "continue", "previous_message_id": "msg_1"}}),
            1,
        ),
    ] {
        let request = parsed(&asking(members));
        assert_eq!(request.facts.prompt.references(), references);
    }
}

#[test]
fn debug_output_shows_nothing_of_what_was_said() {
    let shown = format!("{:?}", parsed(&everything()));
    for text in ["SYS", "TEXT", "THOUGHT", "PAYLOAD"] {
        assert!(!shown.contains(text), "{shown}");
    }
}
