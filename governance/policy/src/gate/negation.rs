//! `not` over a call whose argument may be undefined.
//!
//! OPA takes such an argument out of the `not` and evaluates it first, so that
//! what it makes of `not startswith(input.name, "a")` without a name is
//! undefined; the engine here makes it true. A set that depends on it decides
//! differently in the two, and here it is the less strict of them.
//!
//! `==` and `=` are left alone: OPA unifies their sides inside of the `not`.

use regorus::Value;

use super::ast::{
    self, BoolOp, Expr, Literal, LiteralStmt, Reference, Rule, RuleHead, Scope, Step, Visitor,
};
use super::fault::Faults;
use super::program::{Callee, Program, Target};

/// Built-in functions that have an answer to every argument.
const TOTAL: [&str; 9] = [
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "type_name",
    "json.marshal",
];

/// Refuses it; `data` is what the files of the set give.
pub(super) fn check(program: &Program, data: &Value, faults: &mut Faults) {
    for node in &program.nodes {
        for (unit, rule) in &node.rules {
            let mut negations = Negations {
                program,
                data,
                unit: *unit,
                faults,
            };
            ast::walk(rule, &mut negations);
        }
    }
}

struct Negations<'a> {
    program: &'a Program,
    data: &'a Value,
    unit: usize,
    faults: &'a mut Faults,
}

impl Visitor for Negations<'_> {
    fn expression(&mut self, _: &Expr, _: &Scope<'_>) -> bool {
        true
    }

    fn statement(&mut self, statement: &LiteralStmt, scope: &Scope<'_>) {
        if let Literal::NotExpr { expr, .. } = &statement.literal {
            self.negated(expr, scope);
        }
    }
}

impl Negations<'_> {
    /// What stands right after `not`: it may be undefined itself.
    fn negated(&mut self, expr: &Expr, scope: &Scope<'_>) {
        match expr {
            Expr::BoolExpr {
                op: BoolOp::Eq,
                lhs,
                rhs,
                ..
            }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.side(lhs, scope);
                self.side(rhs, scope);
            }
            Expr::Call { params, .. } => params.iter().for_each(|param| self.inner(param, scope)),
            Expr::RefDot { .. } | Expr::RefBrack { .. } | Expr::Var { .. } => {
                self.side(expr, scope);
            }
            _ => ast::terms(expr)
                .into_iter()
                .for_each(|term| self.inner(term, scope)),
        }
    }

    /// A side of `==`, which may be undefined itself where it is a reference.
    fn side(&mut self, expr: &Expr, scope: &Scope<'_>) {
        match Reference::of(expr) {
            Some(reference) => self.selectors(&reference, scope),
            None => self.inner(expr, scope),
        }
    }

    fn selectors(&mut self, reference: &Reference<'_>, scope: &Scope<'_>) {
        for step in &reference.steps {
            if let Step::Any(index) = step {
                self.inner(index, scope);
            }
        }
    }

    /// What OPA would take out of the `not`, unless it is certainly defined.
    fn inner(&mut self, expr: &Expr, scope: &Scope<'_>) {
        let certain = match expr {
            Expr::Call { .. } => self.is_total(expr, scope),
            Expr::BoolExpr { .. } | Expr::ArithExpr { .. } | Expr::BinExpr { .. } => {
                ast::terms(expr).into_iter().all(is_literal)
            }
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                match Reference::of(expr) {
                    Some(reference) => self.is_defined(&reference, scope),
                    None => false,
                }
            }
            _ => true,
        };
        if certain {
            let made_of_values = !matches!(
                expr,
                Expr::Call { .. } | Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. }
            );
            if made_of_values {
                ast::terms(expr)
                    .into_iter()
                    .for_each(|term| self.inner(term, scope));
            }
            return;
        }
        self.faults.add(self.program.fault(
            self.unit,
            expr.span(),
            format!(
                "`{}` inside of a `not` may be undefined, and then OPA decides otherwise than the gateway",
                excerpt(expr)
            ),
            "bind it to a variable in a statement before, or give the call a rule of its own and negate that",
        ));
    }

    fn is_total(&self, expr: &Expr, scope: &Scope<'_>) -> bool {
        let Expr::Call { fcn, params, .. } = expr else {
            return false;
        };
        let Some(Callee::Builtin(name, _)) =
            Reference::of(fcn).map(|function| self.program.callee(self.unit, &function))
        else {
            return false;
        };
        let total = TOTAL.contains(&name.as_str());
        params.iter().all(|param| {
            let countable = name == "count" && self.is_collection(param, scope);
            countable
                || (total
                    && (is_literal(param)
                        || matches!(&**param, Expr::Var { span, .. } if scope.has(span.text()))))
        })
    }

    /// Whether `count` has an answer to it.
    fn is_collection(&self, expr: &Expr, scope: &Scope<'_>) -> bool {
        match expr {
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => true,
            Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => is_literal(expr),
            _ => Reference::of(expr).is_some_and(|reference| {
                matches!(
                    self.program.resolve(self.unit, &reference, scope),
                    Target::Data(path) if reference.is_static() && self.is_partial(&path)
                )
            }),
        }
    }

    fn is_defined(&self, reference: &Reference<'_>, scope: &Scope<'_>) -> bool {
        if !reference.is_static() {
            return false;
        }
        match self.program.resolve(self.unit, reference, scope) {
            // Selecting from a variable is a reference; the variable itself
            // was bound, or the statement before it fails.
            Target::Local => reference.steps.is_empty(),
            Target::Input(path) => path.is_empty(),
            Target::Data(path) => {
                self.is_partial(&path) || self.is_constant(&path) || self.is_given(&path)
            }
        }
    }

    /// Whether it is a partial set or object, which is at least empty.
    fn is_partial(&self, path: &[String]) -> bool {
        self.rules(path).is_some_and(|rules| {
            rules.iter().any(|rule| {
                matches!(
                    rule,
                    Rule::Spec {
                        head: RuleHead::Set { .. },
                        ..
                    }
                )
            })
        })
    }

    /// Whether it has a value whatever the input is.
    fn is_constant(&self, path: &[String]) -> bool {
        self.rules(path).is_some_and(|rules| {
            rules.iter().any(|rule| match rule {
                Rule::Default { args, .. } => args.is_empty(),
                Rule::Spec {
                    head: RuleHead::Compr { refr, assign, .. },
                    bodies,
                    ..
                } => {
                    let value = assign
                        .as_ref()
                        .is_none_or(|assign| is_literal(&assign.value));
                    let fixed = Reference::of(refr).is_some_and(|name| name.is_static());
                    value && fixed && bodies.is_empty()
                }
                Rule::Spec { .. } => false,
            })
        })
    }

    fn rules(&self, path: &[String]) -> Option<Vec<&Rule>> {
        let node = self.program.node(path)?;
        let rules = self.program.nodes[node].rules.iter();
        Some(rules.map(|(_, rule)| &**rule).collect())
    }

    /// Whether files of the set give it.
    fn is_given(&self, path: &[String]) -> bool {
        let value = path
            .iter()
            .fold(self.data, |value, name| &value[name.as_str()]);
        *value != Value::Undefined
    }
}

/// Whether it is written out.
fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. } => true,
        Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => {
            ast::terms(expr).into_iter().all(is_literal)
        }
        _ => false,
    }
}

fn excerpt(expr: &Expr) -> String {
    let text = expr.span().text();
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    let mut short: String = line.chars().take(60).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}
