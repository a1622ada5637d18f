//! JSON that says everything once. Where a name stands twice in an object, one
//! reader takes the first value and another the last: such a text is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The members of an object.
pub(crate) type Object = Map<String, Value>;

/// The object that `bytes` hold; `None` where they hold none, or a name twice in
/// one object at any depth.
pub(crate) fn object(bytes: &[u8]) -> Option<Object> {
    match serde_json::from_slice::<Unique>(bytes).ok()?.0 {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, _>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands there twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        assert!(object(br#"{"a": 1, "b": [{"a": 1}, {"a": 2}]}"#).is_some());
        for twice in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"x": {"a": 1, "a": 2}}"#,
            r#"{"x": [[{"a": 1, "b": 0, "a": 2}]]}"#,
        ] {
            assert!(object(twice.as_bytes()).is_none(), "{twice}");
        }
    }

    #[test]
    fn what_is_no_object_or_has_more_behind_it_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "\"a\"",
            "{} {}",
            "{\"a\":}",
            "{\"a\":NaN}",
        ] {
            assert!(object(text.as_bytes()).is_none(), "{text}");
        }
        assert!(object(b"{\"a\": \"\xff\"}").is_none(), "not UTF-8");
        let deep = "[".repeat(4000) + &"]".repeat(4000);
        assert!(object(format!("{{\"a\":{deep}}}").as_bytes()).is_none());
    }
}
