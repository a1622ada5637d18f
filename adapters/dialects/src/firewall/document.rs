//! The JSON of an event or a reply, read where it matters and edited in place.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Fault;
use crate::json::{self, Reader, Str};

/// JSON in which no object has a key twice.
#[derive(Debug)]
pub(super) struct Document(Bytes);

impl Document {
    /// `None` where it is anything else.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        json::check(data).ok()?;
        Some(Self(Bytes::copy_from_slice(data)))
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.0
    }

    pub(super) fn text(&self) -> &str {
        // It was checked, so it is UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The outermost object.
    pub(super) fn root(&self) -> Result<Object<'_>, Fault> {
        object(self.text())
    }

    /// Where a part of it stands.
    pub(super) fn span(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr().addr() - self.0.as_ptr().addr();
        start..start + part.len()
    }

    /// Where a member stands, from its key on.
    pub(super) fn member(&self, member: &Member<'_>) -> Range<usize> {
        self.span(member.spelled).start..self.span(member.value).end
    }
}

/// An object's members, in their order.
pub(super) struct Object<'a> {
    pub members: Vec<Member<'a>>,
}

pub(super) struct Member<'a> {
    /// The key, decoded.
    key: Cow<'a, str>,
    /// The key as it was spelled.
    spelled: &'a str,
    /// As it was spelled.
    pub value: &'a str,
}

impl Member<'_> {
    pub(super) fn name(&self) -> &str {
        &self.key
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.key == name
    }

    /// Whether the value says nothing.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.value, "null" | r#""""# | "[]" | "{}")
    }
}

impl<'a> Object<'a> {
    /// The value of a member; `None` where it is missing or `null`.
    ///
    /// # Errors
    /// Where there is a member of nearly the same name, which some clients take for it.
    pub(super) fn get(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        let member = self.find(name)?;
        Ok(member.map(|it| it.value).filter(|value| *value != "null"))
    }

    /// The same as text; `None` where it is none.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Fault> {
        Ok(self.get(name)?.and_then(text))
    }

    /// The same as the elements of an array; none where it is missing.
    pub(super) fn list(&self, name: &str) -> Result<Vec<&'a str>, Fault> {
        self.get(name)?.map_or_else(|| Ok(Vec::new()), list)
    }

    /// The member itself.
    pub(super) fn find(&self, name: &str) -> Result<Option<&Member<'a>>, Fault> {
        let mut found = None;
        for member in &self.members {
            if member.is(name) {
                found = Some(member);
            } else if folded(&member.key).eq(folded(name)) {
                return Err(Fault::Unreadable("a key is nearly one of a call"));
            }
        }
        Ok(found)
    }
}

/// How many keys in `json`, at any depth, some client might take for one of `names`.
pub(super) fn mentions(json: &str, names: &[&str]) -> usize {
    struct Mentions<'n> {
        names: &'n [&'n str],
        count: usize,
    }
    impl Reader for Mentions<'_> {
        type At = ();
        fn member(&mut self, (): (), key: &str) {
            let mut names = self.names.iter();
            self.count += usize::from(names.any(|name| folded(key).eq(folded(name))));
        }
        fn element(&mut self, (): ()) {}
    }
    let mut mentions = Mentions { names, count: 0 };
    // What is no JSON mentions what it does before its mistake.
    let _ = json::walk(json.as_bytes(), (), &mut mentions);
    mentions.count
}

/// Letters as the most tolerant decoders compare them: Go's in any case, and with the two
/// letters beyond ASCII that fold into it; those of Protocol Buffers without underscores.
fn folded(key: &str) -> impl Iterator<Item = char> + '_ {
    let letters = key.chars().filter(|letter| *letter != '_');
    letters.map(|letter| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    })
}

/// An object as it was spelled.
pub(super) fn object(json: &str) -> Result<Object<'_>, Fault> {
    serde_json::from_str(json).map_err(|_| Fault::Unreadable("something is no object"))
}

/// The elements of an array as they were spelled.
pub(super) fn list(json: &str) -> Result<Vec<&str>, Fault> {
    let elements: Result<Vec<&RawValue>, _> = serde_json::from_str(json);
    let elements = elements.map_err(|_| Fault::Unreadable("something is no array"))?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// A string; `None` where it is none.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let text: Str<'_> = serde_json::from_str(json).ok()?;
    Some(text.0)
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push(Member {
                        key: text(key.get()).unwrap_or_default(),
                        spelled: key.get(),
                        value: value.get(),
                    });
                }
                Ok(Object { members })
            }
        }
        json.deserialize_map(Members)
    }
}
