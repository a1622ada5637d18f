//! Imports and variables that nothing reads. They do no harm, so they are
//! warnings; often enough the name was meant to be another.

use std::collections::BTreeMap;

use super::ast::{
    self, AssignOp, Expr, Literal, LiteralStmt, Rule, Scope, Span, Visitor, WithModifier,
};
use super::fault::Faults;
use super::program::Program;

/// Warns of them.
pub(super) fn check(program: &Program, faults: &mut Faults) {
    for (number, unit) in program.units.iter().enumerate() {
        let mut used = Names::default();
        for rule in &unit.module.policy {
            let mut names = Names::default();
            ast::walk(rule, &mut names);
            variables(program, number, &names, faults);
            used.collect(names);
            used.heads(rule);
        }
        for (alias, _, span) in &unit.imports {
            if !used.seen.contains_key(alias) {
                let reason = format!("nothing uses the import `{alias}`");
                faults.add(
                    program
                        .fault(number, span, reason, "leave it out")
                        .warning(),
                );
            }
        }
    }
}

fn variables(program: &Program, unit: usize, names: &Names, faults: &mut Faults) {
    for (name, span) in &names.declared {
        let once = names.seen.get(name).is_none_or(|count| *count <= 1);
        if once && !name.starts_with('_') {
            let reason = format!("nothing reads the variable `{name}`");
            faults.add(
                program
                    .fault(unit, span, reason, "name it `_`, or leave it out")
                    .warning(),
            );
        }
    }
}

/// How often each name is written, and which are declared where.
#[derive(Default)]
struct Names {
    seen: BTreeMap<String, usize>,
    declared: Vec<(String, Span)>,
}

impl Names {
    fn see(&mut self, name: &str) {
        *self.seen.entry(name.to_owned()).or_default() += 1;
    }

    fn collect(&mut self, others: Self) {
        for (name, count) in others.seen {
            *self.seen.entry(name).or_default() += count;
        }
    }

    /// Names in functions' paths, which the walk leaves out.
    fn heads(&mut self, rule: &Rule) {
        super::program::name(rule)
            .into_iter()
            .for_each(|name| self.see(name));
    }

    fn declare(&mut self, pattern: &Expr) {
        match pattern {
            Expr::Var { span, .. } => {
                self.declared.push((span.text().to_owned(), span.clone()));
            }
            _ => ast::terms(pattern)
                .into_iter()
                .for_each(|term| self.declare(term)),
        }
    }
}

impl Visitor for Names {
    fn expression(&mut self, expr: &Expr, _: &Scope<'_>) -> bool {
        match expr {
            Expr::Var { span, .. } => self.see(span.text()),
            Expr::Call { fcn, .. } => {
                if let Some(function) = ast::Reference::of(fcn) {
                    self.see(function.base);
                }
            }
            _ => {}
        }
        true
    }

    fn statement(&mut self, statement: &LiteralStmt, _: &Scope<'_>) {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => {
                for var in vars {
                    self.see(var.text());
                    self.declared.push((var.text().to_owned(), var.clone()));
                }
            }
            Literal::Expr { expr, .. } => {
                if let Expr::AssignExpr {
                    op: AssignOp::ColEq,
                    lhs,
                    ..
                } = &**expr
                {
                    self.declare(lhs);
                }
            }
            Literal::SomeIn { .. } | Literal::NotExpr { .. } | Literal::Every { .. } => {}
        }
    }

    fn replaced(&mut self, with: &WithModifier, _: &Scope<'_>) {
        if let Some(target) = ast::Reference::of(&with.refr) {
            self.see(target.base);
        }
    }
}
