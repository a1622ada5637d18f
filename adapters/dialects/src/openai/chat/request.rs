//! A chat request, read once.

use std::fmt;

use bytes::Bytes;

use super::facts::{Facts, Spans};
use super::{ChatWatch, ReplyEncoder, StreamEncoder};
use crate::json::Malformed;
use crate::reply::{Asked, Labels, Writers};

/// A chat request as the caller sent it, with the facts that the gates ask for.
/// What is not named here is in the body and left to the upstream to judge.
#[derive(Clone)]
pub struct ChatRequest {
    pub(super) body: Bytes,
    pub(super) spans: Spans,
    /// What the gates ask of it.
    pub facts: crate::Facts,
    /// Whether the caller asked for a usage chunk in the stream.
    pub include_usage: bool,
    /// The old name of the output cap; at least 1.
    pub max_tokens: Option<u64>,
    /// The output cap, reasoning included; at least 1.
    pub max_completion_tokens: Option<u64>,
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
        // The largest of the fields, since a server may know only one of them.
        let output_cap = facts
            .max_tokens
            .max(facts.max_completion_tokens)
            .max(facts.n_predict);
        Ok(Self {
            spans: facts.spans,
            include_usage: facts.include_usage,
            max_tokens: facts.max_tokens,
            max_completion_tokens: facts.max_completion_tokens,
            facts: crate::Facts {
                model,
                stream: facts.stream,
                output_cap,
                n: facts.n,
                tools: facts.tools.offers()?,
                has_tools: facts.has_tools,
                has_schema: facts.has_schema,
                messages: facts.messages,
                prompt: facts.prompt.build(body.clone()),
            },
            body,
        })
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Reads the stream that answers it.
    #[must_use]
    pub fn watch(&self) -> ChatWatch {
        ChatWatch::new(self.asked(), self.facts.n)
    }

    /// Writes the reply to it.
    #[must_use]
    pub fn writers(&self, labels: Labels, asked: Asked) -> Writers {
        Writers {
            stream: Box::new(StreamEncoder::new(labels.clone(), asked)),
            whole: Box::new(ReplyEncoder::new(labels)),
        }
    }

    /// Whether usage is to be told in the stream.
    #[must_use]
    pub fn asked(&self) -> Asked {
        if self.include_usage {
            Asked::Yes
        } else {
            Asked::No
        }
    }
}

/// Shows no text of the request.
impl fmt::Debug for ChatRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatRequest")
            .field("bytes", &self.body.len())
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
