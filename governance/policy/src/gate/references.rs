//! Names below `data` that nothing provides, and places that two provide.

use regorus::Value;

use super::ast::{self, Expr, Reference, Scope, Span, Visitor, WithModifier};
use super::fault::{Fault, Faults, Position};
use super::program::{Path, Program, Target, display};
use crate::set::STORE;

const ENTRY_POINT: [&str; 3] = ["lattice", "authz", "decision"];

/// Refuses references to what neither a rule nor the files' `data` nor the
/// store provides, and rules where data are.
pub(super) fn check(program: &Program, data: &Value, faults: &mut Faults) {
    for node in &program.nodes {
        if let Some(what) = taken(&node.path, data) {
            let (unit, rule) = &node.rules[0];
            faults.add(program.fault(
                *unit,
                rule.span(),
                format!("{node} is a rule, and {what} has the same place"),
                "name one of them otherwise",
            ));
        }
    }
    let mut mocked = Mocked {
        program,
        unit: 0,
        paths: Vec::new(),
    };
    each_rule(program, |unit, rule| {
        mocked.unit = unit;
        ast::walk(rule, &mut mocked);
    });
    let mut missing = Missing {
        program,
        data,
        mocked: &mocked.paths,
        unit: 0,
        reported: Vec::new(),
        faults,
    };
    for (number, unit) in program.units.iter().enumerate() {
        missing.unit = number;
        for (_, target, span) in &unit.imports {
            if let Target::Data(path) = target {
                missing.look(path, span);
            }
        }
    }
    each_rule(program, |unit, rule| {
        missing.unit = unit;
        ast::walk(rule, &mut missing);
    });
}

fn each_rule(program: &Program, mut with: impl FnMut(usize, &ast::Rule)) {
    for (unit, rule) in program.nodes.iter().flat_map(|node| &node.rules) {
        with(*unit, rule);
    }
}

/// Refuses a set without the entry point.
pub(super) fn check_entry_point(program: &Program, faults: &mut Faults) {
    let node = program.node(&ENTRY_POINT.map(str::to_owned));
    let served = node.is_some_and(|node| {
        let mut rules = program.nodes[node].rules.iter();
        rules.any(|(unit, _)| !program.units[*unit].test) && !program.is_function(node)
    });
    if !served {
        let package = ["lattice".to_owned(), "authz".to_owned()];
        let units = || program.units.iter().filter(|unit| !unit.test);
        let unit = units()
            .find(|unit| unit.package == package)
            .or_else(|| units().next());
        faults.add(Fault::at(
            unit.map_or("*.rego", |unit| &unit.file),
            unit.map_or_else(Default::default, |unit| ast::position(&unit.module.package.span)),
            "the set has no rule data.lattice.authz.decision, which the gateway asks for",
            "give package lattice.authz a rule `decision := {\"allow\": …, \"deny\": …, \"obligations\": …}`",
        ));
    }
}

/// Where the entry point of a set that has one is: its file and place.
pub(super) fn entry_point(program: &Program) -> (String, Position) {
    let node = program.node(&ENTRY_POINT.map(str::to_owned));
    let rules = node.map(|node| &program.nodes[node].rules);
    let served = rules.and_then(|rules| rules.iter().find(|(unit, _)| !program.units[*unit].test));
    served.map_or_else(Default::default, |(unit, rule)| {
        (
            program.units[*unit].file.clone(),
            ast::position(rule.span()),
        )
    })
}

/// Who has the place of the rule `path`, other than rules.
fn taken(path: &[String], data: &Value) -> Option<&'static str> {
    if overlaps(path, &STORE) {
        return Some("the store");
    }
    let mut value = data;
    for name in path {
        match value {
            Value::Undefined => return None,
            Value::Object(_) => value = &value[name.as_str()],
            _ => return Some("a data file"),
        }
    }
    (*value != Value::Undefined).then_some("a data file")
}

fn overlaps(a: &[impl AsRef<str>], b: &[impl AsRef<str>]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.as_ref() == b.as_ref())
}

/// Collects what a `with` puts somewhere.
struct Mocked<'a> {
    program: &'a Program,
    unit: usize,
    paths: Vec<Path>,
}

impl Visitor for Mocked<'_> {
    fn expression(&mut self, _: &Expr, _: &Scope<'_>) -> bool {
        true
    }

    fn replaced(&mut self, with: &WithModifier, scope: &Scope<'_>) {
        if let Some(reference) = Reference::of(&with.refr)
            && let Target::Data(path) = self.program.resolve(self.unit, &reference, scope)
        {
            self.paths.push(path);
        }
    }
}

struct Missing<'a> {
    program: &'a Program,
    data: &'a Value,
    mocked: &'a [Path],
    unit: usize,
    reported: Vec<(usize, Path)>,
    faults: &'a mut Faults,
}

impl Missing<'_> {
    fn look(&mut self, path: &[String], span: &Span) {
        if self.provided(path) || self.is_reported(path) {
            return;
        }
        self.reported.push((self.unit, path.to_vec()));
        self.faults.add(self.program.fault(
            self.unit,
            span,
            format!(
                "{} is provided by no rule and no data file of the set",
                display(path.iter().map(String::as_str))
            ),
            "correct the name, or add it to data.json",
        ));
    }

    fn provided(&self, path: &[String]) -> bool {
        overlaps(path, &STORE)
            || self.program.around(path).next().is_some()
            || self
                .program
                .units
                .iter()
                .any(|unit| unit.package.starts_with(path))
            || self.mocked.iter().any(|mocked| overlaps(mocked, path))
            || self.given(path)
    }

    fn given(&self, path: &[String]) -> bool {
        let mut value = self.data;
        for name in path {
            match value {
                Value::Object(_) => value = &value[name.as_str()],
                // A selector that reads like a name, into something else.
                _ => return *value != Value::Undefined,
            }
        }
        *value != Value::Undefined
    }

    fn is_reported(&self, path: &[String]) -> bool {
        self.reported
            .iter()
            .any(|(unit, reported)| *unit == self.unit && path.starts_with(reported))
    }
}

impl Visitor for Missing<'_> {
    fn expression(&mut self, expr: &Expr, scope: &Scope<'_>) -> bool {
        let Some(reference) = Reference::of(expr) else {
            return true;
        };
        if let Target::Data(path) = self.program.resolve(self.unit, &reference, scope) {
            self.look(&path, reference.span);
        }
        ast::selectors(&reference, scope, self);
        false
    }
}
