//! The pass itself: serde_json reads, this counts levels, compares keys and
//! tells a [`Reader`] what it asked for.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::DeserializeSeed;

use super::keys::Keys;
use super::place::MAX_BODY;
use super::visit::Value;
use super::{Malformed, Position};

/// How many arrays and objects may be open at once. A constant of the contract
/// (`caller_malformed` beyond it), and what bounds the stack.
pub const MAX_DEPTH: usize = 128;

/// Picks facts out of a pass. `At` says where in the body a value is: a small
/// state, from which `member` and `element` make that of the value inside it.
pub trait Reader {
    /// Where a value is.
    type At: Copy;

    /// What `key` (decoded) means in the object at `at`, where a dialect has more
    /// than one spelling: two spellings of one name are a duplicate key.
    fn name<'k>(&self, _at: Self::At, key: &'k str) -> Cow<'k, str> {
        Cow::Borrowed(key)
    }

    /// Where the value of the key with this [name](Self::name) is, in the object at
    /// `at`.
    fn member(&mut self, at: Self::At, name: &str) -> Self::At;

    /// Where the next element is, in the array at `at`.
    fn element(&mut self, at: Self::At) -> Self::At;

    /// An array or object begins.
    ///
    /// # Errors
    /// A complaint ends the pass.
    fn open(&mut self, _at: Self::At, _shape: Shape) -> Result<(), Complaint> {
        Ok(())
    }

    /// A value that is neither.
    ///
    /// # Errors
    /// A complaint ends the pass.
    fn scalar(&mut self, _at: Self::At, _scalar: Scalar<'_>) -> Result<(), Complaint> {
        Ok(())
    }

    /// Whether `span` is to be called for values at `at`. Such a value is read
    /// twice, so ask for few.
    fn wants_span(&self, _at: Self::At) -> bool {
        false
    }

    /// The byte offsets of a value as it was spelled, before the value itself is
    /// told. Its syntax has been checked, its contents not yet.
    fn span(&mut self, _at: Self::At, _span: Range<usize>) {}
}

/// What begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `[`
    Array,
    /// `{`
    Object,
}

/// A value that is neither array nor object.
#[derive(Debug, Clone, Copy)]
pub enum Scalar<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A non-negative integer below 2^64, spelled without fraction or exponent.
    Unsigned(u64),
    /// Any other number.
    OtherNumber,
    /// A string.
    String(Text<'a>),
}

/// A string, decoded.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// What it says.
    pub decoded: &'a str,
    /// Where `decoded` stands in the body, byte for byte; `None` when the string
    /// was spelled with escapes.
    pub offset: Option<usize>,
}

/// What a reader cannot accept.
#[derive(Debug)]
pub struct Complaint {
    /// The field to mend, unless it is the body as a whole.
    pub field: Option<&'static str>,
    /// A public sentence without an end.
    pub what: &'static str,
}

/// Reads `body` once, all of it, telling `reader` what is where; the outermost
/// value is at `top`.
///
/// # Errors
/// [`Malformed`] at the first thing that is not strict JSON or that the reader
/// complains of.
pub fn walk<R: Reader>(body: &[u8], top: R::At, reader: &mut R) -> Result<(), Malformed> {
    let refuse = |offset, what: &str| {
        let position = Position::of(body, offset);
        Err(Malformed::at(position, what.to_owned(), None))
    };
    if body.len() > MAX_BODY {
        return refuse(MAX_BODY, "the body is too long");
    }
    if body.starts_with(b"\xef\xbb\xbf") {
        return refuse(1, "the body begins with a byte order mark");
    }
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return refuse(error.valid_up_to() + 1, "the body is not valid UTF-8"),
    };
    let mut pass = Pass {
        text,
        reader,
        keys: Keys::new(body),
        complaint: None,
        stopped_at: None,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    // serde_json's own limit stops one level short of ours and cannot be moved.
    json.disable_recursion_limit();
    let outcome = Value {
        pass: &mut pass,
        at: top,
        depth: 0,
    }
    .deserialize(&mut json)
    .and_then(|()| json.end());
    outcome.map_err(|error| pass.malformed(&error))
}

/// What the whole pass shares.
pub(super) struct Pass<'de, 'r, R> {
    text: &'de str,
    pub reader: &'r mut R,
    pub keys: Keys<'de>,
    /// Why we stopped the pass ourselves; otherwise serde_json did.
    complaint: Option<(String, Option<&'static str>)>,
    /// Set where the error was met inside a span, whose positions are relative.
    stopped_at: Option<usize>,
}

impl<'de, R: Reader> Pass<'de, '_, R> {
    /// Stops the pass. The error itself stays empty: serde_json adds the place,
    /// `malformed` the words.
    pub(super) fn stop<E: serde::de::Error>(
        &mut self,
        what: String,
        field: Option<&'static str>,
    ) -> E {
        self.complaint = Some((what, field));
        E::custom("")
    }

    pub(super) fn complain<E: serde::de::Error>(&mut self, complaint: Complaint) -> E {
        self.stop(complaint.what.to_owned(), complaint.field)
    }

    pub(super) fn offset_of(&self, part: &str) -> usize {
        part.as_ptr().addr() - self.text.as_ptr().addr()
    }

    /// Fixes an error that was met while `part` of the body was read by itself.
    pub(super) fn locate(&mut self, part: &'de str, error: &serde_json::Error) {
        if self.stopped_at.is_none() {
            self.stopped_at = Some(self.offset_of(part) + offset_in(part, error));
        }
        if self.complaint.is_none() {
            self.complaint = Some((syntax(error), None));
        }
    }

    fn malformed(mut self, error: &serde_json::Error) -> Malformed {
        self.locate(self.text, error);
        let (what, field) = self.complaint.unwrap_or_default();
        let offset = self.stopped_at.unwrap_or_default();
        Malformed::at(Position::of(self.text.as_bytes(), offset), what, field)
    }
}

/// serde_json tells lines and columns; the columns are bytes.
fn offset_in(text: &str, error: &serde_json::Error) -> usize {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', text.as_bytes())
            .nth(line - 2)
            .map_or(0, |newline| newline + 1),
    };
    line_start + error.column()
}

/// serde_json's words without its place.
fn syntax(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    format!(
        "not valid JSON: {}",
        words.strip_suffix(&place).unwrap_or(&words)
    )
}
