//! What an event does not show.

use regorus::Value as Rego;
use serde_json::{Map, Value};

/// Places in an event that are erased, whatever the set says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(Vec<Pointer>);

/// Not a place in an event that can be masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a JSON pointer below /input or /result, such as /input/resource/properties/arguments"
)]
pub struct BadPointer(String);

impl Default for Mask {
    /// The arguments of tool calls: those that the model gave and those that the
    /// policy put in their place.
    fn default() -> Self {
        let pointer = |names: &[&str]| Pointer(names.iter().map(|&name| name.into()).collect());
        Self(vec![
            pointer(&["input", "resource", "properties", "arguments"]),
            pointer(&["result", "obligations", "*", "arguments"]),
        ])
    }
}

impl Mask {
    /// Erases these places, and no others: JSON pointers into the event, in which `*`
    /// is every member of an object or array.
    ///
    /// # Errors
    /// [`BadPointer`] names the first that is none.
    pub fn new<'a>(pointers: impl IntoIterator<Item = &'a str>) -> Result<Self, BadPointer> {
        let parsed = pointers
            .into_iter()
            .map(|text| Pointer::parse(text).ok_or_else(|| BadPointer(text.to_owned())));
        Ok(Self(parsed.collect::<Result<_, _>>()?))
    }
}

/// The names on the way, the first of which is `input` or `result`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pointer(Vec<Box<str>>);

impl Pointer {
    fn parse(text: &str) -> Option<Self> {
        let names = text.strip_prefix('/')?.split('/');
        let names: Vec<Box<str>> = names
            .map(|name| name.replace("~1", "/").replace("~0", "~").into())
            .collect();
        let known = matches!(names.first().map(|name| &**name), Some("input" | "result"));
        known.then_some(Self(names))
    }
}

/// An event, and what was taken from it.
pub(super) struct Masked {
    event: Value,
    erased: Vec<String>,
    masked: Vec<String>,
    failed: bool,
}

impl Masked {
    pub(super) fn new(event: Value) -> Self {
        Self {
            event,
            erased: Vec::new(),
            masked: Vec::new(),
            failed: false,
        }
    }

    pub(super) fn event(&self) -> &Value {
        &self.event
    }

    pub(super) fn apply(&mut self, mask: &Mask) {
        for Pointer(names) in &mask.0 {
            visit(&mut self.event, names, "", None, &mut self.erased);
        }
    }

    /// Does what the set's rule says: a set or array of pointers and of objects
    /// `{"op": "remove" | "upsert", "path", "value"}`. False: it says something else,
    /// and the event may be half masked.
    pub(super) fn apply_rule(&mut self, wanted: &Rego) -> bool {
        let entries: Vec<&Rego> = match wanted {
            Rego::Set(entries) => entries.iter_sorted().collect(),
            Rego::Array(entries) => entries.iter().collect(),
            // A rule without a body that holds: nothing is to be masked.
            Rego::Undefined => Vec::new(),
            _ => return false,
        };
        entries
            .into_iter()
            .all(|entry| self.apply_entry(entry).is_some())
    }

    fn apply_entry(&mut self, entry: &Rego) -> Option<()> {
        let (path, value) = match entry {
            Rego::String(path) => (path, None),
            Rego::Object(_) => {
                let (Rego::String(op), Rego::String(path)) = (&entry["op"], &entry["path"]) else {
                    return None;
                };
                match (&**op, &entry["value"]) {
                    ("remove", _) => (path, None),
                    ("upsert", Rego::Undefined) => return None,
                    ("upsert", value) => (path, Some(serde_json::to_value(value).ok()?)),
                    _ => return None,
                }
            }
            _ => return None,
        };
        let Pointer(names) = Pointer::parse(path)?;
        let done = if value.is_some() {
            &mut self.masked
        } else {
            &mut self.erased
        };
        visit(&mut self.event, &names, "", value.as_ref(), done);
        Some(())
    }

    /// Leaves the bare answer.
    pub(super) fn erase_all(&mut self) {
        self.failed = true;
        for names in [
            &["input"][..],
            &["result", "deny"],
            &["result", "obligations"],
        ] {
            let names: Vec<Box<str>> = names.iter().map(|&name| name.into()).collect();
            visit(&mut self.event, &names, "", None, &mut self.erased);
        }
        // Whatever was put in another's place is gone too.
        self.masked.clear();
    }

    pub(super) fn finish(mut self) -> Value {
        if let Value::Object(event) = &mut self.event {
            for (name, places) in [("erased", self.erased), ("masked", self.masked)] {
                if !places.is_empty() {
                    event.insert(name.to_owned(), places.into());
                }
            }
        }
        if self.failed {
            self.event["lattice"]["mask"] = "failed".into();
        }
        self.event
    }
}

/// Erases what `names` lead to below `value`, or puts `instead` in its place, and
/// notes where that was. What is not there is left so.
fn visit(
    value: &mut Value,
    names: &[Box<str>],
    at: &str,
    instead: Option<&Value>,
    done: &mut Vec<String>,
) {
    let Some((name, rest)) = names.split_first() else {
        return;
    };
    let found: Vec<String> = match &*value {
        Value::Object(members) if &**name == "*" => members.keys().cloned().collect(),
        Value::Array(entries) if &**name == "*" => {
            (0..entries.len()).map(|index| index.to_string()).collect()
        }
        _ => vec![name.to_string()],
    };
    for name in found {
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if rest.is_empty() {
            if put(value, &name, instead) {
                done.push(place);
            }
        } else if let Some(next) = member(value, &name) {
            visit(next, rest, &place, instead, done);
        }
    }
}

fn member<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(members) => members.get_mut(name),
        Value::Array(entries) => entries.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// An entry of an array leaves `null` behind, so that the others keep their places.
fn put(value: &mut Value, name: &str, instead: Option<&Value>) -> bool {
    match (value, instead) {
        (Value::Object(members), None) => members.remove(name).is_some(),
        (Value::Object(members), Some(instead)) => upsert(members, name, instead),
        (array, instead) => member(array, name).is_some_and(|entry| {
            *entry = instead.cloned().unwrap_or_default();
            true
        }),
    }
}

fn upsert(members: &mut Map<String, Value>, name: &str, instead: &Value) -> bool {
    members.insert(name.to_owned(), instead.clone());
    true
}
