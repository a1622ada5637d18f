//! What changes in an event, whichever API it is of.

use bytes::Bytes;

use super::document::Document;
use crate::splice::Edits;
use crate::sse::Event;

/// The changes of one event or reply; each machine adds how it makes them.
pub(super) struct Edit<'d> {
    pub(super) document: &'d Document,
    pub(super) edits: Edits,
    /// Whether anything is left of it that a client must get.
    pub(super) speaks: bool,
    /// What is said in a stream may follow on text, which has passed.
    pub(super) streamed: bool,
}

impl<'d> Edit<'d> {
    pub(super) fn new(document: &'d Document, streamed: bool) -> Self {
        Self {
            document,
            edits: Edits::default(),
            speaks: false,
            streamed,
        }
    }

    /// What is left of the event.
    pub(super) fn event(self, event: &Event) -> Option<Bytes> {
        if self.edits.is_empty() {
            return Some(event.raw().clone());
        }
        let speaks = self.speaks;
        speaks.then(|| event.with_data(&self.edits.apply(self.document.bytes())))
    }
}
