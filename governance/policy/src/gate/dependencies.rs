//! Which rules need which, and what that rules out: rules that need themselves,
//! and chains of rules that are too long.
//!
//! regorus meets either with a stack overflow, which ends the process, so
//! nothing may be compiled or evaluated before this has passed.

use std::collections::BTreeSet;

use super::ast::{self, Expr, Literal, LiteralStmt, Reference, Scope, Visitor, WithModifier};
use super::fault::Faults;
use super::program::{Callee, Program, Target};

/// Levels of evaluation that one decision may need: the statements and the
/// height of every rule on the way to the deepest one.
const LEVELS: usize = 600;
/// Cycles that are looked for: one of them keeps the set from serving.
const CYCLES: usize = 16;
/// What coming to a rule takes, in levels of expressions.
const ENTRY: usize = 3;

/// What one node asks for.
#[derive(Default)]
struct Needs {
    nodes: BTreeSet<usize>,
    /// Functions that it names without calling them, for a `with`.
    mocks: BTreeSet<usize>,
    /// Levels of evaluation of its own.
    levels: usize,
}

/// Refuses recursion, and chains of rules beyond what a stack holds.
pub(super) fn check(program: &Program, faults: &mut Faults) {
    let needs: Vec<Needs> = (0..program.nodes.len())
        .map(|node| needs(program, node))
        .collect();
    let mut search = Search::new(&needs);
    for node in 0..needs.len() {
        if search.cycles.len() < CYCLES {
            search.visit(node);
        }
    }
    for cycle in &search.cycles {
        recursion(program, cycle, faults);
    }
    if !search.cycles.is_empty() {
        return;
    }
    let levels = |node: usize| match search.states[node] {
        State::Done(levels) => levels,
        State::Unseen | State::Open => 0,
    };
    let deepest = (0..needs.len()).max_by_key(|node| levels(*node));
    if let Some(node) = deepest.filter(|node| levels(*node) > LEVELS) {
        let (unit, rule) = &program.nodes[node].rules[0];
        faults.add(program.fault(
            *unit,
            rule.span(),
            format!(
                "the rules that {} needs, one by the other, take {} levels of evaluation, and {LEVELS} is the limit",
                program.nodes[node],
                levels(node)
            ),
            "make the chain of rules shorter, or their bodies",
        ));
    }
}

/// The nodes of a set that passed, each after all that it needs.
pub(super) fn order(program: &Program) -> Vec<usize> {
    let needs: Vec<Needs> = (0..program.nodes.len())
        .map(|node| needs(program, node))
        .collect();
    let mut search = Search::new(&needs);
    (0..needs.len()).for_each(|node| search.visit(node));
    search.done
}

fn recursion(program: &Program, cycle: &[usize], faults: &mut Faults) {
    let names: Vec<String> = cycle
        .iter()
        .chain(&cycle[..1])
        .take(8)
        .map(|node| program.nodes[*node].to_string())
        .collect();
    let what = if program.is_function(cycle[0]) {
        "function"
    } else {
        "rule"
    };
    let (unit, rule) = &program.nodes[cycle[0]].rules[0];
    faults.add(program.fault(
        *unit,
        rule.span(),
        format!("the {what} needs itself: {}", names.join(" needs ")),
        "Rego has no recursion; for trees, use data that lists the ancestors",
    ));
}

fn needs(program: &Program, node: usize) -> Needs {
    let mut needs = Needs::default();
    for (unit, rule) in &program.nodes[node].rules {
        let mut collector = Collector {
            program,
            unit: *unit,
            needs: &mut needs,
            loops: 0,
        };
        ast::walk(rule, &mut collector);
        let levels = ENTRY + collector.loops + ast::height(rule);
        needs.levels = needs.levels.max(levels);
    }
    needs
}

struct Collector<'a> {
    program: &'a Program,
    unit: usize,
    needs: &'a mut Needs,
    /// What follows a loop in a body runs inside of it.
    loops: usize,
}

