//! What a set reads of the context, which is where the many-valued facts are
//! (address, minute, tools). A set that names only some fields gets only those,
//! and its decisions are shared by all requests that agree on them. Whatever is
//! not understood means the whole context.

use super::ast::{self, Expr, Reference, Scope, Visitor, WithModifier};
use super::program::{Program, Target};
use crate::footprint::{Field, Footprint};

/// What the policies of `program` read, tests aside.
pub(super) fn of(program: &Program) -> Footprint {
    let mut reads = Reads {
        footprint: Footprint::NONE,
    };
    for unit in program.units.iter().filter(|unit| !unit.test) {
        for (_, target, _) in &unit.imports {
            if let Target::Input(path) = target {
                reads.read(path.iter().map(String::as_str));
            }
        }
        for rule in &unit.module.policy {
            ast::walk(rule, &mut reads);
        }
    }
    reads.footprint
}

struct Reads {
    footprint: Footprint,
}

impl Reads {
    fn read<'a>(&mut self, mut path: impl Iterator<Item = &'a str>) {
        let read = match (path.next(), path.next()) {
            (Some("subject" | "action" | "resource"), _) => return,
            (Some("context"), Some(name)) => Field::ALL
                .into_iter()
                .find(|field| field.name() == name)
                .map_or(Footprint::WHOLE, |field| Footprint::NONE.with(field)),
            _ => Footprint::WHOLE,
        };
        self.footprint = self.footprint.union(read);
    }
}

impl Visitor for Reads {
    fn expression(&mut self, expr: &Expr, scope: &Scope<'_>) -> bool {
        let Some(reference) = Reference::of(expr) else {
            return true;
        };
        if reference.base == "input" {
            self.read(reference.names());
        }
        ast::selectors(&reference, scope, self);
        false
    }

    fn replaced(&mut self, with: &WithModifier, _: &Scope<'_>) {
        if Reference::of(&with.refr).is_some_and(|target| target.base == "input") {
            self.footprint = Footprint::WHOLE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::set::Sources;

    fn context(text: &str) -> Vec<&'static str> {
        let text = format!("package a\n\n{text}\n");
        let sources = Sources::of_files("", [("a.rego", text.as_str())]);
        let program = Program::read(&sources).unwrap();
        of(&program).fields().map(Field::name).collect()
    }

    #[test]
    fn named_fields_are_the_footprint() {
        for (text, fields) in [
            ("x if input.subject.id == input.resource.id", &[][..]),
            ("x if input.context.stream", &["stream"]),
            (
                "x if { some t in input.context.tools\n input.context.source == t }",
                &["tools", "source"],
            ),
            ("x if input[\"context\"].stream", &["stream"]),
            ("x if input[`context`][`stream`]", &["stream"]),
            (
                "import input.context.weekday as day\n\nx if day",
                &["weekday"],
            ),
            ("import input.subject as who\n\nx if who.id", &[]),
            ("x if input.context.tools[_] == \"a\"", &["tools"]),
            (
                "x if data.a[input.context.dialect][input.context.stream]",
                &["dialect", "stream"],
            ),
            ("x[input.context.source] := 1", &["source"]),
            (
                "f(y) := input.context.stream if y\nelse := input.context.source",
                &["stream", "source"],
            ),
            (
                "default x := false\nx if [y | y := input.context.tools]",
                &["tools"],
            ),
            ("x if every t in input.context.tools { t }", &["tools"]),
            ("x if y with data.z as input.context.stream", &["stream"]),
            ("# input.context\nx := \"input.context\"", &[]),
            ("my_input := 1\ninput_2 := data.input.context", &[]),
        ] {
            assert_eq!(context(text), fields, "{text}");
        }
    }

    #[test]
    fn every_other_way_in_is_the_whole_context() {
        let whole: Vec<_> = Field::ALL.map(Field::name).into();
        for text in [
            "x := input.context",
            "x := input",
            "x if input.context[data.name]",
            "x if input[data.name].stream",
            "x if data.a with input as {}",
            "x if data.a with input.context.stream as true",
            "import input.context as c",
            "import input as i",
            "x := count(input.context)",
            "x := object.get(input, \"context\", {})",
            "x := {\"a\": input}",
            "x if input.context.tenant == 1",
            "x if input.contextual",
            "x if input.prompt",
            "x if { some input in [1]; input.context }",
        ] {
            assert_eq!(context(text), whole, "{text}");
        }
    }

    #[test]
    fn tests_do_not_count() {
        let files = [
            ("a.rego", "package a\n\nx := input.context.stream\n"),
            ("a_test.rego", "package a\n\ntest_x if x with input as {}\n"),
        ];
        let program = Program::read(&Sources::of_files("", files)).unwrap();
        assert_eq!(of(&program), Footprint::NONE.with(Field::Stream));
    }
}
