//! The pass, value by value: what serde_json calls.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::keys::Scope;
use super::walk::Pass;
use super::{MAX_DEPTH, Reader, Scalar, Shape, Text};

/// The next value, whatever it is.
pub(super) struct Value<'p, 'de, 'r, R: Reader> {
    pub pass: &'p mut Pass<'de, 'r, R>,
    pub at: R::At,
    /// How many arrays and objects are open around it.
    pub depth: usize,
}

impl<'de, R: Reader> Value<'_, 'de, '_, R> {
    fn scalar<E: serde::de::Error>(self, scalar: Scalar<'_>) -> Result<(), E> {
        let told = self.pass.reader.scalar(self.at, scalar);
        told.map_err(|complaint| self.pass.complain(complaint))
    }

    fn open<E: serde::de::Error>(&mut self, shape: Shape) -> Result<(), E> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let what = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(self.pass.stop(what, None));
        }
        let told = self.pass.reader.open(self.at, shape);
        told.map_err(|complaint| self.pass.complain(complaint))
    }
}

impl<'de, R: Reader> DeserializeSeed<'de> for Value<'_, 'de, '_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if !self.pass.reader.wants_span(self.at) {
            return json.deserialize_any(self);
        }
        // A RawValue's reader skips over depth, keys and strings, without
        // recursion; so the slice is walked like the rest.
        let part = <&'de RawValue>::deserialize(json)?.get();
        let Self { pass, at, depth } = self;
        let start = pass.offset_of(part);
        pass.reader.span(at, start..start + part.len());
        let mut json = serde_json::Deserializer::from_str(part);
        json.disable_recursion_limit();
        let inside = Value {
            pass: &mut *pass,
            at,
            depth,
        };
        json.deserialize_any(inside).map_err(|error| {
            pass.locate(part, &error);
            D::Error::custom("")
        })
    }
}

impl<'de, R: Reader> Visitor<'de> for Value<'_, 'de, '_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(Scalar::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(Scalar::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.scalar(Scalar::Unsigned(value))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar(Scalar::OtherNumber)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar(Scalar::OtherNumber)
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, decoded: &'de str) -> Result<(), E> {
        let offset = Some(self.pass.offset_of(decoded));
        self.scalar(Scalar::String(Text { decoded, offset }))
    }

    fn visit_str<E: serde::de::Error>(self, decoded: &str) -> Result<(), E> {
        let offset = None;
        self.scalar(Scalar::String(Text { decoded, offset }))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        self.open(Shape::Array)?;
        while array
            .next_element_seed(Element(Value {
                pass: &mut *self.pass,
                at: self.at,
                depth: self.depth,
            }))?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        self.open(Shape::Object)?;
        let mut scope = self.pass.keys.open();
        while let Some(at) = object.next_key_seed(Key {
            pass: &mut *self.pass,
            scope: &mut scope,
            object: self.at,
        })? {
            object.next_value_seed(Value {
                pass: &mut *self.pass,
                at,
                depth: self.depth,
            })?;
        }
        self.pass.keys.close(scope);
        Ok(())
    }
}

/// An element: a value whose state is made only once it is known to be there.
struct Element<'p, 'de, 'r, R: Reader>(Value<'p, 'de, 'r, R>);

impl<'de, R: Reader> DeserializeSeed<'de> for Element<'_, 'de, '_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, json: D) -> Result<(), D::Error> {
        self.0.at = self.0.pass.reader.element(self.0.at);
        self.0.deserialize(json)
    }
}

/// A key; yields where its value is.
struct Key<'p, 'de, 'r, R: Reader> {
    pass: &'p mut Pass<'de, 'r, R>,
    scope: &'p mut Scope,
    object: R::At,
}

impl<R: Reader> Key<'_, '_, '_, R> {
    fn read<E: serde::de::Error>(self, key: Text<'_>) -> Result<R::At, E> {
        let name = self.pass.reader.name(self.object, key.decoded);
        let named = match &name {
            Cow::Borrowed(_) => key,
            Cow::Owned(name) => Text {
                decoded: name,
                offset: None,
            },
        };
        if self.pass.keys.insert(self.scope, named) {
            return Ok(self.pass.reader.member(self.object, &name));
        }
        let shown: String = key.decoded.chars().take(64).collect();
        let what = format!("duplicate key {}", super::quote(&shown));
        Err(self.pass.stop(what, None))
    }
}

impl<'de, R: Reader> DeserializeSeed<'de> for Key<'_, 'de, '_, R> {
    type Value = R::At;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<R::At, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de, R: Reader> Visitor<'de> for Key<'_, 'de, '_, R> {
    type Value = R::At;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, decoded: &'de str) -> Result<R::At, E> {
        let offset = Some(self.pass.offset_of(decoded));
        self.read(Text { decoded, offset })
    }

    fn visit_str<E: serde::de::Error>(self, decoded: &str) -> Result<R::At, E> {
        self.read(Text {
            decoded,
            offset: None,
        })
    }
}
