//! Mistakes that other gateways have made with Anthropic's clients, each a test of
//! what must happen instead.

use lattice_dialects::anthropic::messages::encode;
use lattice_dialects::canonical::{Decode, Target};
use lattice_dialects::openai::chat::Decoder;
use serde_json::{Value, json};

use super::{asking, canonical, streamed, whole};
use crate::translated::{CALL, SEALED, TEXT, THOUGHT, claude, claudes, google, stream};

fn chat() -> Box<dyn Decode> {
    Box::new(Decoder::new("s", 1))
}

/// A chat stream of these deltas, with a finish and a usage at its end.
fn chats(deltas: &[Value], finish: &str) -> String {
    let chunk = |delta: &Value, finish: Value| {
        json!({"id": "r", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
            .to_string()
    };
    let mut events: Vec<String> = deltas
        .iter()
        .map(|delta| chunk(delta, Value::Null))
        .collect();
    events.push(chunk(&json!({}), finish.into()));
    let usage = json!({"prompt_tokens": 60, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 20}});
    events.push(json!({"id": "r", "choices": [], "usage": usage}).to_string());
    events.push("[DONE]".to_owned());
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    stream(&events)
}

fn call(index: u32, id: &str, arguments: &str) -> Value {
    json!({"tool_calls": [{"index": index, "id": id, "function": {"name": "f", "arguments": arguments}}]})
}

fn kinds(message: &Value) -> Vec<&str> {
    let blocks = message["content"].as_array().unwrap().iter();
    blocks
        .map(|block| block["type"].as_str().unwrap())
        .collect()
}

#[test]
fn a_text_and_a_call_end_in_tool_use() {
    let said = [json!({"content": "a"}), call(0, "c1", "{}")];
    for finish in ["tool_calls", "stop"] {
        let message = streamed(chat(), &chats(&said, finish));
        assert_eq!(kinds(&message), ["text", "tool_use"]);
        assert_eq!(message["stop_reason"], "tool_use", "{finish}");
    }
}

#[test]
fn thoughts_that_come_first_are_a_block_of_thinking() {
    for key in ["reasoning_content", "reasoning"] {
        let said = [
            json!({"role": "assistant", key: "hm"}),
            json!({"content": "a"}),
        ];
        let message = streamed(chat(), &chats(&said, "stop"));
        assert_eq!(kinds(&message), ["thinking", "text"]);
        assert_eq!(message["content"][0]["thinking"], "hm");
    }
}

#[test]
fn thoughts_and_texts_take_turns_in_blocks_of_their_own() {
    let said = [
        json!({"reasoning_content": "one"}),
        json!({"content": "two"}),
        json!({"reasoning_content": "three"}),
        call(0, "c1", "{}"),
    ];
    // `streamed` looks at every block: begun once and before its pieces, which are
    // of its kind, and ended once; and the message begins once.
    let message = streamed(chat(), &chats(&said, "tool_calls"));
    assert_eq!(
        kinds(&message),
        ["thinking", "text", "thinking", "tool_use"]
    );
    assert_eq!(message["content"][2]["thinking"], "three");
}

#[test]
fn the_first_text_is_not_lost() {
    let said = [
        json!({"role": "assistant", "content": "a"}),
        json!({"content": "b"}),
    ];
    let message = streamed(chat(), &chats(&said, "stop"));
    assert_eq!(message["content"][0]["text"], "ab");
}

#[test]
fn what_begins_a_block_keeps_what_it_brings() {
    let said = [
        json!({"content": "a"}),
        call(0, "c1", "{\"x\":"),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}),
        call(1, "c2", "{\"y\":2}"),
    ];
    let message = streamed(chat(), &chats(&said, "tool_calls"));
    assert_eq!(kinds(&message), ["text", "tool_use", "tool_use"]);
    assert_eq!(message["content"][1]["input"], json!({"x": 1}));
    assert_eq!(message["content"][2]["input"], json!({"y": 2}));
}

