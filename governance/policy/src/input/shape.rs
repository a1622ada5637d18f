//! What kinds of values are at which places of the input, read off the struct itself.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use lattice_kernel::principal::{Grant, Named};
use lattice_kernel::{Ask, Dialect, Principal, Target, ToolCall};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Input, Leaf, Visitor};
use crate::footprint::Footprint;

/// What one place of the input may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A list or an object, whatever the question.
    Collection,
    /// That, or something else.
    Perhaps,
    /// Neither.
    Single,
}

/// Places by their names.
pub(crate) struct Shapes(BTreeMap<Vec<&'static str>, Shape>);

impl Shapes {
    /// Those of every question.
    pub(crate) fn of_input() -> Self {
        let mut sketch = Sketch::default();
        let named = |name: &str| Named {
            id: Uuid::nil(),
            name: name.into(),
        };
        let nobody = Principal::of_key(named(""));
        let somebody = Principal {
            models: Some(Vec::new()),
            team_models: Some(Vec::new()),
            grants: Vec::<Grant>::new(),
            ..nobody.clone()
        };
        let ask = Ask::listing(Dialect::OpenAi, "");
        let target = Target {
            provider: "".into(),
            model: "".into(),
            classification: None,
            local: false,
            price: None,
            max_output_tokens: 0,
            weight: NonZeroU32::MIN,
        };
        for who in [&nobody, &somebody] {
            for json in [None, Some(false), Some(true)] {
                let input = Input::new(who, &ask, &target, OffsetDateTime::UNIX_EPOCH);
                let call = json.map(|json| ToolCall {
                    name: "",
                    arguments: "{}",
                    json,
                });
                let input = match call {
                    None => input,
                    Some(call) => input.about(call),
                };
                input.visit(Footprint::WHOLE, &mut sketch);
            }
        }
        Self(sketch.places)
    }

    /// `None`: there is no such place. What is inside of free JSON is anything.
    pub(crate) fn at(&self, path: &[String]) -> Option<Shape> {
        if path.is_empty() {
            return Some(Shape::Collection);
        }
        let arguments = ["resource", "properties", "arguments"];
        if path.len() > arguments.len() && path.iter().zip(arguments).all(|(a, b)| a == b) {
            return Some(Shape::Perhaps);
        }
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        self.0.get(&*path).copied()
    }
}

#[derive(Default)]
struct Sketch {
    path: Vec<&'static str>,
    places: BTreeMap<Vec<&'static str>, Shape>,
}

impl Sketch {
    fn put(&mut self, name: &'static str, shape: Shape) {
        let path = [&self.path[..], &[name]].concat();
        let known = self.places.entry(path).or_insert(shape);
        if *known != shape {
            *known = Shape::Perhaps;
        }
    }
}

impl Visitor for Sketch {
    fn object(&mut self, name: &'static str, fields: impl FnOnce(&mut Self)) {
        self.put(name, Shape::Collection);
        self.path.push(name);
        fields(self);
        self.path.pop();
    }

    fn leaf(&mut self, name: &'static str, leaf: Leaf<'_>) {
        let shape = match leaf {
            Leaf::Texts(_) | Leaf::Names(_) | Leaf::Tools(_) | Leaf::Roles(_) | Leaf::Grants(_) => {
                Shape::Collection
            }
            Leaf::Json(_) => Shape::Perhaps,
            Leaf::Null
            | Leaf::Bool(_)
            | Leaf::Number(_)
            | Leaf::Text(_)
            | Leaf::Id(_)
            | Leaf::Address(_) => Shape::Single,
        };
        self.put(name, shape);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_hold_what_the_input_puts_there() {
        let shapes = Shapes::of_input();
        let at = |path: &str| {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            shapes.at(&path)
        };
        for (path, shape) in [
            ("subject", Some(Shape::Collection)),
            ("subject.properties.grants", Some(Shape::Collection)),
            ("context.tools", Some(Shape::Collection)),
            ("subject.properties.models", Some(Shape::Perhaps)),
            ("resource.properties.arguments", Some(Shape::Perhaps)),
            ("resource.properties.arguments.a.b", Some(Shape::Perhaps)),
            ("resource.id", Some(Shape::Single)),
            ("context.classification", Some(Shape::Single)),
            ("context.missing", None),
            ("resource.id.more", None),
        ] {
            assert_eq!(at(path), shape, "{path}");
        }
    }
}
