//! `some … in` over what may be no collection: an error here, and nothing in OPA.
//!
//! Seen where the text shows what is iterated over: a literal, a place of the input or of
//! the files' data, or a variable that a statement before gives one of these. What a
//! function is given is seen by an evaluation alone; it is a denial then.

use regorus::Value;

use super::ast::{
    self, AssignOp, BoolOp, Expr, Literal, LiteralStmt, Query, Reference, Scope, Visitor,
};
use super::fault::Faults;
use super::program::{Callee, Program, Target};
use crate::input::{Shape, Shapes};

const GUARDS: [&str; 3] = ["is_array", "is_object", "is_set"];

/// Refuses it; `data` is what the files of the set give.
pub(super) fn check(program: &Program, data: &Value, faults: &mut Faults) {
    let shapes = Shapes::of_input();
    for (unit, rule) in program.nodes.iter().flat_map(|node| &node.rules) {
        // Tests ask with inputs and data of their own.
        if program.units[*unit].test {
            continue;
        }
        let mut loops = Loops {
            program,
            data,
            shapes: &shapes,
            unit: *unit,
            bodies: Vec::new(),
            faults,
        };
        ast::walk(rule, &mut loops);
    }
}

/// What the statements of a body have said so far.
#[derive(Default)]
struct Said {
    /// Of this, as it is written, that it is a collection.
    collections: Vec<String>,
    /// Names, and what was assigned to them.
    names: Vec<(String, Option<Shape>, String)>,
}

struct Loops<'a> {
    program: &'a Program,
    data: &'a Value,
    shapes: &'a Shapes,
    unit: usize,
    /// The innermost last.
    bodies: Vec<Said>,
    faults: &'a mut Faults,
}

impl Loops<'_> {
    /// `None`: the text does not tell.
    fn shape(&self, expr: &Expr, scope: &Scope<'_>) -> Option<Shape> {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => return Some(Shape::Single),
            _ => {}
        }
        let reference = Reference::of(expr)?;
        match self.program.resolve(self.unit, &reference, scope) {
            Target::Input(_) if !reference.is_static() => Some(Shape::Perhaps),
            Target::Input(path) => Some(self.shapes.at(&path).unwrap_or(Shape::Single)),
            Target::Data(path) if reference.is_static() => {
                let value = path
                    .iter()
                    .fold(self.data, |value, name| &value[name.as_str()]);
                match value {
                    Value::Undefined | Value::Array(_) | Value::Set(_) | Value::Object(_) => None,
                    _ => Some(Shape::Single),
                }
            }
            Target::Local if reference.steps.is_empty() => {
                self.assigned(reference.base).map(|(shape, _)| shape)
            }
            Target::Data(_) | Target::Local => None,
        }
    }

    /// What the name was assigned in this body or one around it, and how that is written.
    fn assigned(&self, name: &str) -> Option<(Shape, &str)> {
        let names = self.bodies.iter().rev().flat_map(|said| &said.names);
        let (_, shape, text) = names.clone().find(|(known, ..)| known == name)?;
        shape.map(|shape| (shape, &**text))
    }

    fn is_said(&self, expr: &Expr) -> bool {
        let text = written(expr);
        let of = Reference::of(expr)
            .filter(|reference| reference.steps.is_empty())
            .and_then(|reference| self.assigned(reference.base));
        let mut said = self.bodies.iter().flat_map(|said| &said.collections);
        said.any(|known| *known == text || of.is_some_and(|(_, of)| known == of))
    }

    /// What holds once the statement has held.
    fn learn(&mut self, expr: &Expr, scope: &Scope<'_>) {
        match expr {
            Expr::Call { fcn, params, .. } => {
                if let (Some(function), [of]) = (Reference::of(fcn), &params[..])
                    && let Callee::Builtin(name, _) = self.program.callee(self.unit, &function)
                    && GUARDS.contains(&name.as_str())
                {
                    self.note(|said| said.collections.push(written(of)));
                }
            }
            Expr::BoolExpr {
                op: BoolOp::Ne,
                lhs,
                rhs,
                ..
            } => {
                let of = match (&**lhs, &**rhs) {
                    (Expr::Null { .. }, of) | (of, Expr::Null { .. }) => of,
                    _ => return,
                };
                // Enough only for what is a list or null.
                let path = Reference::of(of).map(|it| self.program.resolve(self.unit, &it, scope));
                if let Some(Target::Input(path)) = path
                    && path.first().is_some_and(|name| name == "subject")
                {
                    self.note(|said| said.collections.push(written(of)));
                }
            }
            Expr::AssignExpr {
                op: AssignOp::ColEq,
                lhs,
                rhs,
                ..
            } => {
                if let Expr::Var { span, .. } = &**lhs {
                    let (name, shape) = (span.text().to_owned(), self.shape(rhs, scope));
                    self.note(|said| said.names.push((name, shape, written(rhs))));
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, note: impl FnOnce(&mut Said)) {
        if let Some(said) = self.bodies.last_mut() {
            note(said);
        }
    }
}

impl Visitor for Loops<'_> {
    fn expression(&mut self, _: &Expr, _: &Scope<'_>) -> bool {
        true
    }

    fn enter(&mut self, _: &Query) {
        self.bodies.push(Said::default());
    }

    fn leave(&mut self) {
        self.bodies.pop();
    }

    fn statement(&mut self, statement: &LiteralStmt, scope: &Scope<'_>) {
        // Under a `with` the input is another one.
        if !statement.with_mods.is_empty() {
            return;
        }
        match &statement.literal {
            Literal::Expr { expr, .. } => self.learn(expr, scope),
            Literal::SomeIn { collection, .. } => {
                let (what, mend) = match self.shape(collection, scope) {
                    Some(Shape::Single) => ("is no list and no object", "correct the name"),
                    Some(Shape::Perhaps) if !self.is_said(collection) => (
                        "may be no list and no object",
                        "test `is_array` of the very same in a statement before",
                    ),
                    _ => return,
                };
                self.faults.add(self.program.fault(
                    self.unit,
                    collection.span(),
                    format!(
                        "`{}` {what}: iterating over it is an error here, and finds nothing in OPA",
                        written(collection)
                    ),
                    mend,
                ));
            }
            _ => {}
        }
    }
}

fn written(expr: &Expr) -> String {
    expr.span().text().split_whitespace().collect()
}
