//! Cutting thoughts that are sealed for another maker out of a body.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memmem;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::canonical::SEAL;
use crate::gemini::fields::camel;
use crate::json::Str;
use crate::splice::Edits;

/// What is noted of it.
pub(super) const NOTE: &str = "contents.parts: thoughts of another provider were left out";

/// Cuts what is sealed: whole parts that are thoughts, with the pieces of the same
/// thought before them, and the mere seal of other parts. A content of nothing else
/// goes with them. Whether there was anything.
pub(super) fn cut(body: &[u8], edits: &mut Edits) -> bool {
    if memmem::find(body, SEAL.as_bytes()).is_none() {
        return false;
    }
    let body = Body(body);
    let cut = |contents| body.contents(contents, edits);
    body.request().and_then(cut).unwrap_or(false)
}

/// The body, to tell where in it a value is.
struct Body<'a>(&'a [u8]);

/// The members of an object in the order in which they came.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// What becomes of a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    /// A thought without a signature: a piece of the next that has one.
    Piece,
    Goes,
    LosesSeal,
}

impl<'a> Body<'a> {
    /// The contents of the request, which may be one within a request to count.
    fn request(&self) -> Option<&'a RawValue> {
        let whole: &RawValue = serde_json::from_slice(self.0).ok()?;
        let request = self.member(whole, "generateContentRequest");
        self.member(request.unwrap_or(whole), "contents")
    }

    fn span(&self, value: &RawValue) -> Range<usize> {
        let start = value.get().as_ptr().addr() - self.0.as_ptr().addr();
        start..start + value.get().len()
    }

    fn member(&self, object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
        let members: Members<'a> = serde_json::from_str(object.get()).ok()?;
        let mut members = members.0.into_iter();
        members.find(|(key, _)| camel(key) == name).map(|it| it.1)
    }

    fn contents(&self, contents: &'a RawValue, edits: &mut Edits) -> Option<bool> {
        let is_list = contents.get().starts_with('[');
        let contents = list(contents)?;
        let parts = contents.iter().map(|content| {
            let parts = self.member(content, "parts").and_then(list);
            parts.unwrap_or_default()
        });
        let parts: Vec<Vec<&RawValue>> = parts.collect();
        let mut fates: Vec<Fate> = parts.iter().flatten().map(|it| self.fate(it)).collect();
        for at in 1..fates.len() {
            // Backwards: a thought's pieces come before its seal.
            let at = fates.len() - at;
            if fates[at] == Fate::Goes && fates[at - 1] == Fate::Piece {
                fates[at - 1] = Fate::Goes;
            }
        }
        let mut rest = &fates[..];
        let mut gone = Vec::with_capacity(contents.len());
        for parts in &parts {
            let fates;
            (fates, rest) = rest.split_at(parts.len());
            let whole = is_list && !fates.is_empty() && fates.iter().all(|it| *it == Fate::Goes);
            gone.push(whole);
            if !whole {
                self.parts(parts, fates, edits);
            }
        }
        let spans: Vec<_> = contents.iter().map(|it| self.span(it)).collect();
        edits.cut(&spans, &gone);
        let cut = |fate: &Fate| matches!(fate, Fate::Goes | Fate::LosesSeal);
        Some(fates.iter().any(cut))
    }

    fn fate(&self, part: &'a RawValue) -> Fate {
        let thought = self.member(part, "thought");
        let thought = thought.is_some_and(|it| it.get() == "true");
        let signature = self.member(part, "thoughtSignature");
        let sealed = signature.is_some_and(is_seal);
        match (thought, sealed) {
            (true, true) => Fate::Goes,
            (true, false) if signature.is_none_or(|it| it.get() == "null") => Fate::Piece,
            (false, true) => Fate::LosesSeal,
            (_, false) => Fate::Stays,
        }
    }

    fn parts(&self, parts: &[&'a RawValue], fates: &[Fate], edits: &mut Edits) {
        let gone: Vec<bool> = fates.iter().map(|it| *it == Fate::Goes).collect();
        let spans: Vec<_> = parts.iter().map(|it| self.span(it)).collect();
        edits.cut(&spans, &gone);
        for (part, fate) in parts.iter().zip(fates) {
            if *fate == Fate::LosesSeal {
                self.seal(part, edits);
            }
        }
    }

    /// Cuts the member that is the seal.
    fn seal(&self, part: &'a RawValue, edits: &mut Edits) {
        let Ok(members) = serde_json::from_str::<Members<'_>>(part.get()) else {
            return;
        };
        let is_gone = |(key, value): &(Cow<'_, str>, &RawValue)| {
            camel(key) == "thoughtSignature" && is_seal(value)
        };
        let gone: Vec<bool> = members.0.iter().map(is_gone).collect();
        let spans = members.0.iter().map(|(_, value)| {
            let value = self.span(value);
            self.key(value.start)..value.end
        });
        let spans: Vec<_> = spans.collect();
        edits.cut(&spans, &gone);
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

fn is_seal(json: &RawValue) -> bool {
    let text = json.get().strip_prefix('"');
    text.is_some_and(|text| text.starts_with(SEAL))
}

/// The elements of a list, or the one that stands for it.
fn list(json: &RawValue) -> Option<Vec<&RawValue>> {
    if json.get().starts_with('[') {
        serde_json::from_str(json.get()).ok()
    } else {
        Some(vec![json])
    }
}

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
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    members.push((key.0, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        json.deserialize_map(InOrder)
    }
}
