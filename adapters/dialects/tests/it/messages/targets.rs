//! Requests of Anthropic's clients on their way to every kind of provider.

use lattice_dialects::anthropic::messages::{encode, encode_count};
use lattice_dialects::canonical::{Encoded, Target, Unsupported};
use lattice_dialects::gemini;
use lattice_dialects::openai::{chat, responses};
use serde_json::{Value, json};

use super::{asking, canonical, whole};
use crate::translated::google;

fn to(model: &str) -> Target<'_> {
    Target {
        model,
        output_cap: None,
    }
}

/// What of its own Claude Code sends in the middle of a session.
fn claude_codes() -> Value {
    let cached = json!({"type": "ephemeral", "ttl": "1h", "scope": "global"});
    asking(json!({
        "max_tokens": 64000,
        "stream": true,
        "system": [
            {"type": "text", "text": "You are an agent."},
            {"type": "text", "text": "These are the rules.", "cache_control": cached},
        ],
        "tools": [{
            "name": "Read",
            "description": "Reads a file.",
            "input_schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"], "additionalProperties": false},
            "eager_input_streaming": true,
        }],
        "metadata": {"user_id": "{\"device_id\":\"d\"}"},
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "xhigh"},
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "<reminder>"},
                {"type": "text", "text": "Read it", "cache_control": {"type": "ephemeral"}},
            ]},
            {"role": "system", "content": "Be brief.", "clear_at": "next_user_message", "output_config": {"effort": "high"}},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "", "signature": "EqQB"},
                {"type": "text", "text": "Reading."},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}, "caller": {"type": "direct"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no such file", "is_error": true, "cache_control": {"type": "ephemeral"}},
            ]},
        ],
    }))
}

type Encode = fn(&lattice_dialects::canonical::Request<'_>) -> Result<Encoded, Unsupported>;

const TARGETS: [(&str, Encode); 7] = [
    ("claude", |it| encode(it, &to("claude-opus-4-8"))),
    ("older claude", |it| encode(it, &to("claude-sonnet-4-5"))),
    ("gemini", |it| {
        gemini::generate::encode(it, &to("gemini-3-pro-preview"))
    }),
    ("older gemini", |it| {
        gemini::generate::encode(it, &to("gemini-2.5-pro"))
    }),
    ("openai", |it| {
        chat::encode(it, &to("gpt-5"), chat::Server::OpenAi)
    }),
    ("compatible", |it| {
        chat::encode(it, &to("qwen3"), chat::Server::Compatible)
    }),
    ("responses", |it| responses::encode(it, &to("gpt-5"))),
];

#[test]
fn claude_codes_requests_reach_every_provider_with_nothing_but_notes() {
    for (name, encode) in TARGETS {
        let encoded = canonical(&claude_codes(), |request| encode(&request));
        let encoded = encoded.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        println!("{name}: {:?}", encoded.noted);
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        assert!(body.to_string().contains("no such file"), "{name}");
        assert!(!body.to_string().contains("context_management"), "{name}");
        for noted in ["context_management", "tools.eager_input_streaming"] {
            assert!(
                encoded.noted.iter().any(|it| it == noted),
                "{name}: {noted}"
            );
        }
        for note in &encoded.noted {
            assert!(!note.contains(','), "{name}: {note}");
        }
    }
}

/// The body that Claude of this name gets by way of the canonical form, and the
/// notes.
fn sent(model: &str, members: Value) -> (Value, Vec<String>) {
    canonical(&asking(members), |request| {
        let encoded = encode(&request, &to(model)).unwrap();
        let body = serde_json::from_slice(&encoded.body).unwrap();
        (body, encoded.noted)
    })
}

#[test]
fn a_budget_reaches_models_that_have_budgets_as_it_is() {
    let asked =
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}});
    let (body, notes) = sent("claude-sonnet-4-5", asked);
    assert_eq!(
        body["thinking"],
        json!({"type": "enabled", "budget_tokens": 2000, "display": "omitted"})
    );
    assert!(notes.is_empty());
    for (budget, max_tokens, given) in [(5000, 4000, 3999), (100, 4000, 1024)] {
        let asked = json!({"max_tokens": max_tokens, "thinking": {"type": "enabled", "budget_tokens": budget}});
        let (body, notes) = sent("claude-sonnet-4-5", asked);
        assert_eq!(body["thinking"]["budget_tokens"], given);
        assert_eq!(notes, [format!("thinking_budget: {given} tokens")]);
    }
    let tight =
        asking(json!({"max_tokens": 1024, "thinking": {"type": "enabled", "budget_tokens": 1024}}));
    canonical(&tight, |request| {
        let refusal = encode(&request, &to("claude-sonnet-4-5")).unwrap_err();
        assert_eq!(refusal.field, "thinking_budget");
    });
}

