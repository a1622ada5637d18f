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
        let sealed = memmem::find(&self.body, SEAL.as_bytes()).is_some();
        let noted = if sealed && self.unseal(&mut edits) {
            vec!["messages.content.thinking: thoughts of another provider were left out".to_owned()]
        } else {
            Vec::new()
        };
        Encoded {
            body: edits.apply(&self.body),
            noted,
        }
    }

    /// Takes the sealed thoughts out; whether there are any.
    fn unseal(&self, edits: &mut Edits) -> bool {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            messages: Vec<&'a RawValue>,
        }
        let Ok(Body { messages }) = serde_json::from_slice(&self.body) else {
            return false;
        };
        let mut found = false;
        let mut emptied = Vec::with_capacity(messages.len());
        for message in &messages {
            let blocks = blocks(message);
            let sealed: Vec<bool> = blocks.iter().map(|block| is_sealed(block)).collect();
            let empty = !sealed.is_empty() && !sealed.contains(&false);
            if !empty {
                edits.cut(&self.spans(&blocks), &sealed);
            }
            found |= sealed.contains(&true);
            emptied.push(empty);
        }
        edits.cut(&self.spans(&messages), &emptied);
        found
    }

    fn spans(&self, parts: &[&RawValue]) -> Vec<Range<usize>> {
        let spans = parts.iter().map(|part| {
            let start = part.get().as_ptr().addr() - self.body.as_ptr().addr();
            start..start + part.get().len()
        });
        spans.collect()
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