impl Collector<'_> {
    fn reference(&mut self, reference: &Reference<'_>, scope: &Scope<'_>) {
        if let Target::Data(path) = self.program.resolve(self.unit, reference, scope) {
            for node in self.program.around(&path) {
                if !self.program.is_function(node) {
                    self.needs.nodes.insert(node);
                } else if self.program.nodes[node].path == path {
                    self.needs.mocks.insert(node);
                }
            }
        }
        let steps = reference.steps.iter();
        let variable = |step: &&ast::Step<'_>| matches!(step, ast::Step::Any(_));
        self.loops += steps.filter(variable).count();
    }
}

impl Visitor for Collector<'_> {
    fn expression(&mut self, expr: &Expr, scope: &Scope<'_>) -> bool {
        if let Expr::Call { fcn, .. } = expr {
            if let Some(function) = Reference::of(fcn)
                && let Callee::Rule(node) = self.program.callee(self.unit, &function)
            {
                self.needs.nodes.insert(node);
            }
            return true;
        }
        let Some(reference) = Reference::of(expr) else {
            return true;
        };
        self.reference(&reference, scope);
        // The walk itself would go on to shorter references, which mean more
        // than is read.
        ast::selectors(&reference, scope, self);
        false
    }

    fn statement(&mut self, statement: &LiteralStmt, _: &Scope<'_>) {
        let loops = matches!(
            statement.literal,
            Literal::SomeIn { .. } | Literal::Every { .. }
        );
        self.loops += usize::from(loops);
    }

    fn replaced(&mut self, with: &WithModifier, scope: &Scope<'_>) {
        if let Some(mock) = Reference::of(&with.r#as)
            && !scope.has(mock.base)
            && let Callee::Rule(node) = self.program.callee(self.unit, &mock)
        {
            self.needs.mocks.insert(node);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Unseen,
    Open,
    /// With the levels that it needs, itself included.
    Done(usize),
}

/// Depth first, without calling itself.
struct Search<'a> {
    needs: &'a [Needs],
    states: Vec<State>,
    cycles: Vec<Vec<usize>>,
    done: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(needs: &'a [Needs]) -> Self {
        Self {
            needs,
            states: vec![State::Unseen; needs.len()],
            cycles: Vec::new(),
            done: Vec::new(),
        }
    }

    fn visit(&mut self, from: usize) {
        if self.states[from] != State::Unseen {
            return;
        }
        let mut path: Vec<(usize, Vec<usize>)> = Vec::new();
        self.enter(from, &mut path);
        while let Some((node, left)) = path.last_mut() {
            if self.cycles.len() == CYCLES {
                return;
            }
            let node = *node;
            let Some(next) = left.pop() else {
                self.states[node] = State::Done(self.levels(node));
                self.done.push(node);
                path.pop();
                continue;
            };
            match self.states[next] {
                State::Unseen => self.enter(next, &mut path),
                State::Open => {
                    let start = path.iter().position(|(open, _)| *open == next);
                    let cycle = path[start.unwrap_or(0)..].iter().map(|(node, _)| *node);
                    self.cycles.push(cycle.collect());
                }
                State::Done(_) => {}
            }
        }
    }

    fn enter(&mut self, node: usize, path: &mut Vec<(usize, Vec<usize>)>) {
        self.states[node] = State::Open;
        let needs = &self.needs[node];
        let next = needs.nodes.iter().chain(&needs.mocks).rev();
        path.push((node, next.copied().collect()));
    }

    fn levels(&self, node: usize) -> usize {
        let deepest = |nodes: &BTreeSet<usize>| {
            let levels = nodes.iter().map(|node| match self.states[*node] {
                State::Done(levels) => levels,
                State::Unseen | State::Open => 0,
            });
            levels.max().unwrap_or(0)
        };
        let needs = &self.needs[node];
        // A function that stands in for another runs below it.
        needs.levels + deepest(&needs.nodes) + deepest(&needs.mocks)
    }
}
