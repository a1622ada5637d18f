//! Streams as each provider sends them: 200 events, of which all but the first and
//! the last few carry a piece of text.

use bytes::Bytes;
use serde_json::{Value, json};

/// Events of each stream.
pub const EVENTS: usize = 200;

/// What one event says.
const PIECE: &str = " governed";

/// OpenAI's chat completions, with usage; each event a read of its own.
#[must_use]
pub fn chat_stream() -> Vec<Bytes> {
    let chunk = |choices: Value, usage: Value| {
        data(&json!({
            "id": "chatcmpl-0123456789abcdefghijklmnopqrs",
            "object": "chat.completion.chunk",
            "created": 1_760_000_000,
            "model": "gpt-5",
            "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
            "choices": choices,
            "usage": usage,
        }))
    };
    let choice = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        chunk(json!([choice]), Value::Null)
    };
    let role = json!({"role": "assistant", "content": "", "refusal": null});
    let usage = json!({
        "prompt_tokens": 100,
        "completion_tokens": 196,
        "total_tokens": 296,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    });
    stream(
        [choice(role, Value::Null)],
        &choice(json!({"content": PIECE}), Value::Null),
        [
            choice(json!({}), json!("stop")),
            chunk(json!([]), usage),
            Bytes::from_static(b"data: [DONE]\n\n"),
        ],
    )
}

/// Anthropic's Messages; each event a read of its own.
#[must_use]
pub fn anthropic_stream() -> Vec<Bytes> {
    let usage = |output: u32| {
        json!({
            "input_tokens": 100,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output,
        })
    };
    let message = json!({
        "id": "msg_0123456789abcdefghijklmn",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(1),
    });
    let block = json!({"type": "text", "text": ""});
    let delta = json!({"type": "text_delta", "text": PIECE});
    let end = json!({"stop_reason": "end_turn", "stop_sequence": null});
    stream(
        [
            named("message_start", json!({"message": message})),
            named(
                "content_block_start",
                json!({"index": 0, "content_block": block}),
            ),
        ],
        &named("content_block_delta", json!({"index": 0, "delta": delta})),
        [
            named("content_block_stop", json!({"index": 0})),
            named("message_delta", json!({"delta": end, "usage": usage(195)})),
            named("message_stop", json!({})),
        ],
    )
}

/// Gemini's `streamGenerateContent`; each event a read of its own.
#[must_use]
pub fn gemini_stream() -> Vec<Bytes> {
    let event = |mut candidate: Value, tokens: u32| {
        candidate["index"] = 0.into();
        candidate["content"] = json!({"parts": [{"text": PIECE}], "role": "model"});
        let details = json!([{"modality": "TEXT", "tokenCount": 100}]);
        let event = json!({
            "candidates": [candidate],
            "usageMetadata": {
                "promptTokenCount": 100,
                "candidatesTokenCount": tokens,
                "totalTokenCount": 100 + tokens,
                "promptTokensDetails": details,
            },
            "modelVersion": "gemini-3-pro",
            "responseId": "0123456789abcdefghij",
        });
        // Google's servers end lines with CRLF.
        format!("data: {event}\r\n\r\n").into()
    };
    let end = json!({"finishReason": "STOP"});
    stream([], &event(json!({}), 99), [event(end, 200)])
}

/// `first`, then as many of `middle` as make up the number, then `last`.
fn stream<const FIRST: usize, const LAST: usize>(
    first: [Bytes; FIRST],
    middle: &Bytes,
    last: [Bytes; LAST],
) -> Vec<Bytes> {
    let middle = std::iter::repeat_n(middle.clone(), EVENTS - FIRST - LAST);
    first.into_iter().chain(middle).chain(last).collect()
}

fn data(event: &Value) -> Bytes {
    format!("data: {event}\n\n").into()
}

fn named(kind: &str, mut event: Value) -> Bytes {
    event["type"] = kind.into();
    format!("event: {kind}\ndata: {event}\n\n").into()
}
