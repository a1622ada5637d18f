//! Why a request was decided so.
//!
//! The decision is made once with every line that it reaches noted, and each
//! rule that it reached is then asked by itself ([`super::probe`]): which way
//! through it holds, or which statement is the first that does not.

use std::collections::BTreeSet;

use regorus::{Engine, Value};

use super::eval::{QueryError, parse};
use super::{Place, Project, coverage, json, probe};
use crate::decision::{self, EvaluationError};
use crate::gate;
use crate::gate::ast::{self, Expr, LiteralStmt, Reference, Rule, Scope, Visitor, position};
use crate::gate::program::{Node, Target, Unit, display, parameters};
use crate::set::ENTRY_POINT;

/// Facts that are told of one statement.
const FACTS: usize = 8;

/// What a request was decided, and what brought it about.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Whether the gateway lets it pass: `allow` is true and `deny` is empty.
    pub allowed: bool,
    /// What the policy gave, or why that is no decision, which denies.
    pub decision: Result<serde_json::Value, EvaluationError>,
    /// The entries of `deny`, and the rules that gave them.
    pub reasons: Vec<Reason>,
    /// The rules that the evaluation came to, in the order of their files.
    pub rules: Vec<RuleTrace>,
    /// How many others there are.
    pub unreached: usize,
}

/// An entry of `deny`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// As the policy gives it.
    pub code: String,
    /// What the caller reads.
    pub message: String,
    /// The rules that came to this entry.
    pub rules: Vec<Place>,
}

/// Everything of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTrace {
    /// Below `data`, as Rego writes it.
    pub name: String,
    /// What it came to; `None` is undefined, and what a function is.
    pub value: Option<serde_json::Value>,
    /// The rules of this name that the evaluation came to.
    pub definitions: Vec<Definition>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Where it begins.
    pub place: Place,
    /// As it is written.
    pub text: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its body holds, and it gave these.
    Fired(Vec<serde_json::Value>),
    /// No body of it holds. What is told is the first statement that does not,
    /// of each body, as far as that can be told.
    Failed(Vec<Statement>),
    /// `default`: it stands in, as nothing else of the name gave a value.
    StoodIn,
    /// `default`: it was not needed.
    NotNeeded,
    /// A function: some line of it was reached, and what it gave depends on the
    /// call.
    Called,
    /// It could not be asked by itself.
    Unknown,
}

/// A statement of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Where it begins.
    pub place: Place,
    /// As it is written.
    pub text: String,
    /// What it reads.
    pub facts: Vec<Fact>,
}

/// A value that a statement reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// `input.…` or `data.…`.
    pub name: String,
    /// `None` is undefined.
    pub value: Option<serde_json::Value>,
}

impl Project<'_> {
    /// Why a request with this input, a JSON text, is decided as it is.
    ///
    /// # Errors
    /// [`QueryError::Input`]. An error of the evaluation is a decision too.
    pub fn explain(&self, input: &str) -> Result<Explanation, QueryError> {
        let input = parse(input)?;
        let mut engine = self.engine.clone();
        gate::limit(&mut engine);
        engine.set_input(input.clone());
        engine.set_enable_coverage(true);
        let raw = engine.eval_rule(ENTRY_POINT.to_owned());
        let reached = coverage::reached(&engine);
        engine.set_enable_coverage(false);
        let raw = raw.map_err(|error| {
            let fault = gate::raised(self.sources, ENTRY_POINT, &error.to_string());
            EvaluationError::Failed(fault.to_string())
        });
        let decided = raw.as_ref().map_err(Clone::clone).and_then(decision::read);
        let trace = Trace {
            project: self,
            engine,
            input,
        };
        let is_reached = |(unit, rule): &(usize, ast::Ref<Rule>)| {
            let lines = reached.get(&self.program.units[*unit].file);
            lines.is_some_and(|lines| !lines.is_disjoint(&coverage::lines_of(rule)))
        };
        let mut rules = Vec::new();
        let mut unreached = 0;
        for node in &self.program.nodes {
            let served = |(unit, _): &&(usize, _)| !self.program.units[*unit].test;
            let (came, not): (Vec<_>, Vec<_>) = node
                .rules
                .iter()
                .filter(served)
                .partition(|rule| is_reached(rule));
            unreached += not.len();
            if !came.is_empty() {
                rules.push(trace.rule(node, &came));
            }
        }
        Ok(Explanation {
            allowed: decided.as_ref().is_ok_and(|decision| decision.allows()),
            reasons: raw
                .as_ref()
                .map_or_else(|_| Vec::new(), |raw| reasons(raw, &rules)),
            decision: match decided {
                Ok(_) => raw.map(|value| json(&value)),
                Err(error) => Err(error),
            },
            rules,
            unreached,
        })
    }
}

fn reasons(decision: &Value, rules: &[RuleTrace]) -> Vec<Reason> {
    let serde_json::Value::Array(entries) = json(&decision["deny"]) else {
        return Vec::new();
    };
    let definitions = || rules.iter().flat_map(|rule| &rule.definitions);
    let text = |value: Option<&serde_json::Value>| {
        value
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    entries
        .iter()
        .map(|entry| Reason {
            code: text(entry.get("code")),
            message: text(entry.get("msg")),
            rules: definitions()
                .filter(|rule| matches!(&rule.outcome, Outcome::Fired(values) if values.contains(entry)))
                .map(|rule| rule.place.clone())
                .collect(),
        })
        .collect()
}

/// What the rules of a decision are asked with.
struct Trace<'a> {
    project: &'a Project<'a>,
    /// With the input.
    engine: Engine,
    input: Value,
}

