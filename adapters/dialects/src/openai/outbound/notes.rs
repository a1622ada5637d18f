//! What became of the request, for the caller to see.

use std::borrow::Cow;

use crate::canonical::Cache;

/// Each note once, in the order of their making.
#[derive(Debug)]
pub(in crate::openai) struct Notes(Vec<String>);

impl Notes {
    /// Begins with what the reader of the request left out.
    pub(in crate::openai) fn new(dropped: &[Cow<'_, str>]) -> Self {
        let mut notes = Self(Vec::new());
        for field in dropped {
            notes.add(field.as_ref());
        }
        notes
    }

    pub(in crate::openai) fn add(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// A hint where to cache; OpenAI caches by itself, and strict servers refuse it.
    pub(in crate::openai) fn cache(&mut self, hint: Option<Cache>) {
        if hint.is_some() {
            self.add("cache_control");
        }
    }

    pub(in crate::openai) fn finish(self) -> Vec<String> {
        self.0
    }
}
