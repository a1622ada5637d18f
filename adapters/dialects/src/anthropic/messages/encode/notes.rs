//! What became of the request, for the caller to see.

use std::borrow::Cow;

/// Each note once, in the order of their making.
#[derive(Debug)]
pub(super) struct Notes(Vec<String>);

impl Notes {
    /// Begins with what the reader of the request left out.
    pub(super) fn new(dropped: &[Cow<'_, str>]) -> Self {
        let mut notes = Self(Vec::new());
        for field in dropped {
            notes.add(field.as_ref());
        }
        notes
    }

    pub(super) fn add(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    pub(super) fn finish(self) -> Vec<String> {
        self.0
    }
}