#[test]
fn the_usage_has_every_count_from_the_start_and_leaves_out_what_was_cached() {
    // `streamed` looks at the counts of the first event.
    let message = streamed(chat(), &chats(&[json!({"content": "a"})], "stop"));
    let usage = &message["usage"];
    assert_eq!(usage["input_tokens"], 40);
    assert_eq!(usage["cache_read_input_tokens"], 20);
    assert_eq!(usage["cache_creation_input_tokens"], 0);
    assert_eq!(usage["output_tokens"], 7);
}

#[test]
fn writing_to_the_cache_is_counted_once() {
    let message = streamed(claude(), &claudes(&[TEXT], "end_turn"));
    let usage = &message["usage"];
    assert_eq!(usage["input_tokens"], 10);
    assert_eq!(usage["cache_read_input_tokens"], 20);
    assert_eq!(usage["cache_creation_input_tokens"], 30);
}

#[test]
fn a_thought_that_is_only_a_signature_is_kept() {
    let message = streamed(claude(), &claudes(&[SEALED, TEXT], "end_turn"));
    assert_eq!(
        message["content"][0],
        json!({"type": "thinking", "thinking": "", "signature": "s2"})
    );
    let body = asking(json!({"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": [message["content"][0], {"type": "text", "text": "a"}]},
        {"role": "user", "content": "v"},
    ]}));
    let sent = to_claude(&body);
    assert_eq!(sent["messages"][1]["content"][0], message["content"][0]);
}

/// The body as Claude gets it by way of the canonical form.
fn to_claude(body: &Value) -> Value {
    let to = Target {
        model: "claude-opus-4-6",
        output_cap: None,
    };
    canonical(body, |request| {
        serde_json::from_slice(&encode(&request, &to).unwrap().body).unwrap()
    })
}

#[test]
fn whether_thoughts_are_shown_is_said_only_where_the_caller_does() {
    let thinking =
        |thinking: Value| to_claude(&asking(json!({"thinking": thinking})))["thinking"].clone();
    assert_eq!(
        thinking(json!({"type": "adaptive"})),
        json!({"type": "adaptive"})
    );
    for display in ["omitted", "summarized"] {
        let asked = json!({"type": "adaptive", "display": display});
        assert_eq!(thinking(asked.clone()), asked);
    }
}

#[test]
fn thoughts_between_calls_stay_where_they_were() {
    let message = streamed(
        claude(),
        &claudes(&[THOUGHT, CALL, SEALED, TEXT], "tool_use"),
    );
    assert_eq!(
        kinds(&message),
        ["thinking", "tool_use", "thinking", "text"]
    );
    let content = message["content"].clone();
    let body = asking(json!({"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"}]},
    ]}));
    assert_eq!(to_claude(&body)["messages"][1]["content"], content);
}

#[test]
fn a_finish_that_tells_of_calls_has_calls() {
    let bare = json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]});
    let one = streamed(chat(), &chats(&[bare], "tool_calls"));
    assert_eq!(kinds(&one), ["tool_use"]);
    assert_eq!(one["stop_reason"], "tool_use");
}

#[test]
fn parallel_calls_of_gemini_are_blocks_of_their_own() {
    let two = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"g","args":{}}}]},"finishReason":"STOP"}]}"#;
    for message in [streamed(google(), &stream(&[two])), whole(google(), two)] {
        assert_eq!(kinds(&message), ["tool_use", "tool_use"]);
        assert_ne!(message["content"][0]["id"], message["content"][1]["id"]);
        assert_eq!(message["stop_reason"], "tool_use");
    }
}

#[test]
fn a_failed_result_is_said_to_have_failed() {
    let body = asking(json!({"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "no", "is_error": true}]},
    ]}));
    assert_eq!(
        to_claude(&body)["messages"][2]["content"][0]["is_error"],
        true
    );
}
