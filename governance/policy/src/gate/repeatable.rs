//! What gives another answer to the same question.

use super::ast::{self, Expr, Reference, Scope, Visitor, WithModifier};
use super::fault::Faults;
use super::program::{Callee, Program};
use crate::set::Sources;

/// A comment of its own line in a policy file: decisions of this set are not
/// to be kept, and so it may ask for the time and for random numbers.
const MARK: &str = "# lattice: not-cacheable";

/// Built-in functions that may answer differently each time.
const VOLATILE: [&str; 5] = [
    "time.now_ns",
    "rand.intn",
    "uuid.rfc4122",
    "opa.runtime",
    "http.send",
];

/// Whether a policy file of `sources` carries the mark.
pub(super) fn is_marked(sources: &Sources) -> bool {
    let lines = |text: &str| text.lines().any(|line| line.trim() == MARK);
    sources.policies.iter().any(|file| lines(&file.text))
}

/// Refuses volatile functions in policies of a set that is not marked. Tests
/// may call them: nothing that they answer is kept.
pub(super) fn check(program: &Program, marked: bool, faults: &mut Faults) {
    if marked {
        return;
    }
    for node in &program.nodes {
        for (unit, rule) in &node.rules {
            if !program.units[*unit].test {
                let mut calls = Calls {
                    program,
                    unit: *unit,
                    faults,
                };
                ast::walk(rule, &mut calls);
            }
        }
    }
}

struct Calls<'a> {
    program: &'a Program,
    unit: usize,
    faults: &'a mut Faults,
}

impl Calls<'_> {
    fn function(&mut self, function: &Reference<'_>) {
        let Callee::Builtin(name, _) = self.program.callee(self.unit, function) else {
            return;
        };
        if VOLATILE.contains(&name.as_str()) {
            self.faults.add(self.program.fault(
                self.unit,
                function.span,
                format!("`{name}` may answer differently each time, and decisions are kept"),
                format!(
                    "use `input.context.weekday` and `.minute_of_day`, or give the file the line `{MARK}`"
                ),
            ));
        }
    }
}

impl Visitor for Calls<'_> {
    fn expression(&mut self, expr: &Expr, _: &Scope<'_>) -> bool {
        if let Expr::Call { fcn, .. } = expr
            && let Some(function) = Reference::of(fcn)
        {
            self.function(&function);
        }
        true
    }

    fn replaced(&mut self, with: &WithModifier, _: &Scope<'_>) {
        if let Some(mock) = Reference::of(&with.r#as) {
            self.function(&mock);
        }
    }
}
