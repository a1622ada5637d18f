//! The same request for an upstream: a few values spliced, the rest as it came.

use std::ops::Range;

use bytes::Bytes;

use super::ChatRequest;
use super::facts::OptionsShape;
use crate::json;
use crate::splice::Edits;

/// What an upstream must be sent instead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The upstream's name of the model.
    pub model: Option<&'a str>,
    /// Ask for a usage chunk; only where the request is streamed, because
    /// servers refuse `stream_options` elsewhere.
    pub include_usage: bool,
    /// Put this cap in place of whatever the field says.
    pub output_cap: Option<OutputCap>,
}

/// A limit on the output tokens of each choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputCap {
    /// The field that the upstream reads.
    pub field: CapField,
    /// At least 1.
    pub tokens: u64,
}

/// The two names of the output cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapField {
    /// `max_tokens`: all that older and many compatible servers know.
    MaxTokens,
    /// `max_completion_tokens`: what OpenAI's reasoning models insist on.
    MaxCompletionTokens,
}

impl CapField {
    /// As it is spelled in a request.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

impl ChatRequest {
    /// The body with `rewrite` applied; all other bytes (unknown fields, white
    /// space, spellings of numbers) are the caller's. When nothing has to change
    /// it is the same `Bytes`, not a copy.
    #[must_use]
    pub fn rewrite(&self, rewrite: &Rewrite<'_>) -> Bytes {
        let mut edits = Edits::default();
        if let Some(model) = rewrite.model
            && model != self.facts.model
        {
            edits.replace(self.spans.model.clone(), json::quote(model));
        }
        if rewrite.include_usage && self.facts.stream && !self.include_usage {
            self.ask_for_usage(&mut edits);
        }
        if let Some(cap) = rewrite.output_cap
            && self.cap(cap.field) != Some(cap.tokens)
        {
            match self.cap_span(cap.field) {
                Some(span) => edits.replace(span, cap.tokens.to_string()),
                None => self.add(&mut edits, cap.field.name(), &cap.tokens.to_string()),
            }
        }
        edits.apply(&self.body)
    }

    /// What the caller set in `field`.
    #[must_use]
    pub fn cap(&self, field: CapField) -> Option<u64> {
        match field {
            CapField::MaxTokens => self.max_tokens,
            CapField::MaxCompletionTokens => self.max_completion_tokens,
        }
    }

    fn cap_span(&self, field: CapField) -> Option<Range<usize>> {
        match field {
            CapField::MaxTokens => self.spans.max_tokens.clone(),
            CapField::MaxCompletionTokens => self.spans.max_completion_tokens.clone(),
        }
    }

    fn ask_for_usage(&self, edits: &mut Edits) {
        const OPTIONS: &str = r#"{"include_usage":true}"#;
        let Some(options) = &self.spans.stream_options else {
            return self.add(edits, "stream_options", OPTIONS);
        };
        let closing_brace = options.span.end - 1;
        match &options.shape {
            OptionsShape::Null | OptionsShape::Empty => {
                edits.replace(options.span.clone(), OPTIONS);
            }
            OptionsShape::Members {
                include_usage: Some(span),
            } => edits.replace(span.clone(), "true"),
            OptionsShape::Members {
                include_usage: None,
            } => edits.insert(closing_brace, r#","include_usage":true"#),
        }
    }

    /// Adds a member that the body does not have, as its last. There is always
    /// one before it: a request without `model` and `messages` is not parsed.
    fn add(&self, edits: &mut Edits, key: &str, value: &str) {
        let closing_brace = self.body.iter().rposition(|byte| *byte == b'}');
        edits.insert(
            closing_brace.unwrap_or_default(),
            format!(r#","{key}":{value}"#),
        );
    }
}
