//! Calls: of what is there, with as many arguments as it takes.
//!
//! regorus finds neither before it gets there, and what a body holds that is
//! never reached it does not find at all.

use super::ast::{self, Expr, Literal, LiteralStmt, Reference, Rule, Scope, Visitor};
use super::fault::Faults;
use super::program::{Callee, Program, parameters};

/// Refuses calls of nothing, calls with another number of arguments, functions
/// of several arities and `default` functions.
pub(super) fn check(program: &Program, faults: &mut Faults) {
    for (node, entry) in program.nodes.iter().enumerate() {
        for (unit, rule) in &entry.rules {
            definition(program, node, *unit, rule, faults);
            let mut calls = Calls {
                program,
                unit: *unit,
                statement: None,
                faults,
            };
            ast::walk(rule, &mut calls);
        }
    }
}

fn definition(program: &Program, node: usize, unit: usize, rule: &Rule, faults: &mut Faults) {
    let entry = &program.nodes[node];
    let Some(own) = parameters(rule) else {
        if program.is_function(node) {
            let reason = format!("{entry} is a function elsewhere");
            faults.add(program.fault(unit, rule.span(), reason, "name one of them otherwise"));
        }
        return;
    };
    if let Rule::Default { .. } = rule {
        faults.add(program.fault(
            unit,
            rule.span(),
            format!("{entry} is a `default` function, which the engines do not agree on"),
            "write the last clause's `else := …` for it",
        ));
    }
    let first = entry.rules.iter().find_map(|(_, rule)| parameters(rule));
    if let Some(first) = first.filter(|first| *first != own) {
        faults.add(program.fault(
            unit,
            rule.span(),
            format!("{entry} has {own} parameters here and {first} elsewhere"),
            "name one of them otherwise",
        ));
    }
}

struct Calls<'a> {
    program: &'a Program,
    unit: usize,
    /// The call that is a statement by itself: it may take its result as one
    /// more argument.
    statement: Option<*const Expr>,
    faults: &'a mut Faults,
}

impl Visitor for Calls<'_> {
    fn expression(&mut self, expr: &Expr, _: &Scope<'_>) -> bool {
        let Expr::Call {
            fcn, params, span, ..
        } = expr
        else {
            return true;
        };
        let by_itself = self.statement == Some(std::ptr::from_ref(expr));
        let mut fault = |reason: String, mend: &str| {
            let fault = self.program.fault(self.unit, span, reason, mend);
            self.faults.add(fault);
        };
        let Some(function) = Reference::of(fcn).filter(Reference::is_static) else {
            fault(
                "this cannot be called".to_owned(),
                "call a function by its name",
            );
            return true;
        };
        let (name, takes) = match self.program.callee(self.unit, &function) {
            Callee::Print => return true,
            Callee::Unknown(name) => {
                let (reason, mend) = unknown(&name);
                fault(reason, mend);
                return true;
            }
            Callee::Builtin(name, takes) => (name, takes),
            Callee::Rule(node) => {
                let entry = &self.program.nodes[node];
                let takes = entry.rules.iter().find_map(|(_, rule)| parameters(rule));
                (entry.to_string(), takes.unwrap_or_default())
            }
        };
        let given = params.len();
        if given != takes && !(by_itself && given == takes + 1) {
            fault(
                format!("`{name}` takes {} and is given {given}", arguments(takes)),
                "",
            );
        }
        true
    }

    fn statement(&mut self, statement: &LiteralStmt, _: &Scope<'_>) {
        self.statement = match &statement.literal {
            Literal::Expr { expr, .. } => Some(std::ptr::from_ref::<Expr>(expr)),
            _ => None,
        };
    }
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no argument".to_owned(),
        1 => "1 argument".to_owned(),
        more => format!("{more} arguments"),
    }
}

fn unknown(name: &str) -> (String, &'static str) {
    let missing = || format!("`{name}` is not in this engine");
    match name.split('.').next().unwrap_or_default() {
        "http" => (
            format!("`{name}` reaches out of the gateway"),
            "put what it would fetch into data.json or the store",
        ),
        "opa" => (
            format!("`{name}` tells of the process, which is no business of a policy"),
            "put what it would tell into data.json",
        ),
        "io" => (
            missing(),
            "tokens are verified by gate 1; read `input.subject`",
        ),
        "crypto" | "graphql" | "providers" | "rego" | "graph" | "walk" | "net" | "regex"
        | "json" | "strings" | "semver" | "time" | "uuid" | "numbers" | "object" => (
            missing(),
            "do without it, or compute it outside and put it into data.json",
        ),
        _ => (
            format!("`{name}` is neither a function of this set nor a built-in one"),
            "define it, or correct the name",
        ),
    }
}
