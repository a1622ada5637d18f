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
