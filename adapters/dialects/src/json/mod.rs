//! One strict pass over an untrusted JSON body.
//!
//! [`walk`] visits every value exactly as the upstream's parser will see it and
//! refuses what two parsers could read differently: invalid UTF-8, a byte order
//! mark, trailing data, a key that occurs twice in one object (compared after
//! decoding), lone surrogates, numbers out of range, more than [`MAX_DEPTH`]
//! levels. It is linear in the body, its stack is bounded by `MAX_DEPTH`, and it
//! holds at most about four times the body, all of that for keys.
//!
//! A [`Reader`] picks facts out of the pass; [`check`] wants none.

mod keys;
pub(crate) mod layout;
mod malformed;
mod place;
mod sift;
mod text;
mod visit;
mod walk;
mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

pub use malformed::{Malformed, Position};
pub(crate) use place::{Place, Unescaped};
pub(crate) use sift::{Path, Sift, Step};
pub(crate) use text::Str;
pub use walk::{Complaint, MAX_DEPTH, Reader, Scalar, Shape, Text, walk};
pub(crate) use write::Writer;

/// Checks a body and reads nothing from it.
///
/// # Errors
/// [`Malformed`] for whatever [`walk`] refuses.
pub fn check(body: &[u8]) -> Result<(), Malformed> {
    struct Nothing;
    impl Reader for Nothing {
        type At = ();
        fn member(&mut self, (): (), _: &str) {}
        fn element(&mut self, (): ()) {}
    }
    walk(body, (), &mut Nothing)
}

/// The members of the object that `json` is, each as it was spelled; `None` where
/// it is no object. Meant for what providers send: more tolerant than [`walk`].
#[must_use]
pub fn members(json: &str) -> Option<BTreeMap<String, &str>> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    let spelled = members.into_iter().map(|(key, value)| (key, value.get()));
    Some(spelled.collect())
}

/// A key in lower case: servers written in Go take one in any case of its letters, and two
/// letters beyond ASCII for an `s` and a `k`.
pub(crate) fn folded(key: &str) -> Cow<'_, str> {
    if key
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        return Cow::Borrowed(key);
    }
    let letters = key.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    });
    Cow::Owned(letters.collect())
}

/// `text` as a JSON string, quotes included.
#[must_use]
pub fn quote(text: &str) -> String {
    // By way of `Value`, whose rendering cannot fail.
    serde_json::Value::from(text).to_string()
}
