//! The same request for an upstream: a few values spliced, the rest as it came.

use std::ops::Range;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ResponsesRequest;
use crate::canonical::{Encoded, SEAL};
use crate::json::{self, Str};
use crate::splice::Edits;

/// What an upstream must be sent instead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The upstream's name of the model.
    pub model: Option<&'a str>,
    /// Put this in place of whatever `max_output_tokens` says; at least 1.
    pub output_cap: Option<u64>,
}

impl ResponsesRequest {
    /// The body with `rewrite` applied; all other bytes (unknown fields, white
    /// space, spellings of numbers) are the caller's. When nothing has to change
    /// it is the same `Bytes`, not a copy.
    ///
    /// Reasoning items that were sealed for another maker are cut out: OpenAI would
    /// refuse what it has not enciphered itself.
    #[must_use]
    pub fn rewrite(&self, rewrite: &Rewrite<'_>) -> Encoded {
        let mut edits = Edits::default();
        let mut noted = Vec::new();
        if let Some(model) = rewrite.model
            && model != self.facts.model
        {
            edits.replace(self.spans.model.clone(), json::quote(model));
        }
        if let Some(tokens) = rewrite.output_cap
            && self.facts.output_cap != Some(tokens)
        {
            match &self.spans.max_output_tokens {
                Some(span) => edits.replace(span.clone(), tokens.to_string()),
                None => self.add(&mut edits, "max_output_tokens", &tokens.to_string()),
            }
        }
        for span in self.foreign_thoughts() {
            edits.replace(span, "");
            if noted.is_empty() {
                noted.push("input: thoughts of another provider were left out".to_owned());
            }
        }
        Encoded {
            body: edits.apply(&self.body),
            noted,
        }
    }

    /// Adds a member that the body does not have, as its last. There is always
    /// one before it: a request without `model` is not parsed.
    fn add(&self, edits: &mut Edits, key: &str, value: &str) {
        let closing_brace = self.body.iter().rposition(|byte| *byte == b'}');
        edits.insert(
            closing_brace.unwrap_or_default(),
            format!(r#","{key}":{value}"#),
        );
    }

    /// The spans of sealed reasoning items, each with the comma that goes with it.
    fn foreign_thoughts(&self) -> Vec<Range<usize>> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            input: Vec<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Item<'a> {
            #[serde(borrow)]
            encrypted_content: Option<Str<'a>>,
        }
        // Almost no request has one.
        if memmem::find(&self.body, SEAL.as_bytes()).is_none() {
            return Vec::new();
        }
        let Ok(Body { input }) = serde_json::from_slice(&self.body) else {
            return Vec::new();
        };
        let sealed = |item: &RawValue| {
            let item: Option<Item<'_>> = serde_json::from_str(item.get()).ok();
            let cipher = item.and_then(|item| item.encrypted_content);
            cipher.is_some_and(|cipher| cipher.0.starts_with(SEAL))
        };
        let span = |item: &RawValue| {
            let start = item.get().as_ptr().addr() - self.body.as_ptr().addr();
            start..start + item.get().len()
        };
        let mut cut = Vec::new();
        // Whether an item stays before this one: then its comma goes, else the next.
        let mut kept = false;
        for (index, item) in input.iter().enumerate() {
            let here = span(item);
            if !sealed(item) {
                kept = true;
            } else if kept {
                let before = input.get(index.wrapping_sub(1));
                let start = before.map_or(here.start, |item| span(item).end);
                cut.push(start..here.end);
            } else {
                let after = input.get(index + 1);
                let end = after.map_or(here.end, |item| span(item).start);
                cut.push(here.start..end);
            }
        }
        cut
    }
}
