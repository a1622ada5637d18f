//! Which way through a rule holds, and which statement of it is the first that
//! does not.
//!
//! regorus traces neither, so the question is put to it in Rego: the rule's
//! value and body as a comprehension, as a rule of its own in the same package
//! under the same imports. The list is empty where the body does not hold, and
//! a body that is cut after each statement in turn shows where it ends. Only
//! rules without parameters can be asked: a function's body holds for some
//! arguments and not for others.

use regorus::{Engine, Value};

use super::explain::Statement;
use super::{Place, Project};
use crate::gate;
use crate::gate::ast::{
    Expr, LiteralStmt, Rule, RuleAssign, RuleHead, position, written, written_after,
};
use crate::gate::program::{TestRule, Unit, display, parameters};

/// No rule of a set is called so by accident.
const NAME: &str = "__lattice_probe";

/// One way in which a rule comes to a value: its body, or one of its `else`s.
pub(super) struct Branch<'a> {
    /// As it is written; `true` where the head gives none.
    value: &'a str,
    pub(super) statements: &'a [LiteralStmt],
}

/// The branches of `rule`, in the order in which they are tried; none for a
/// function or a default.
pub(super) fn branches(rule: &Rule) -> Vec<Branch<'_>> {
    let Rule::Spec { head, bodies, .. } = rule else {
        return Vec::new();
    };
    if parameters(rule).is_some() {
        return Vec::new();
    }
    let head = match head {
        RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => {
            assign.as_ref().map(assigned)
        }
        RuleHead::Set { refr, key, .. } => key.as_ref().map(|key| contained(refr, key)),
    };
    let head = head.unwrap_or("true");
    let mut branches: Vec<Branch<'_>> = bodies
        .iter()
        .map(|body| Branch {
            value: match &body.assign {
                Some(assign) => assigned(assign),
                None if body.is_else => "true",
                None => head,
            },
            statements: &body.query.stmts,
        })
        .collect();
    if bodies.first().is_none_or(|body| body.is_else) {
        let first = Branch {
            value: head,
            statements: &[],
        };
        branches.insert(0, first);
    }
    branches
}

/// The text of a value. Its own span would not do: that of an object begins at
/// its last member.
fn assigned(assign: &RuleAssign) -> &str {
    let text = written(&assign.span, &assign.span);
    text.trim_start_matches([':', '='])
}

fn contained<'a>(name: &'a Expr, key: &Expr) -> &'a str {
    let text = written_after(name.span(), key.span()).trim_start();
    text.strip_prefix("contains").unwrap_or(text)
}

impl Branch<'_> {
    /// A comprehension of the values, over the first `length` statements.
    fn comprehension(&self, value: &str, length: usize) -> String {
        let statements = self.statements.get(..length).unwrap_or_default();
        let body = match (statements.first(), statements.last()) {
            (Some(first), Some(last)) => written(&first.span, &last.span),
            _ => "true",
        };
        // The body may end in a comment, and the value in what would take the
        // bar for an operator.
        format!("[{NAME}_value | {body}\n{NAME}_value := {value}\n]")
    }

    /// The values that the branch gives; none where it does not hold, or that
    /// cannot be told.
    pub(super) fn values(&self, unit: &Unit, engine: &Engine) -> Option<Vec<Value>> {
        let text = self.comprehension(self.value, self.statements.len());
        ask(unit, engine, &text)
    }

    /// Of a branch that does not hold, the first statement that is to blame.
    pub(super) fn failing(&self, unit: &Unit, engine: &Engine) -> Option<&LiteralStmt> {
        let mut holding = 0;
        for length in 1..self.statements.len() {
            // A statement may need one that is written after it.
            match ask(unit, engine, &self.comprehension("1", length)) {
                Some(values) if values.is_empty() => return self.statements.get(length - 1),
                Some(_) => holding = length,
                None => {}
            }
        }
        // All but the last hold, so it is the last; else it is one of several.
        let last = self.statements.len().checked_sub(1)?;
        (holding == last).then(|| self.statements.get(last))?
    }
}

/// What the comprehension `text` is in the package of `unit`.
fn ask(unit: &Unit, engine: &Engine, text: &str) -> Option<Vec<Value>> {
    let package = unit.module.package.refr.span().text();
    let imports: String = unit
        .module
        .imports
        .iter()
        .map(|import| format!("{}\n", import.span.text()))
        .collect();
    let module = format!("package {package}\n{imports}\n{NAME} := {text}\n");
    gate::check_nesting(NAME, &module).ok()?;
    let mut engine = engine.clone();
    engine.add_policy(NAME.to_owned(), module).ok()?;
    let path = unit.package.iter().map(String::as_str).chain([NAME]);
    match engine.eval_rule(display(path)).ok()? {
        Value::Array(values) => Some(values.iter().cloned().collect()),
        _ => None,
    }
}

/// Where the test fails, if it is one rule with one body.
pub(super) fn of_test(project: &Project<'_>, test: &TestRule) -> Option<Statement> {
    let path: Vec<String> = test
        .package
        .iter()
        .cloned()
        .chain([test.name.clone()])
        .collect();
    let [(unit, rule)] = &*project.program.nodes[project.program.node(&path)?].rules else {
        return None;
    };
    let unit = &project.program.units[*unit];
    let branches = branches(rule);
    let [branch] = &branches[..] else { return None };
    let mut engine = project.engine.clone();
    gate::limit(&mut engine);
    engine.set_input(Value::new_object());
    let statement = branch.failing(unit, &engine)?;
    Some(Statement {
        place: place(unit, statement),
        text: written(&statement.span, &statement.span).to_owned(),
        facts: Vec::new(),
    })
}

/// Where `statement` begins.
pub(super) fn place(unit: &Unit, statement: &LiteralStmt) -> Place {
    let at = position(&statement.span);
    Place {
        file: unit.file.clone(),
        row: at.line,
        col: at.column,
    }
}
