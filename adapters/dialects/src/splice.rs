//! Replacing spans of a body and leaving every other byte as it came.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Replacements in one body. Spans must not overlap; several insertions at one
/// place keep the order in which they were made.
#[derive(Debug, Default)]
pub struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Puts `text` where `span` (byte offsets) was.
    pub fn replace(&mut self, span: Range<usize>, text: impl Into<String>) {
        self.0.push((span, text.into()));
    }

    /// Puts `text` before the byte at `offset`.
    pub fn insert(&mut self, offset: usize, text: impl Into<String>) {
        self.replace(offset..offset, text);
    }

    /// Takes up those of another part of the same body.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Whether there is nothing to replace.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes those of `siblings` out that are `gone`, each with one comma: the
    /// elements of an array, or the members of an object (from the key on), by their
    /// byte offsets and in their order.
    pub(crate) fn cut(&mut self, siblings: &[Range<usize>], gone: &[bool]) {
        let mut leading = true;
        for (at, span) in siblings.iter().enumerate() {
            if !gone[at] {
                leading = false;
            } else if leading {
                let next = siblings.get(at + 1).map_or(span.end, |next| next.start);
                self.replace(span.start..next, "");
            } else {
                self.replace(siblings[at - 1].end..span.end, "");
            }
        }
    }

    /// The edited body; without edits the same `Bytes`, not a copy.
    #[must_use]
    pub fn apply(mut self, body: &Bytes) -> Bytes {
        if self.0.is_empty() {
            return body.clone();
        }
        self.0.sort_by_key(|(span, _)| span.start);
        let added: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        let mut edited = BytesMut::with_capacity(body.len() + added);
        let mut copied = 0;
        for (span, text) in &self.0 {
            edited.extend_from_slice(&body[copied..span.start]);
            edited.extend_from_slice(text.as_bytes());
            copied = span.end;
        }
        edited.extend_from_slice(&body[copied..]);
        edited.freeze()
    }
}
