//! A chat request, read once.

use std::fmt;

use bytes::Bytes;

use super::Prompt;
use super::facts::{Facts, Spans};
use crate::json::Malformed;

/// A chat request as the caller sent it, with the facts that the gates ask for.
/// What is not named here is in the body and left to the upstream to judge.
#[derive(Clone)]
pub struct ChatRequest {
    pub(super) body: Bytes,
    pub(super) spans: Spans,
    /// The model that the caller asks for, decoded; not empty.
    pub model: String,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// Whether the caller asked for a usage chunk in the stream.
    pub include_usage: bool,
    /// The old name of the output cap; at least 1.
    pub max_tokens: Option<u64>,
    /// The output cap, reasoning included; at least 1.
    pub max_completion_tokens: Option<u64>,
    /// How many choices are asked for: 1 to 128, 1 when left out.
    pub n: u32,
    /// Names of the function and custom tools on offer, in the order of the body.
    pub tool_names: Vec<String>,
    /// Whether any tool is on offer, named or not.
    pub has_tools: bool,
    /// Whether the answer is to fit a JSON schema.
    pub has_schema: bool,
    /// How many messages there are; at least 1.
    pub messages: usize,
    /// What the model will read, for the token estimate.
    pub prompt: Prompt,
}

impl ChatRequest {
    /// Reads `body`, which stays shared and unchanged.
    ///
    /// # Errors
    /// [`Malformed`] for what [`walk`](crate::json::walk) refuses, and for a `model`,
    /// `messages`, `stream`, `stream_options`, `n`, `max_tokens` or
    /// `max_completion_tokens` that cannot be governed as it stands.
    pub fn parse(body: Bytes) -> Result<Self, Malformed> {
        let facts = Facts::read(&body)?;
        let missing = |field, what| Err(Malformed::in_field(field, what));
        let Some(model) = facts.model else {
            return missing("model", "model must be a non-empty string");
        };
        if facts.messages == 0 {
            return missing("messages", "messages must be a non-empty array");
        }
        Ok(Self {
            spans: facts.spans,
            model,
            stream: facts.stream,
            include_usage: facts.include_usage,
            max_tokens: facts.max_tokens,
            max_completion_tokens: facts.max_completion_tokens,
            n: facts.n,
            tool_names: facts.tool_names,
            has_tools: facts.has_tools,
            has_schema: facts.has_schema,
            messages: facts.messages,
            prompt: facts.prompt.build(body.clone()),
            body,
        })
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The most tokens that one choice may cost, as far as the caller said: the
    /// larger of the two fields, since a server may know only one of them.
    #[must_use]
    pub fn output_cap(&self) -> Option<u64> {
        self.max_tokens.max(self.max_completion_tokens)
    }
}

/// Shows no text of the request.
impl fmt::Debug for ChatRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatRequest")
            .field("bytes", &self.body.len())
            .field("stream", &self.stream)
            .field("messages", &self.messages)
            .field("prompt", &self.prompt)
            .finish_non_exhaustive()
    }
}
