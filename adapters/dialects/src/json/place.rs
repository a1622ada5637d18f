//! Eight bytes for where a string is: hostile bodies hold millions of them.

use super::Text;

/// Where a decoded string can be read again: in the body itself when it was
/// spelled without escapes, else in [`Unescaped`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    start: u32,
    len: u32,
}

impl Place {
    /// How many bytes the string has, decoded.
    pub(crate) fn len(self) -> u64 {
        self.len.into()
    }
}

/// The top bit of `start`; bodies are shorter than 2 GiB.
const IN_UNESCAPED: u32 = 1 << 31;

/// The longest body whose places fit.
pub(super) const MAX_BODY: usize = IN_UNESCAPED as usize - 1;

/// The strings that had escapes, decoded, end to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unescaped(Vec<u8>);

impl Unescaped {
    /// The place of `text`, which is copied only when it had escapes.
    pub(crate) fn place(&mut self, text: Text<'_>) -> Place {
        let start = match text.offset {
            Some(offset) => narrow(offset),
            None => {
                let start = narrow(self.0.len()) | IN_UNESCAPED;
                self.0.extend_from_slice(text.decoded.as_bytes());
                start
            }
        };
        Place {
            start,
            len: narrow(text.decoded.len()),
        }
    }

    /// The bytes of a string that was placed with this `body`. They are UTF-8.
    pub(crate) fn get<'a>(&'a self, body: &'a [u8], place: Place) -> &'a [u8] {
        let home = if place.start & IN_UNESCAPED == 0 {
            body
        } else {
            &self.0
        };
        let start = (place.start & !IN_UNESCAPED) as usize;
        &home[start..start + place.len as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

/// Lossless: `walk` refuses bodies beyond `MAX_BODY`, and decoding never makes a
/// string longer.
fn narrow(offset: usize) -> u32 {
    debug_assert!(offset <= MAX_BODY);
    offset as u32
}
