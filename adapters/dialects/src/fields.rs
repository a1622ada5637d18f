//! The objects of a request: members are taken one by one, what is left over is
//! refused, and every refusal names its place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::Unsupported;
use crate::json::Str;

/// Where in the body a value is; written the way OpenAI's errors spell it.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Body,
    Member(&'p Path<'p>, &'p str),
    Element(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(crate) fn member(&'p self, key: &'p str) -> Self {
        Self::Member(self, key)
    }

    pub(crate) fn element(&'p self, index: usize) -> Self {
        Self::Element(self, index)
    }

    /// A refusal whose sentence is about this place: `says` is the rest of it.
    pub(crate) fn refuse(&self, says: impl fmt::Display) -> Unsupported {
        Unsupported::new(self.to_string(), format!("{self} {says}"))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => f.write_str("the body"),
            Self::Member(Self::Body, key) => f.write_str(key),
            Self::Member(above, key) => write!(f, "{above}.{key}"),
            Self::Element(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

/// An object of the request.
pub(crate) struct Object<'p, 'a> {
    at: &'p Path<'p>,
    members: BTreeMap<Str<'a>, &'a RawValue>,
}

impl<'p, 'a> Object<'p, 'a> {
    pub(crate) fn read(json: &'a RawValue, at: &'p Path<'p>) -> Result<Self, Unsupported> {
        let members = read(json, at, "an object")?;
        Ok(Self { at, members })
    }

    /// The member's value; `null` is as if absent.
    pub(crate) fn take(&mut self, key: &str) -> Option<&'a RawValue> {
        self.members.remove(key).filter(|json| json.get() != "null")
    }

    /// As [`take`](Self::take), as a `T`, which is `what`.
    pub(crate) fn typed<T: Deserialize<'a>>(
        &mut self,
        key: &str,
        what: &str,
    ) -> Result<Option<T>, Unsupported> {
        let json = self.take(key);
        json.map(|json| read(json, &self.at.member(key), what))
            .transpose()
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<Option<Cow<'a, str>>, Unsupported> {
        let text = self.typed::<Str<'a>>(key, "a string")?;
        Ok(text.map(|text| text.0))
    }

    /// A text that must be there and not empty.
    pub(crate) fn needed(&mut self, key: &str) -> Result<Cow<'a, str>, Unsupported> {
        let text = self.text(key)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.refuse(key, "must be a non-empty string"))
    }

    /// The value as it was spelled, if it is an object.
    pub(crate) fn schema(&mut self, key: &str) -> Result<Option<&'a RawValue>, Unsupported> {
        match self.take(key) {
            Some(json) if !json.get().starts_with('{') => {
                Err(self.refuse(key, "must be a JSON schema: an object"))
            }
            json => Ok(json),
        }
    }

    pub(crate) fn refuse(&self, key: &str, says: impl fmt::Display) -> Unsupported {
        self.at.member(key).refuse(says)
    }

    /// Nothing may be left that was not taken: what is not understood would be
    /// lost on the way.
    pub(crate) fn end(self) -> Result<(), Unsupported> {
        let mut unknown = self.members.iter();
        match unknown.find(|(_, json)| json.get() != "null") {
            None => Ok(()),
            Some((key, _)) => {
                let shown: String = key.0.chars().take(64).collect();
                Err(self.refuse(
                    &shown,
                    "has no form at the provider of this model; leave it out",
                ))
            }
        }
    }
}

/// Reads `json` as a `T`, which is `what`.
pub(crate) fn read<'a, T: Deserialize<'a>>(
    json: &'a RawValue,
    at: &Path<'_>,
    what: &str,
) -> Result<T, Unsupported> {
    serde_json::from_str(json.get()).map_err(|_| at.refuse(format!("must be {what}")))
}

/// The elements of an array.
pub(crate) fn elements<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
) -> Result<Vec<&'a RawValue>, Unsupported> {
    read(json, at, "an array")
}

/// Harmless hints that were left out, each named once.
#[derive(Default)]
pub(crate) struct Dropped(pub Vec<Cow<'static, str>>);

impl Dropped {
    pub(crate) fn note(&mut self, field: &'static str) {
        if !self.0.iter().any(|noted| noted == field) {
            self.0.push(Cow::Borrowed(field));
        }
    }
}
