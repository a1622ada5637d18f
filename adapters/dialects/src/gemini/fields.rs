//! Google's objects: JSON of protocol buffers, where `inlineData` and
//! `inline_data` are one field, and a list of one may be spelled without its
//! brackets.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::Unsupported;
use crate::fields::{Path, elements, read};
use crate::json::Str;

/// The name of a field, however it is spelled: in lowerCamelCase.
pub(crate) fn camel(key: &str) -> Cow<'_, str> {
    if !key.contains('_') {
        return Cow::Borrowed(key);
    }
    let mut words = key.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    Cow::Owned(name)
}

/// A member of an object.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    /// As the caller spells it.
    pub key: Cow<'a, str>,
    pub json: &'a RawValue,
}

/// An object of the request. Members are asked for by their names, and refused as
/// the caller spells them.
pub(crate) struct Object<'p, 'a> {
    at: &'p Path<'p>,
    /// By name; with whether it has been taken.
    members: BTreeMap<Cow<'a, str>, (Field<'a>, bool)>,
}

impl<'p, 'a> Object<'p, 'a> {
    pub(crate) fn read(json: &'a RawValue, at: &'p Path<'p>) -> Result<Self, Unsupported> {
        let members: BTreeMap<Str<'a>, &'a RawValue> = read(json, at, "an object")?;
        let mut named = BTreeMap::new();
        for (Str(key), json) in members {
            let name = match camel(&key) {
                Cow::Owned(name) => Cow::Owned(name),
                Cow::Borrowed(_) => key.clone(),
            };
            if named.contains_key(&name) {
                let why = "comes in both its spellings; send one of them";
                return Err(at.member(&key).refuse(why));
            }
            named.insert(name, (Field { key, json }, false));
        }
        Ok(Self { at, members: named })
    }

    /// The member; `null` is as if absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Field<'a>> {
        let (field, taken) = self.members.get_mut(name)?;
        *taken = true;
        (field.json.get() != "null").then(|| field.clone())
    }

    /// As [`take`](Self::take), as a `T`, which is `what`.
    pub(crate) fn typed<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        what: &str,
    ) -> Result<Option<T>, Unsupported> {
        let field = self.take(name);
        field
            .map(|field| read(field.json, &self.at.member(&field.key), what))
            .transpose()
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, Unsupported> {
        let text = self.typed::<Str<'a>>(name, "a string")?;
        Ok(text.map(|text| text.0))
    }

    /// A text that must be there and not empty.
    pub(crate) fn needed(&mut self, name: &str) -> Result<Cow<'a, str>, Unsupported> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.refuse(name, "must be a non-empty string"))
    }

    pub(crate) fn refuse(&self, name: &str, says: impl fmt::Display) -> Unsupported {
        let spelled = self.members.get(name).map(|(field, _)| &*field.key);
        self.at.member(spelled.unwrap_or(name)).refuse(says)
    }

    /// Nothing may be left that was not taken: what is not understood would be
    /// lost on the way.
    pub(crate) fn end(self) -> Result<(), Unsupported> {
        let left = |(field, taken): &&(Field<'_>, bool)| !taken && field.json.get() != "null";
        match self.members.values().find(left) {
            None => Ok(()),
            Some((field, _)) => {
                let shown: String = field.key.chars().take(64).collect();
                let why = "has no form at the provider of this model; leave it out";
                Err(self.at.member(&shown).refuse(why))
            }
        }
    }
}

/// The elements of a list, each with its place. One that stands by itself is a list
/// of one.
pub(crate) fn list<'p, 'a>(
    json: &'a RawValue,
    at: &'p Path<'p>,
) -> Result<Vec<(Path<'p>, &'a RawValue)>, Unsupported> {
    if !json.get().starts_with('[') {
        return Ok(vec![(*at, json)]);
    }
    let elements = elements(json, at)?.into_iter().enumerate();
    let placed = elements.map(|(index, json)| (at.element(index), json));
    Ok(placed.collect())
}

/// Base64 in its standard alphabet: Google's clients send the one for URLs, which
/// its servers take too, and nobody else's.
pub(crate) fn standard(base64: Cow<'_, str>) -> Cow<'_, str> {
    if !base64.contains(['-', '_']) {
        return base64;
    }
    let letters = base64.chars().map(|letter| match letter {
        '-' => '+',
        '_' => '/',
        other => other,
    });
    Cow::Owned(letters.collect())
}

#[cfg(test)]
mod tests {
    use super::{camel, standard};

    #[test]
    fn both_spellings_have_one_name() {
        for (spelled, name) in [
            ("inlineData", "inlineData"),
            ("inline_data", "inlineData"),
            ("max_output_tokens", "maxOutputTokens"),
            ("text", "text"),
            ("a__b_", "aB"),
            ("_é", "é"),
            ("", ""),
        ] {
            assert_eq!(camel(spelled), name);
        }
    }

    #[test]
    fn base64_for_urls_is_spelled_for_everybody() {
        assert_eq!(standard("-_8=".into()), "+/8=");
        assert_eq!(standard("+/8=".into()), "+/8=");
    }
}