#[test]
fn a_budget_is_an_effort_for_models_that_have_efforts() {
    let asked = json!({"thinking": {"type": "enabled", "budget_tokens": 2048}});
    let (body, notes) = sent("claude-opus-4-7", asked);
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body["output_config"]["effort"], "medium");
    assert_eq!(notes, ["thinking_budget: effort medium"]);
}

#[test]
fn what_is_shown_of_thoughts_is_told_to_models_that_think_unasked() {
    let shown = |model| {
        let body = asking(json!({}));
        canonical(&body, |mut request| {
            request.show_thoughts = Some(true);
            let encoded = encode(&request, &to(model)).unwrap();
            let body: Value = serde_json::from_slice(&encoded.body).unwrap();
            body["thinking"].clone()
        })
    };
    let adaptive = json!({"type": "adaptive", "display": "summarized"});
    assert_eq!(shown("claude-opus-5"), adaptive);
    assert_eq!(shown("claude-opus-4-6"), Value::Null, "it does not think");
}

#[test]
fn only_what_has_tokens_is_counted() {
    let body = asking(json!({
        "stream": true,
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 5,
        "stop_sequences": ["x"],
        "metadata": {"user_id": "u"},
        "system": "s",
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any"},
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }));
    canonical(&body, |request| {
        let counted = encode_count(&request, &to("claude-opus-5")).unwrap();
        let counted: Value = serde_json::from_slice(&counted.body).unwrap();
        assert_eq!(
            counted,
            json!({
                "model": "claude-opus-5",
                "system": "s",
                "messages": [{"role": "user", "content": "Hi"}],
                "tools": [{"name": "f", "input_schema": {"type": "object"}}],
                "tool_choice": {"type": "any"},
                "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            })
        );
    });
}

/// What a client sends that keeps `said` and answers its call.
fn answering(said: &Value) -> Value {
    let calls = said.as_array().unwrap().iter();
    let results = calls
        .filter(|block| block["type"] == "tool_use")
        .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "r"}));
    let results: Vec<Value> = results.collect();
    asking(json!({"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": said},
        {"role": "user", "content": results},
    ]}))
}

#[test]
fn what_gemini_signed_goes_back_to_gemini_and_to_nobody_else() {
    let reply = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"functionCall":{"id":"call.1","name":"f","args":{}},"thoughtSignature":"sig"}]},"finishReason":"STOP"}]}"#;
    let message = whole(google(), reply);
    let body = answering(&message["content"]);
    let sent = canonical(&body, |request| {
        let encoded = gemini::generate::encode(&request, &to("gemini-3-pro-preview"));
        serde_json::from_slice::<Value>(&encoded.unwrap().body).unwrap()
    });
    let parts = sent["contents"][1]["parts"].as_array().unwrap();
    let call = parts.iter().find(|part| part["functionCall"].is_object());
    assert_eq!(call.unwrap()["thoughtSignature"], "sig");
    assert_eq!(call.unwrap()["functionCall"]["id"], "call.1");
    let response = &sent["contents"][2]["parts"][0]["functionResponse"];
    assert_eq!(
        (&response["id"], &response["name"]),
        (&json!("call.1"), &json!("f"))
    );

    let (claude, notes) = canonical(&body, |request| {
        let encoded = encode(&request, &to("claude-opus-5")).unwrap();
        let body: Value = serde_json::from_slice(&encoded.body).unwrap();
        (body, encoded.noted)
    });
    let blocks = claude["messages"][1]["content"].as_array().unwrap();
    assert_eq!(blocks.len(), 1, "{claude}");
    assert_eq!(blocks[0]["type"], "tool_use");
    assert!(!notes.is_empty());
}

#[test]
fn what_openai_enciphered_goes_back_to_openai() {
    let reply = json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "cipher"},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}", "status": "completed"},
        ],
        "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
    });
    let message = whole(Box::new(responses::Decoder::default()), &reply.to_string());
    assert_eq!(message["content"][0]["thinking"], "hm");
    let sent = canonical(&answering(&message["content"]), |request| {
        let encoded = responses::encode(&request, &to("gpt-5")).unwrap();
        serde_json::from_slice::<Value>(&encoded.body).unwrap()
    });
    let items = sent["input"].as_array().unwrap();
    let thought = items
        .iter()
        .find(|item| item["type"] == "reasoning")
        .unwrap();
    assert_eq!(thought["encrypted_content"], "cipher");
    assert_eq!(thought["id"], "rs_1");
}
