//! The shapes of OpenAI's chat completions, written by hand: a chunk is built
//! once per token, and its text is the only thing that changes.

use bytes::Bytes;
use serde_json::{Value, json};

use super::behaviour::Behaviour;
use super::fault::Fault;
use super::request::ChatRequest;
use super::text::passage;

/// A fixed moment: replies to equal requests are equal.
const CREATED: u64 = 1_763_856_000;

/// A completion that is decided on before its first byte is sent.
pub(super) struct Completion {
    id: String,
    model: String,
    pub(super) choices: u64,
    /// Content chunks, and so tokens, of each choice.
    pub(super) chunks: u64,
    chunk_bytes: usize,
    finish_reason: &'static str,
    prompt_tokens: u64,
    /// Whether the reply reports usage.
    pub(super) usage: bool,
}

impl Completion {
    pub(super) fn new(request: &ChatRequest<'_>, behaviour: &Behaviour, sequence: u64) -> Self {
        let cap = request.output_cap().unwrap_or(u64::MAX);
        let asked = !request.streamed() || request.include_usage();
        Self {
            id: format!("chatcmpl-mock-{sequence}"),
            model: request.model.clone().into_owned(),
            choices: request.choices(),
            chunks: behaviour.chunks.min(cap),
            chunk_bytes: behaviour.chunk_bytes,
            finish_reason: if cap < behaviour.chunks {
                "length"
            } else {
                "stop"
            },
            prompt_tokens: request.prompt_tokens(),
            usage: asked && behaviour.fault != Some(Fault::NoUsage),
        }
    }

    pub(super) fn completion_tokens(&self) -> u64 {
        self.choices.saturating_mul(self.chunks)
    }

    /// The event that opens a choice.
    pub(super) fn role_event(&self, choice: u64) -> Bytes {
        self.choice_event(
            choice,
            r#"{"role":"assistant","content":"","refusal":null}"#,
            "null",
        )
    }

    /// The event of one token: chunk `index` of a choice, from 0.
    pub(super) fn content_event(&self, choice: u64, index: u64) -> Bytes {
        let start = index.saturating_mul(self.chunk_bytes as u64);
        let text = passage(start, self.chunk_bytes);
        self.choice_event(choice, &format!(r#"{{"content":"{text}"}}"#), "null")
    }

    /// The event that closes a choice.
    pub(super) fn finish_event(&self, choice: u64) -> Bytes {
        self.choice_event(choice, "{}", &format!("\"{}\"", self.finish_reason))
    }

    /// The event that reports usage, after all choices were closed.
    pub(super) fn usage_event(&self) -> Bytes {
        self.event("[]", &format!(r#","usage":{}"#, self.usage_object()))
    }

    fn choice_event(&self, choice: u64, delta: &str, finish_reason: &str) -> Bytes {
        let choices = format!(
            r#"[{{"index":{choice},"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}]"#
        );
        // OpenAI writes a null into every chunk of a stream that will report usage.
        let usage = if self.usage { r#","usage":null"# } else { "" };
        self.event(&choices, usage)
    }

    fn event(&self, choices: &str, usage: &str) -> Bytes {
        let (id, model) = (&self.id, Value::from(self.model.as_str()));
        Bytes::from(format!(
            "data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":{CREATED},\
             \"model\":{model},\"system_fingerprint\":\"fp_mock\",\"choices\":{choices}{usage}}}\n\n"
        ))
    }

    /// The reply that is not streamed.
    pub(super) fn object(&self) -> Bytes {
        let length = usize::try_from(self.chunks)
            .unwrap_or(usize::MAX)
            .saturating_mul(self.chunk_bytes);
        let text = passage(0, length);
        let choices: Vec<Value> = (0..self.choices)
            .map(|index| {
                json!({
                    "index": index,
                    "message": {"role": "assistant", "content": text, "refusal": null},
                    "logprobs": null,
                    "finish_reason": self.finish_reason,
                })
            })
            .collect();
        let mut reply = json!({
            "id": self.id,
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model,
            "system_fingerprint": "fp_mock",
            "choices": choices,
        });
        if self.usage {
            reply["usage"] = self.usage_object();
        }
        Bytes::from(reply.to_string())
    }

    fn usage_object(&self) -> Value {
        let completion_tokens = self.completion_tokens();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        })
    }
}

/// The last event of a stream that ended well.
pub(super) const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// The event of a stream that went wrong on the provider's side.
pub(super) fn error_event() -> Bytes {
    Bytes::from(format!("data: {}\n\n", error_object(500, "ordered fault")))
}

/// OpenAI's error object for a status.
pub(super) fn error_object(status: u16, message: &str) -> Value {
    let (kind, code) = match status {
        401 => ("invalid_request_error", "invalid_api_key"),
        404 => ("invalid_request_error", "not_found"),
        429 => ("rate_limit_error", "rate_limit_exceeded"),
        400..=499 => ("invalid_request_error", "invalid_request"),
        _ => ("server_error", "server_error"),
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}
