//! Where the parts of a body are that has been read before: for edits that leave all
//! other bytes as they came.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Str, folded};

/// A body, to tell where in it a value is.
#[derive(Clone, Copy)]
pub(crate) struct Layout<'a>(pub &'a [u8]);

/// A member of an object.
pub(crate) struct Member<'a> {
    /// Decoded.
    pub key: Cow<'a, str>,
    pub value: &'a RawValue,
}

impl Member<'_> {
    /// Whether its key is `name`, as [`folded`].
    pub(crate) fn is(&self, name: &str) -> bool {
        folded(&self.key) == name
    }
}

impl<'a> Layout<'a> {
    /// The body's members; none where it is no object.
    pub(crate) fn body(&self) -> Vec<Member<'a>> {
        let whole: Result<&RawValue, _> = serde_json::from_slice(self.0);
        whole.map_or_else(|_| Vec::new(), members)
    }

    /// Where `value`, a part of the body, is.
    pub(crate) fn span(&self, value: &RawValue) -> Range<usize> {
        let start = value.get().as_ptr().addr() - self.0.as_ptr().addr();
        start..start + value.get().len()
    }

    pub(crate) fn spans(&self, values: &[&RawValue]) -> Vec<Range<usize>> {
        values.iter().map(|value| self.span(value)).collect()
    }

    /// Where the members of one object are, each from its key on.
    pub(crate) fn members(&self, members: &[Member<'_>]) -> Vec<Range<usize>> {
        let spans = members.iter().map(|member| {
            let value = self.span(member.value);
            self.key(value.start)..value.end
        });
        spans.collect()
    }

    /// Where the key begins whose value begins at `value`.
    fn key(&self, value: usize) -> usize {
        let mut quotes = memchr::memrchr_iter(b'"', &self.0[..value]);
        quotes.next();
        // Those inside a key are escaped; the one that begins it never looks so.
        let begins = |at: &usize| !self.0[..*at].ends_with(b"\\");
        quotes.find(begins).unwrap_or(value)
    }
}

/// The members of an object in the order in which they came; none where it is no
/// object.
pub(crate) fn members(object: &RawValue) -> Vec<Member<'_>> {
    let members: Option<Members<'_>> = serde_json::from_str(object.get()).ok();
    members.map_or_else(Vec::new, |members| members.0)
}

/// The elements of an array; none where it is no array.
pub(crate) fn elements(array: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(array.get()).unwrap_or_default()
}

/// The text that a string says.
pub(crate) fn text(string: &RawValue) -> Option<Cow<'_, str>> {
    let text: Option<Str<'_>> = serde_json::from_str(string.get()).ok();
    text.map(|text| text.0)
}

struct Members<'a>(Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Str(key)) = map.next_key::<Str<'de>>()? {
                    let value = map.next_value()?;
                    members.push(Member { key, value });
                }
                Ok(Members(members))
            }
        }
        json.deserialize_map(InOrder)
    }
}
