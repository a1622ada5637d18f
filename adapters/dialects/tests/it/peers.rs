//! Mistakes that other gateways have made on the way to a chat client, each a
//! test of what must happen instead. Those on the way to other clients and to
//! providers are beside what they test:
//!
//! | what went wrong | whose | tests of what must happen instead |
//! |---|---|---|
//! | an index that counts blocks, or is 0 for every call | litellm#5231, bifrost#1961 | here: `the_index_of_a_call_…`, `parallel_calls_of_gemini_…`; `messages/peers`: the same |
//! | text and call end in `end_turn` | bifrost#3638, #6123 | `messages/peers`: `a_text_and_a_call_end_in_tool_use` |
//! | Gemini's whole reply without a finish reason | bifrost#1489 | here: `a_whole_reply_of_gemini_…` |
//! | a second `message_start`, a delta in a block of another kind, or before its start | litellm#32357, #13373 | `messages`, whose checker reads every stream there |
//! | thoughts that begin a stream, in a text block | litellm#33224 | `messages/peers`: `thoughts_that_come_first_…` |
//! | the first text, or what begins a block, is lost | litellm#30014, #25321 | `messages/peers`: `the_first_text_…`, `what_begins_a_block_…`; here: `the_chunk_that_begins_a_call_…` |
//! | `message_start` without all counts | litellm#24176 | `messages/peers`: `the_usage_has_every_count_…` |
//! | a thought that is only a signature is dropped | litellm#38809 | here, `messages/peers`, `responses/write` |
//! | Gemini's signatures lost in the stream or in the history | litellm#16893, Portkey gateway#1442 | here: `geminis_signature_…`; `gemini/inbound/peers` |
//! | `reasoning_details` refused in requests | bifrost#5274 | `canonical`: `reasoning_details_are_accepted_…` |
//! | a `display` that nobody asked for | bifrost#5185 | `messages/peers`: `whether_thoughts_are_shown_…` |
//! | thoughts and calls regrouped | bifrost#6342 | `messages/peers`: `thoughts_between_calls_…`; `responses/write` |
//! | writing to a cache charged twice | litellm#9812, #11364 | here and `messages/peers`: `writing_to_the_cache_…` |
//! | text or call of a Responses stream lost | litellm#17246 | here: `text_and_call_of_a_responses_stream_…` |
//! | an item closed that was not opened | litellm#37852 | `responses/write`, `responses/order` |
//! | `$ref` in what a tool answered, `additionalProperties` in a schema | litellm#38223, #14330 | here: `a_reference_…`, `a_schema_that_closes_…` |
//! | `cache_control` lost on the way to Claude | Portkey gateway#1579 | `anthropic/encode` (Claude itself: Vertex is not served) |
//! | Gemini's STOP with calls is `stop`; unknown reasons are | Portkey gateway#1534, envoy ai-gateway#1486, #2121 | here: `gemini_that_stops_with_calls_…`, `reasons_that_nobody_knows_…` |
//! | the finish tells of calls that were dropped | aisix#170 | here: `a_call_without_arguments_…`; `messages/peers`: `a_finish_that_tells_of_calls_…` |
//! | spending of streams across dialects not recorded | litellm#34953 | the binary's `across_endings` and `matrix` |
//! | Gemini's last event with a reason and no parts | req_llm#638 | here: `geminis_last_event_…` |
//! | a compressed stream read as text | agentgateway#909 | the binary's `faults`: it is asked not to, and refused if it does |
//! | tools behave otherwise by way of vLLM | envoy ai-gateway#1911 | here: `a_call_by_way_of_vllm_…` |

use bytes::Bytes;
use lattice_dialects::canonical::{Decode, Target};
use lattice_dialects::gemini;
use lattice_dialects::openai::chat::{ChatRequest, Decoder};
use lattice_dialects::openai::responses;
use serde_json::{Value, json};

use crate::order::decoded;
use crate::translated::{
    BARE_CALL, CALL, SEALED, TEXT, THOUGHT, chunks, claude, claudes, google, stream, whole,
};

/// The member of every delta that has one, in order.
fn deltas(chunks: &[Value], member: &str) -> Vec<Value> {
    let deltas = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"][member]);
    deltas.filter(|it| !it.is_null()).cloned().collect()
}

fn finish(chunks: &[Value]) -> &str {
    let mut reasons = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["finish_reason"]);
    reasons.find_map(Value::as_str).unwrap()
}

/// The index of each call's first piece.
fn indexes(chunks: &[Value]) -> Vec<Value> {
    let calls = deltas(chunks, "tool_calls").into_iter();
    let firsts = calls.filter(|calls| calls[0]["id"].is_string());
    firsts.map(|calls| calls[0]["index"].clone()).collect()
}

