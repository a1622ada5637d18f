//! A request, read once.

use std::fmt;

use bytes::Bytes;

use super::facts::{Facts, Spans};
use super::{MessagesWatch, ReplyWriter, StreamWriter};
use crate::json::Malformed;
use crate::reply::{Labels, Writers};

/// A request for a message, or to count its tokens, as the caller sent it, with
/// the facts that the gates ask for. What is not named here is in the body and
/// left to the upstream to judge.
#[derive(Clone)]
pub struct MessagesRequest {
    pub(super) body: Bytes,
    pub(super) spans: Spans,
    /// What the gates ask of it; `output_cap` is `max_tokens`, which only a request
    /// to count tokens lacks.
    pub facts: crate::Facts,
}

impl MessagesRequest {
    /// Reads the body of `POST /v1/messages`, which stays shared and unchanged.
    ///
    /// # Errors
    /// [`Malformed`] for what [`walk`](crate::json::walk) refuses, for a `model`,
    /// `messages`, `max_tokens` or `stream` that cannot be governed as it stands,
    /// and for `fallbacks`, by which a caller would choose other models.
    pub fn parse(body: Bytes) -> Result<Self, Malformed> {
        let request = Self::parse_count(body)?;
        if request.facts.output_cap.is_none() {
            let what = "max_tokens must be an integer of at least 1";
            return Err(Malformed::in_field("max_tokens", what));
        }
        Ok(request)
    }

    /// Reads the body of `POST /v1/messages/count_tokens`, which needs no
    /// `max_tokens`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_count(body: Bytes) -> Result<Self, Malformed> {
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
            facts: crate::Facts {
                model,
                stream: facts.stream,
                output_cap: facts.max_tokens,
                n: 1,
                has_tools: facts.tools.count() > 0,
                tools: facts.tools.offers()?,
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
    pub fn watch(&self) -> MessagesWatch {
        MessagesWatch::default()
    }

    /// Writes the reply to it.
    #[must_use]
    pub fn writers(&self, labels: Labels) -> Writers {
        Writers {
            stream: Box::new(StreamWriter::new(labels.clone())),
            whole: Box::new(ReplyWriter::new(labels)),
        }
    }
}

/// Shows no text of the request.
impl fmt::Debug for MessagesRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagesRequest")
            .field("bytes", &self.body.len())
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
