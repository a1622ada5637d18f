//! Which lines of a project an evaluation reached.
//!
//! Counted are the lines on which a statement of a body or the value of a head
//! begins, whatever they are of: what OPA counts, except that it counts heads
//! without a value too, which regorus does not trace.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Engine;

use crate::gate::ast::{self, Expr, Literal, LiteralStmt, Rule, RuleHead, Scope, Visitor};
use crate::gate::program::Program;

/// Of all files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Coverage {
    /// By name.
    pub files: BTreeMap<String, FileCoverage>,
}

/// Of one file: lines, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileCoverage {
    /// Reached.
    pub covered: BTreeSet<u32>,
    /// Not reached.
    pub not_covered: BTreeSet<u32>,
}

impl FileCoverage {
    /// 0 to 100; 0 where there is no line to reach.
    #[must_use]
    pub fn percent(&self) -> f64 {
        percent(self.covered.len(), self.not_covered.len())
    }
}

impl Coverage {
    /// Lines of all files that were reached, and that were not.
    #[must_use]
    pub fn lines(&self) -> (usize, usize) {
        self.files.values().fold((0, 0), |(covered, not), file| {
            (covered + file.covered.len(), not + file.not_covered.len())
        })
    }

    /// 0 to 100, of the lines of all files.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let (covered, not_covered) = self.lines();
        percent(covered, not_covered)
    }
}

#[expect(clippy::cast_precision_loss, reason = "files have few lines")]
fn percent(covered: usize, not_covered: usize) -> f64 {
    match covered + not_covered {
        0 => 0.0,
        all => 100.0 * covered as f64 / all as f64,
    }
}

/// What `engine` has reached of `program` since it began to note that.
pub(super) fn of(program: &Program, engine: &Engine) -> Coverage {
    let reached = reached(engine);
    let files = program.units.iter().map(|unit| {
        let mut lines = BTreeSet::new();
        unit.module
            .policy
            .iter()
            .for_each(|rule| lines.extend(lines_of(rule)));
        let none = BTreeSet::new();
        let reached = reached.get(&unit.file).unwrap_or(&none);
        let (covered, not_covered) = lines.into_iter().partition(|line| reached.contains(line));
        let file = FileCoverage {
            covered,
            not_covered,
        };
        (unit.file.clone(), file)
    });
    Coverage {
        files: files.collect(),
    }
}

/// Lines of every file on which an expression was evaluated.
pub(super) fn reached(engine: &Engine) -> BTreeMap<String, BTreeSet<u32>> {
    let files = engine.get_coverage_report().map(|report| report.files);
    files
        .unwrap_or_default()
        .into_iter()
        .map(|file| (file.path, file.covered))
        .collect()
}

/// The lines of `rule` that can be reached.
pub(super) fn lines_of(rule: &Rule) -> BTreeSet<u32> {
    let mut lines = Lines(BTreeSet::new());
    ast::walk(rule, &mut lines);
    let value = match rule {
        Rule::Default { value, .. } => Some(value),
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => {
                assign.as_ref().map(|assign| &assign.value)
            }
            RuleHead::Set { key, .. } => key.as_ref(),
        },
    };
    lines.0.extend(value.map(|value| value.span().line));
    lines.0
}

struct Lines(BTreeSet<u32>);

impl Visitor for Lines {
    fn expression(&mut self, _: &Expr, _: &Scope<'_>) -> bool {
        true
    }

    fn statement(&mut self, statement: &LiteralStmt, _: &Scope<'_>) {
        let line = match &statement.literal {
            Literal::SomeVars { .. } => return,
            Literal::SomeIn { collection, .. } => collection.span().line,
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => expr.span().line,
            Literal::Every { domain, .. } => domain.span().line,
        };
        self.0.insert(line);
    }
}
