//! A request to generate, read once.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::facts::{At, Facts, Spans};
use super::path::name;
use super::write::{ReplyWriter, StreamWriter};
use crate::json::Malformed;
use crate::reply::{Labels, Writers};

/// A `generateContent` request as the caller sent it, with the facts that the
/// gates ask for. Fields may be spelled in lowerCamelCase and in snake_case, as
/// Google's servers take both. What is not named here is in the body and left to
/// the upstream to judge.
#[derive(Clone)]
pub struct GenerateRequest {
    pub(super) body: Bytes,
    pub(super) spans: Spans,
    /// The schemas in Google's older dialect, as JSON Schema; in the order of
    /// `spans.old_schemas`, each made when it is first asked for.
    pub(super) schemas: Vec<OnceLock<Box<RawValue>>>,
    /// What the gates ask of it.
    pub facts: crate::Facts,
}

impl GenerateRequest {
    /// Reads `body`, which stays shared and unchanged. `model` (decoded, with or
    /// without `models/`) and `stream` are what the path says.
    ///
    /// # Errors
    /// [`Malformed`] for what [`walk`](crate::json::walk) refuses, for a field that
    /// comes in both its spellings, and for a `model`, `contents`,
    /// `generationConfig`, `maxOutputTokens` or `candidateCount` that cannot be
    /// governed as it stands.
    pub fn parse(body: Bytes, model: &str, stream: bool) -> Result<Self, Malformed> {
        let found = Facts::read(&body, At::Body)?;
        Self::of(found, body, model, stream)
    }

    /// A request of which these facts are known.
    pub(super) fn of(
        found: Facts,
        body: Bytes,
        model: &str,
        stream: bool,
    ) -> Result<Self, Malformed> {
        let model = name(model);
        if model.is_empty() {
            let what = "the path must name a model: models/NAME:generateContent";
            return Err(Malformed::in_field("model", what));
        }
        // The upstream could follow either.
        if found.models.iter().any(|it| name(it) != model) {
            let what = "model must be the one that the path names; leave it out of the body";
            return Err(Malformed::in_field("model", what));
        }
        if found.contents == 0 {
            let what = "contents must be a non-empty array";
            return Err(Malformed::in_field("contents", what));
        }
        Ok(Self {
            schemas: vec![OnceLock::new(); found.spans.old_schemas.len()],
            spans: found.spans,
            facts: crate::Facts {
                model: model.to_owned(),
                stream,
                output_cap: found.output_cap,
                n: found.candidates.unwrap_or(1),
                tools: found.tools.offers()?,
                has_tools: found.has_tools,
                has_schema: found.has_schema,
                messages: found.contents,
                prompt: found.prompt.build(body.clone()),
            },
            body,
        })
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
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
impl fmt::Debug for GenerateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenerateRequest")
            .field("bytes", &self.body.len())
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
