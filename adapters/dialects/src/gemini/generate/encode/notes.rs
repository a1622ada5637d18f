//! What became of the request, for the caller to see.

use crate::canonical::{Cache, Request};

/// Each note once, in the order of their making.
#[derive(Debug)]
pub(super) struct Notes(Vec<String>);

impl Notes {
    /// Begins with what the reader of the request left out, and with what no
    /// request to Gemini can carry.
    pub(super) fn new(request: &Request<'_>) -> Self {
        let mut notes = Self(Vec::new());
        for field in &request.dropped {
            notes.add(field);
        }
        if request.user.is_some() {
            notes.add("user");
        }
        notes
    }

    pub(super) fn add(&mut self, note: &str) {
        if !self.0.iter().any(|known| known == note) {
            self.0.push(note.to_owned());
        }
    }

    /// A hint where to cache; Gemini decides by itself.
    pub(super) fn cache(&mut self, hint: Option<Cache>) {
        if hint.is_some() {
            self.add("cache_control");
        }
    }

    pub(super) fn finish(self) -> Vec<String> {
        self.0
    }
}
