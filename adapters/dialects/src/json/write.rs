//! Writing JSON straight into one buffer, with spans of other JSON as they were
//! spelled.

use std::fmt::Display;

use bytes::Bytes;

/// Commas are set by the writer; brackets, and keys before members, are the
/// caller's.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
    /// Whether what comes next stands behind a sibling.
    follows: bool,
}

impl Writer {
    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// What was written since it was last taken.
    pub(crate) fn take(&mut self) -> Bytes {
        std::mem::take(self).into_bytes().into()
    }

    /// Text that stands outside the values: no comma before it, none after.
    pub(crate) fn verbatim(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.follows = false;
    }

    /// `{` or `[`.
    pub(crate) fn open(&mut self, bracket: u8) {
        self.comma();
        self.out.push(bracket);
        self.follows = false;
    }

    /// `}` or `]`.
    pub(crate) fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.follows = true;
    }

    /// The name of the member whose value is written next.
    pub(crate) fn key(&mut self, key: &str) {
        self.string(key);
        self.out.push(b':');
        self.follows = false;
    }

    /// A string, escaped.
    pub(crate) fn string(&mut self, text: &str) {
        self.comma();
        let written = serde_json::to_writer(&mut self.out, text);
        debug_assert!(written.is_ok(), "a Vec takes any bytes");
        self.follows = true;
    }

    /// A number or a boolean.
    pub(crate) fn scalar(&mut self, value: impl Display) {
        self.raw(&value.to_string());
    }

    /// JSON as it was spelled. It is not checked.
    pub(crate) fn raw(&mut self, json: &str) {
        self.comma();
        self.out.extend_from_slice(json.as_bytes());
        self.follows = true;
    }

    /// A member whose value is a string.
    pub(crate) fn member(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    fn comma(&mut self) {
        if self.follows {
            self.out.push(b',');
        }
    }
}
