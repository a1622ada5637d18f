//! What the model will read, kept for the token estimate and free of lifetimes.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::json::{Place, Text, Unescaped};

/// The parts of a request that become input tokens.
#[derive(Clone)]
pub struct Prompt {
    body: Bytes,
    collected: Collected,
}

/// A prompt before its body is attached.
#[derive(Clone, Default)]
pub(crate) struct Collected {
    texts: Vec<Place>,
    unescaped: Unescaped,
    schemas: Vec<Range<usize>>,
    pub images: usize,
    pub documents: usize,
    pub audio_bytes: u64,
    pub file_bytes: u64,
    pub references: usize,
    pub tokens: u64,
}

impl Collected {
    pub(crate) fn text(&mut self, text: Text<'_>) {
        if !text.decoded.is_empty() {
            let place = self.unescaped.place(text);
            self.texts.push(place);
        }
    }

    /// How many texts there are: the place of the next.
    pub(crate) fn texts(&self) -> usize {
        self.texts.len()
    }

    /// Takes out what turned out to be a payload: its bytes. The places of the
    /// others stay.
    pub(crate) fn take(&mut self, text: usize) -> u64 {
        let place = self.texts.get_mut(text).map(std::mem::take);
        place.map_or(0, |place| place.len())
    }

    /// What stands in the place of an image's URL. What does not look like a picture
    /// may have pages.
    pub(crate) fn picture(&mut self, url: &str) {
        let web = url.starts_with("http://") || url.starts_with("https://");
        let paged = url.split(['?', '#']).next().is_some_and(|path| {
            path.len() >= 4 && path.as_bytes()[path.len() - 4..].eq_ignore_ascii_case(b".pdf")
        });
        let googles = url.contains("generativelanguage.googleapis.com");
        if url.starts_with("data:image/") || (web && !paged && !googles) {
            self.images += 1;
        } else {
            self.documents += 1;
        }
    }

    /// Inline media by its type: what is neither image nor sound may have pages.
    pub(crate) fn inline(&mut self, media_type: Option<&str>, base64: u64) {
        let is = |kind: &str| {
            let start = media_type.and_then(|it| it.trim_start().get(..kind.len()));
            start.is_some_and(|start| start.eq_ignore_ascii_case(kind))
        };
        if is("image/") {
            self.images += 1;
        } else if is("audio/") {
            self.audio_bytes += base64;
        } else {
            self.documents += 1;
            self.file_bytes += base64;
        }
    }

    pub(crate) fn schema(&mut self, span: Range<usize>) {
        self.schemas.push(span);
    }

    pub(crate) fn build(self, body: Bytes) -> Prompt {
        Prompt {
            body,
            collected: self,
        }
    }
}

impl Prompt {
    /// Every non-empty string under `messages`, decoded, in the order of the
    /// body: contents, names, tool calls, reasoning, roles and types too. Left
    /// out are image URLs, inline audio and files, and references, which the
    /// counters below hold.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let text = |place: &Place| self.collected.unescaped.get(&self.body, *place);
        let texts = self.collected.texts.iter().map(move |p| utf8(text(p)));
        texts.filter(|text| !text.is_empty())
    }

    /// The JSON of `tools`, `functions` and `response_format` as it was spelled.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        let spans = self.collected.schemas.iter();
        spans.map(|span| utf8(&self.body[span.clone()]))
    }

    /// Images, inline or by URL.
    #[must_use]
    pub fn images(&self) -> usize {
        self.collected.images
    }

    /// Inline files, and what stands in the place of an image and may have pages.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.collected.documents
    }

    /// Length of inline audio in bytes of base64.
    #[must_use]
    pub fn audio_bytes(&self) -> u64 {
        self.collected.audio_bytes
    }

    /// Length of inline files in bytes of base64.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.collected.file_bytes
    }

    /// Things that the model reads and that are not in the body: files by id,
    /// earlier audio by id, audio and video by URL, cached contents, what a tool of
    /// the provider looks up.
    #[must_use]
    pub fn references(&self) -> usize {
        self.collected.references
    }

    /// Token ids in place of text, which only embeddings take.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.collected.tokens
    }
}

/// The body was checked as a whole; checking again is cheap and needs no unsafe.
fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Shows no text of the prompt.
impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt")
            .field("texts", &self.collected.texts.len())
            .field("schemas", &self.collected.schemas.len())
            .field("images", &self.images())
            .field("documents", &self.documents())
            .field("audio_bytes", &self.audio_bytes())
            .field("file_bytes", &self.file_bytes())
            .field("references", &self.references())
            .field("tokens", &self.tokens())
            .finish()
    }
}
