//! The arguments of a call that come leaf by leaf. Vertex streams them so where
//! it is asked to, and relays of it pass them on unasked.

use serde_json::{Map, Value};

use super::wire::PartialArg;
use crate::canonical::Garbled;
use crate::json::MAX_DEPTH;

/// The most that is held of one call's arguments, in bytes, and what an object or
/// array and a leaf take of it beside their text.
const MAX_HELD: usize = 1 << 20;
const CONTAINER: usize = 1024;
const LEAF: usize = 64;

/// What has come of the arguments.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    root: Map<String, Value>,
    held: usize,
}

/// A step down.
#[derive(Debug, PartialEq, Eq)]
enum Step<'p> {
    Member(&'p str),
    Element(usize),
}

impl Partial {
    /// The JSON text; `None` where nothing has come.
    pub(crate) fn json(self) -> Option<String> {
        (!self.root.is_empty()).then(|| Value::Object(self.root).to_string())
    }

    /// Puts the leaf where its path says; text that is there already goes on.
    pub(crate) fn put(&mut self, leaf: PartialArg<'_>) -> Result<(), Garbled> {
        let path = &*leaf.json_path.0;
        let wrong = || Garbled("a call's arguments do not fit together".to_owned());
        let mut steps = steps(path).ok_or_else(wrong)?.into_iter();
        let Some(Step::Member(first)) = steps.next() else {
            return Err(wrong());
        };
        let mut place = self.root.entry(first).or_insert(Value::Null);
        for step in steps {
            if place.is_null() {
                self.held += CONTAINER;
            }
            place = descend(place, &step).ok_or_else(wrong)?;
        }
        let text = leaf.string_value.map(|text| text.0);
        self.held += text.as_ref().map_or(0, |text| text.len());
        if place.is_null() {
            self.held += LEAF + path.len();
        }
        match (place, text) {
            (Value::String(begun), Some(more)) => begun.push_str(&more),
            (place @ Value::Null, Some(text)) => *place = text.into_owned().into(),
            (place @ Value::Null, None) => {
                let number = leaf.number_value.map(Value::Number);
                *place = number
                    .or(leaf.bool_value.map(Value::Bool))
                    .unwrap_or_default();
            }
            _ => return Err(wrong()),
        }
        if self.held > MAX_HELD {
            return Err(Garbled("a call's arguments are too long".to_owned()));
        }
        Ok(())
    }
}

/// The place one step below, made where it is missing; `None` where something
/// else is.
fn descend<'v>(place: &'v mut Value, step: &Step<'_>) -> Option<&'v mut Value> {
    if place.is_null() {
        *place = match step {
            Step::Member(_) => Value::Object(Map::new()),
            Step::Element(_) => Value::Array(Vec::new()),
        };
    }
    match (place, step) {
        (Value::Object(members), Step::Member(name)) => {
            Some(members.entry(*name).or_insert(Value::Null))
        }
        (Value::Array(elements), Step::Element(index)) => {
            if *index == elements.len() {
                elements.push(Value::Null);
            }
            elements.get_mut(*index)
        }
        _ => None,
    }
}

/// The steps of `$.name['name'][0]`.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        (step, rest) = if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            (Step::Member(&name[..end]), &name[end..])
        } else {
            let inside = rest.strip_prefix('[')?;
            match inside.chars().next()? {
                quote @ ('\'' | '"') => {
                    let (name, rest) = inside[1..].split_once(quote)?;
                    (Step::Member(name), rest.strip_prefix(']')?)
                }
                _ => {
                    let (index, rest) = inside.split_once(']')?;
                    (Step::Element(index.parse().ok()?), rest)
                }
            }
        };
        steps.push(step);
        if steps.len() > MAX_DEPTH {
            return None;
        }
    }
    Some(steps)
}