const TWO_CALLS: &str = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"sig"},{"functionCall":{"name":"g","args":{}}}]},"finishReason":"STOP"}]}"#;

#[test]
fn the_index_of_a_call_counts_calls_and_not_blocks() {
    let body = claudes(&[THOUGHT, TEXT, CALL, TEXT, BARE_CALL], "tool_use");
    assert_eq!(indexes(&chunks(claude(), &body)), [0, 1]);
}

#[test]
fn parallel_calls_of_gemini_have_indexes_of_their_own() {
    assert_eq!(indexes(&chunks(google(), &stream(&[TWO_CALLS]))), [0, 1]);
}

#[test]
fn a_whole_reply_of_gemini_says_why_it_finished() {
    let one = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    assert_eq!(whole(google(), one)["choices"][0]["finish_reason"], "stop");
    assert_eq!(
        whole(google(), TWO_CALLS)["choices"][0]["finish_reason"],
        "tool_calls"
    );
}

#[test]
fn text_and_call_of_a_responses_stream_are_both_forwarded() {
    let body = stream(&[
        r#"{"type":"response.created","response":{"id":"resp_1","model":"gpt-5"}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message","content":[]}}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Let me see."}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"Let me see."}]}}"#,
        r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"c","name":"f","arguments":""}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{}"}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#,
        r#"{"type":"response.completed","response":{"status":"completed"}}"#,
    ]);
    let chunks = chunks(Box::new(responses::Decoder::default()), &body);
    let text: Vec<Value> = deltas(&chunks, "content");
    assert!(text.contains(&json!("Let me see.")), "{text:?}");
    assert_eq!(deltas(&chunks, "tool_calls")[0][0]["id"], "c");
    assert_eq!(finish(&chunks), "tool_calls");
}

/// To vLLM, and so by chat completions, the same call reads the same.
#[test]
fn a_call_by_way_of_vllm_is_the_one_that_claude_would_make() {
    let native = claudes(&[TEXT, CALL], "tool_use");
    let vllm = stream(&[
        r#"{"id":"r","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"}}]}"#,
        r#"{"id":"r","choices":[{"index":0,"delta":{"content":" you"}}]}"#,
        r#"{"id":"r","choices":[{"index":0,"delta":{"tool_calls":[{"id":"toolu_1","type":"function","index":0,"function":{"name":"f","arguments":""}}]}}]}"#,
        r#"{"id":"r","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}}]}"#,
        r#"{"id":"r","choices":[{"index":0,"delta":{"content":""},"finish_reason":"tool_calls","stop_reason":null}]}"#,
        "[DONE]",
    ]);
    let mut chat = Decoder::new("s", 1);
    let read = |body: &str, decoder: &mut dyn Decode| decoded(body.as_bytes(), decoder).unwrap().0;
    let told = read(&vllm, &mut chat);
    assert_eq!(told.essence(), read(&native, &mut *claude()).essence());
}

