//! The same request for an upstream of the same dialect: a few values spliced,
//! thoughts of other makers cut out, the rest as it came.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::MessagesRequest;
use crate::canonical::{Encoded, SEAL, Sealed};
use crate::json;
use crate::splice::Edits;

/// What an upstream must be sent instead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The upstream's name of the model.
    pub model: Option<&'a str>,
    /// Put this in place of `max_tokens`; at least 1. A request to count tokens
    /// has none, and gets none.
    pub output_cap: Option<u64>,
}

impl MessagesRequest {
    /// The body with `rewrite` applied and without the thoughts that are sealed
    /// for other makers, whose seal Anthropic would refuse as no signature of its
    /// own; so goes a message that held nothing else. All other bytes are the
    /// caller's. When nothing has to change it is the same `Bytes`, not a copy.
    #[must_use]
    pub fn rewrite(&self, rewrite: &Rewrite<'_>) -> Encoded {
        let mut edits = Edits::default();
        if let Some(model) = rewrite.model
            && model != self.facts.model
        {
            edits.replace(self.spans.model.clone(), json::quote(model));
        }
        if let (Some(cap), Some(span)) = (rewrite.output_cap, &self.spans.max_tokens)
            && self.facts.output_cap != Some(cap)
        {
            edits.replace(span.clone(), cap.to_string());
        }
        let mut noted = Vec::new();
        if memmem::find(&self.body, SEAL.as_bytes()).is_some() {
            let cuts = self.sealed();
            if !cuts.is_empty() {
                noted.push("messages.content.thinking: thoughts of another provider".to_owned());
            }
            for span in cuts {
                edits.replace(span, "");
            }
        }
        Encoded {
            body: edits.apply(&self.body),
            noted,
        }
    }

    /// Where the sealed thoughts are, each with a comma beside it.
    fn sealed(&self) -> Vec<Range<usize>> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            messages: Vec<&'a RawValue>,
        }
        let Ok(Body { messages }) = serde_json::from_slice(&self.body) else {
            return Vec::new();
        };
        let mut empty = vec![false; messages.len()];
        let mut cuts = Vec::new();
        for (message, empty) in messages.iter().zip(&mut empty) {
            let blocks = blocks(message);
            let sealed: Vec<bool> = blocks.iter().map(|block| is_sealed(block)).collect();
            *empty = !sealed.is_empty() && sealed.iter().all(|sealed| *sealed);
            if !*empty {
                self.cut(&blocks, &sealed, &mut cuts);
            }
        }
        // Where nothing would be left to ask, Anthropic is to say so.
        if empty.contains(&false) {
            self.cut(&messages, &empty, &mut cuts);
        }
        cuts
    }

    /// Adds the spans of those `elements` of an array that are to go: from the end
    /// of the one before, or, of the first ones, to the start of the one behind.
    fn cut(&self, elements: &[&RawValue], gone: &[bool], cuts: &mut Vec<Range<usize>>) {
        let leading = gone.iter().take_while(|gone| **gone).count();
        if let Some(first_kept) = elements.get(leading).filter(|_| leading > 0) {
            cuts.push(self.span(elements[0]).start..self.span(first_kept).start);
        }
        for index in leading.max(1)..elements.len() {
            if gone[index] {
                let (before, it) = (elements[index - 1], elements[index]);
                cuts.push(self.span(before).end..self.span(it).end);
            }
        }
    }

    fn span(&self, part: &RawValue) -> Range<usize> {
        let start = part.get().as_ptr().addr() - self.body.as_ptr().addr();
        start..start + part.get().len()
    }
}

/// The blocks of a message; none where its content is a string.
fn blocks<'a>(message: &'a RawValue) -> Vec<&'a RawValue> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        content: Vec<&'a RawValue>,
    }
    let message = serde_json::from_str::<Message<'a>>(message.get());
    message.map_or_else(|_| Vec::new(), |message| message.content)
}

fn is_sealed(block: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Block<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Cow<'a, str>,
        #[serde(borrow, default)]
        signature: Cow<'a, str>,
        #[serde(borrow, default)]
        data: Cow<'a, str>,
    }
    let Ok(block) = serde_json::from_str::<Block<'_>>(block.get()) else {
        return false;
    };
    let proof = match &*block.kind {
        "thinking" => block.signature,
        "redacted_thinking" => block.data,
        _ => return false,
    };
    Sealed::open(&proof).is_some()
}
