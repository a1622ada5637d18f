//! A Responses request, read once.

use std::fmt;

use bytes::Bytes;

use super::facts::{Facts, Spans};
use super::{ResponsesWatch, write};
use crate::json::Malformed;
use crate::reply::{Asked, Labels, Writers};

/// A Responses request as the caller sent it, with the facts that the gates ask
/// for. What is not named here is in the body and left to the upstream to judge.
#[derive(Clone)]
pub struct ResponsesRequest {
    pub(super) body: Bytes,
    pub(super) spans: Spans,
    /// What the gates ask of it.
    pub facts: crate::Facts,
}

impl ResponsesRequest {
    /// Reads `body`, which stays shared and unchanged.
    ///
    /// # Errors
    /// [`Malformed`] for what [`walk`](crate::json::walk) refuses, and for a `model`,
    /// `input`, `stream` or `max_output_tokens` that cannot be governed as it stands.
    pub fn parse(body: Bytes) -> Result<Self, Malformed> {
        let facts = Facts::read(&body)?;
        let missing = |field, what| Err(Malformed::in_field(field, what));
        let Some(model) = facts.model else {
            return missing("model", "model must be a non-empty string");
        };
        if facts.messages == 0 && !facts.stateful {
            return missing("input", "input must be a string or a non-empty array");
        }
        Ok(Self {
            spans: facts.spans,
            facts: crate::Facts {
                model,
                stream: facts.stream,
                output_cap: facts.max_output_tokens,
                n: 1,
                tools: facts.tools.offers()?,
                has_tools: facts.has_tools,
                has_schema: facts.has_schema,
                messages: facts.messages.max(1),
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
    pub fn watch(&self) -> ResponsesWatch {
        ResponsesWatch::default()
    }

    /// Whether usage is to be told in the stream: it always is.
    #[must_use]
    pub fn asked(&self) -> Asked {
        Asked::Yes
    }

    /// Writes the reply to it.
    #[must_use]
    pub fn writers(&self, labels: Labels) -> Writers {
        write::writers(&self.body, labels)
    }
}

/// Shows no text of the request.
impl fmt::Debug for ResponsesRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponsesRequest")
            .field("bytes", &self.body.len())
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