#[test]
fn the_chunk_that_begins_a_call_keeps_its_arguments() {
    let body = stream(&[
        r#"{"id":"r","choices":[{"index":0,"delta":{"content":"a"}}]}"#,
        r#"{"id":"r","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a\":"}}]}}]}"#,
        r#"{"id":"r","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ]);
    let chunks = chunks(Box::new(Decoder::new("s", 1)), &body);
    let calls = deltas(&chunks, "tool_calls");
    let pieces = calls
        .iter()
        .filter_map(|it| it[0]["function"]["arguments"].as_str());
    assert_eq!(pieces.collect::<String>(), r#"{"a":1}"#);
}

#[test]
fn a_call_begins_before_its_arguments() {
    let body = claudes(&[TEXT, CALL], "tool_use");
    let calls = deltas(&chunks(claude(), &body), "tool_calls");
    assert_eq!(
        calls[0][0]["function"],
        json!({"name": "f", "arguments": ""})
    );
    assert_eq!(calls[1][0]["function"], json!({"arguments": "{\"a\":"}));
}

#[test]
fn a_thought_that_is_only_a_signature_is_kept() {
    let body = claudes(&[SEALED, TEXT], "end_turn");
    assert_eq!(
        deltas(&chunks(claude(), &body), "reasoning_details"),
        [
            json!([{"type": "reasoning.text", "signature": "s2", "format": "anthropic-claude-v1", "index": 0}])
        ]
    );
}

#[test]
fn geminis_signature_goes_to_the_client_and_back() {
    let chunks = chunks(google(), &stream(&[TWO_CALLS]));
    let streamed = deltas(&chunks, "tool_calls");
    let mut signed = streamed
        .iter()
        .filter(|it| it[0]["extra_content"].is_object());
    assert_eq!(
        signed.next().unwrap()[0]["extra_content"]["google"]["thought_signature"],
        "sig"
    );
    assert!(signed.next().is_none(), "the second call has none");

    let message = whole(google(), TWO_CALLS)["choices"][0]["message"].clone();
    let results = message["tool_calls"].as_array().unwrap().iter();
    let results =
        results.map(|it| json!({"role": "tool", "tool_call_id": it["id"], "content": "x"}));
    let mut messages = vec![json!({"role": "user", "content": "u"}), message.clone()];
    messages.extend(results);
    let body = json!({"model": "m", "messages": messages}).to_string();
    let request = ChatRequest::parse(Bytes::from(body)).unwrap();
    let request = request.canonical().unwrap();
    let target = Target {
        model: "gemini-3-pro-preview",
        output_cap: None,
    };
    let sent = gemini::generate::encode(&request, &target).unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    let parts = &sent["contents"][1]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "sig");
    assert_eq!(parts[1].get("thoughtSignature"), None);
}

#[test]
fn writing_to_the_cache_is_counted_once() {
    let body = claudes(&[TEXT], "end_turn");
    let chunks = chunks(claude(), &body);
    let usage = &chunks.last().unwrap()["usage"];
    assert_eq!(usage["prompt_tokens"], 60);
    assert_eq!(usage["total_tokens"], 67);
    assert_eq!(
        usage["prompt_tokens_details"],
        json!({"cached_tokens": 20, "cache_write_tokens": 30})
    );
}

#[test]
fn gemini_that_stops_with_calls_has_called_tools() {
    assert_eq!(
        finish(&chunks(google(), &stream(&[TWO_CALLS]))),
        "tool_calls"
    );
}

#[test]
fn reasons_that_nobody_knows_are_no_stop() {
    let body = claudes(&[TEXT], "brand_new_reason");
    assert_eq!(finish(&chunks(claude(), &body)), "error");
    let body = stream(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"BRAND_NEW"}]}"#,
    ]);
    let told = chunks(google(), &body);
    assert_eq!(finish(&told), "error");
    let last = &told.last().unwrap()["choices"][0];
    assert_eq!(last["native_finish_reason"], "BRAND_NEW");
}

#[test]
fn a_call_without_arguments_is_not_lost_where_the_finish_tells_of_it() {
    let body = claudes(&[BARE_CALL], "tool_use");
    let chunks = chunks(claude(), &body);
    assert_eq!(finish(&chunks), "tool_calls");
    let calls = deltas(&chunks, "tool_calls");
    assert_eq!(calls[0][0]["id"], "toolu_2");
    assert_eq!(calls[1][0]["function"]["arguments"], "{}");
}

#[test]
fn geminis_last_event_may_have_a_reason_and_no_parts() {
    let body = stream(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#,
        r#"{"candidates":[{"content":{"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}"#,
    ]);
    let chunks = chunks(google(), &body);
    assert_eq!(finish(&chunks), "stop");
    assert_eq!(deltas(&chunks, "content"), ["", "a"]);
}

/// What Gemini is sent for a chat request with these members.
fn to_gemini(members: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "u"}]});
    let all = body.as_object_mut().unwrap();
    all.extend(members.as_object().unwrap().clone());
    let request = ChatRequest::parse(Bytes::from(body.to_string())).unwrap();
    let target = Target {
        model: "gemini-2.5-pro",
        output_cap: None,
    };
    let sent = gemini::generate::encode(&request.canonical().unwrap(), &target).unwrap();
    serde_json::from_slice(&sent.body).unwrap()
}

#[test]
fn a_reference_in_what_a_tool_answered_is_text_to_gemini() {
    let answer = r##"{"$ref":"#/$defs/a","$defs":{"a":{}}}"##;
    let sent = to_gemini(&json!({"messages": [
        {"role": "user", "content": "u"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": answer},
    ]}));
    let response = &sent["contents"][2]["parts"][0]["functionResponse"]["response"];
    assert_eq!(response, &json!({"result": answer}));
}

#[test]
fn a_schema_that_closes_its_objects_reaches_gemini_as_it_is() {
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let sent = to_gemini(&json!({
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
    }));
    let declared = &sent["tools"][0]["functionDeclarations"][0];
    assert_eq!(declared["parametersJsonSchema"], schema);
    assert_eq!(declared.get("parameters"), None);
    assert_eq!(sent["generationConfig"]["responseJsonSchema"], schema);
}