impl Trace<'_> {
    fn rule(&self, node: &Node, rules: &[&(usize, ast::Ref<Rule>)]) -> RuleTrace {
        let mut definitions: Vec<Definition> = rules
            .iter()
            .map(|(unit, rule)| self.definition(&self.project.program.units[*unit], rule))
            .collect();
        let gave = |definition: &Definition| {
            matches!(definition.outcome, Outcome::Fired(_) | Outcome::Unknown)
        };
        if definitions.iter().any(gave) {
            for definition in &mut definitions {
                if definition.outcome == Outcome::StoodIn {
                    definition.outcome = Outcome::NotNeeded;
                }
            }
        }
        let is_function = rules.iter().any(|(_, rule)| parameters(rule).is_some());
        RuleTrace {
            name: node.to_string(),
            value: (!is_function)
                .then(|| self.value_of(&node.to_string()))
                .flatten(),
            definitions,
        }
    }

    fn definition(&self, unit: &Unit, rule: &Rule) -> Definition {
        let at = position(rule.span());
        let outcome = match rule {
            _ if parameters(rule).is_some() => Outcome::Called,
            Rule::Default { .. } => Outcome::StoodIn,
            Rule::Spec { .. } => self.outcome(unit, rule),
        };
        Definition {
            place: Place {
                file: unit.file.clone(),
                row: at.line,
                col: at.column,
            },
            text: ast::written(rule.span(), rule.span()).trim_end().to_owned(),
            outcome,
        }
    }

    fn outcome(&self, unit: &Unit, rule: &Rule) -> Outcome {
        let mut failed = Vec::new();
        for branch in probe::branches(rule) {
            match branch.values(unit, &self.engine) {
                None => return Outcome::Unknown,
                Some(values) if !values.is_empty() => {
                    return Outcome::Fired(values.iter().map(json).collect());
                }
                Some(_) => failed.extend(
                    branch
                        .failing(unit, &self.engine)
                        .map(|statement| self.statement(unit, rule, statement)),
                ),
            }
        }
        Outcome::Failed(failed)
    }

    fn statement(&self, unit: &Unit, rule: &Rule, statement: &LiteralStmt) -> Statement {
        let number = self.project.program.units.iter();
        let number = number.take_while(|other| other.file != unit.file).count();
        let mut reads = Reads {
            trace: self,
            unit: number,
            within: statement.span.start..statement.span.end,
            seen: BTreeSet::new(),
            facts: Vec::new(),
        };
        ast::walk(rule, &mut reads);
        Statement {
            place: probe::place(unit, statement),
            text: ast::written(&statement.span, &statement.span).to_owned(),
            facts: reads.facts,
        }
    }

    /// What the rule `name` is; `None` where it is undefined, or an error.
    fn value_of(&self, name: &str) -> Option<serde_json::Value> {
        let value = self.engine.clone().eval_rule(name.to_owned()).ok();
        value
            .filter(|value| *value != Value::Undefined)
            .map(|value| json(&value))
    }

    /// What `target` is; `None` where that takes more than a look.
    fn fact(&self, target: &Target) -> Option<Fact> {
        let program = &self.project.program;
        let (name, value) = match target {
            Target::Input(path) => {
                let name = display(path.iter().map(String::as_str)).replacen("data", "input", 1);
                (name, look(&self.input, path))
            }
            Target::Data(path) => {
                let name = display(path.iter().map(String::as_str));
                let value = match program.node(path) {
                    Some(node) if program.is_function(node) => return None,
                    Some(_) => self.value_of(&name),
                    None if program.around(path).next().is_some() => return None,
                    None => look(&self.engine.get_data(), path),
                };
                (name, value)
            }
            Target::Local => return None,
        };
        Some(Fact { name, value })
    }
}

fn look(value: &Value, path: &[String]) -> Option<serde_json::Value> {
    let found = path.iter().fold(value, |value, name| &value[name.as_str()]);
    (*found != Value::Undefined).then(|| json(found))
}

/// Collects what one statement reads.
struct Reads<'a> {
    trace: &'a Trace<'a>,
    unit: usize,
    within: std::ops::Range<u32>,
    seen: BTreeSet<String>,
    facts: Vec<Fact>,
}

impl Visitor for Reads<'_> {
    fn expression(&mut self, expr: &Expr, scope: &Scope<'_>) -> bool {
        let Some(reference) = Reference::of(expr) else {
            return true;
        };
        if self.within.contains(&reference.span.start) && self.facts.len() < FACTS {
            let program = &self.trace.project.program;
            let target = program.resolve(self.unit, &reference, scope);
            let fact = self.trace.fact(&target);
            self.facts
                .extend(fact.filter(|fact| self.seen.insert(fact.name.clone())));
        }
        ast::selectors(&reference, scope, self);
        false
    }
}
