//! A set's policies and tests, parsed and indexed by what its rules are called.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use regorus::Engine;

use super::ast::{Module, Ref, Reference, Rule, RuleHead, Scope, Span, position};
use super::fault::{Fault, Faults, LoadError, Position};
use super::{nesting, syntax};
use crate::set::{File, Sources};

/// Rules of one set.
const RULES: usize = 4096;

/// Names below `data`.
pub(crate) type Path = Vec<String>;

/// What two files or more may have rules for.
pub(crate) struct Node {
    pub(crate) path: Path,
    /// Each with the number of its unit.
    pub(crate) rules: Vec<(usize, Ref<Rule>)>,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&display(self.path.iter().map(String::as_str)))
    }
}

/// One file.
pub(crate) struct Unit {
    pub(crate) file: String,
    pub(crate) module: Ref<Module>,
    pub(crate) package: Path,
    /// Alias, target, and the whole statement.
    pub(crate) imports: Vec<(String, Target, Span)>,
    /// Does not serve.
    pub(crate) test: bool,
}

/// What a reference means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Something below `input`, as far as names lead.
    Input(Path),
    /// Something below `data`, as far as names lead.
    Data(Path),
    /// A variable of a body, or nothing.
    Local,
}

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Callee {
    /// The function at this place below `data`.
    Rule(usize),
    /// A built-in one, with the number of its parameters.
    Builtin(String, usize),
    /// `print`, which takes any number.
    Print,
    /// Nothing of this name.
    Unknown(String),
}

/// A rule that is a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRule {
    /// As regorus is asked for it: `data.lattice.authz_test.test_open`.
    pub path: String,
    /// The package, below `data`.
    pub package: Vec<String>,
    /// `test_…`, or `todo_test_…`, which is not run.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Where its first rule stands.
    pub at: Position,
}

impl TestRule {
    /// Whether it is only planned, and so is not run.
    #[must_use]
    pub fn is_todo(&self) -> bool {
        self.name.starts_with("todo_")
    }
}

/// All of a set's policies and tests.
pub(crate) struct Program {
    pub(crate) units: Vec<Unit>,
    pub(crate) nodes: Vec<Node>,
    index: BTreeMap<Path, usize>,
    /// With the policies only.
    pub(crate) serving: Engine,
    /// With the tests as well.
    pub(crate) testing: Engine,
}

impl Program {
    /// Parses the files of `sources`.
    ///
    /// # Errors
    /// Every file that does not parse, or is beyond the bounds.
    pub(crate) fn read(sources: &Sources) -> Result<Self, LoadError> {
        let mut faults = Faults::default();
        let mut serving = crate::set::new_engine();
        for file in &sources.policies {
            add(&mut serving, file, &mut faults);
        }
        let mut testing = serving.clone();
        for file in &sources.tests {
            add(&mut testing, file, &mut faults);
        }
        faults.into_result()?;
        let served = sources.policies.len();
        let units: Vec<Unit> = testing
            .get_modules()
            .iter()
            .zip(sources.policies.iter().chain(&sources.tests))
            .enumerate()
            .map(|(number, (module, file))| Unit::of(module, file, number >= served))
            .collect();
        let mut program = Self {
            units,
            nodes: Vec::new(),
            index: BTreeMap::new(),
            serving,
            testing,
        };
        program.index_rules()?;
        Ok(program)
    }

    fn index_rules(&mut self) -> Result<(), LoadError> {
        let mut count = 0;
        for (number, unit) in self.units.iter().enumerate() {
            for rule in &unit.module.policy {
                count += 1;
                if count > RULES {
                    let reason = format!("the set has more than {RULES} rules");
                    let at = position(rule.span());
                    return Err(Fault::at(&unit.file, at, reason, "make lists of them data").into());
                }
                let path: Path = unit
                    .package
                    .iter()
                    .cloned()
                    .chain(name(rule).into_iter().map(str::to_owned))
                    .collect();
                let node = *self.index.entry(path.clone()).or_insert_with(|| {
                    let rules = Vec::new();
                    self.nodes.push(Node { path, rules });
                    self.nodes.len() - 1
                });
                self.nodes[node].rules.push((number, rule.clone()));
            }
        }
        Ok(())
    }

    /// The rules of exactly this path.
    pub(crate) fn node(&self, path: &[String]) -> Option<usize> {
        self.index.get(path).copied()
    }

    /// Rules at, above and below this path.
    pub(crate) fn around(&self, path: &[String]) -> impl Iterator<Item = usize> {
        let above = (1..path.len()).filter_map(|length| self.node(&path[..length]));
        let from = (Bound::Included(path.to_vec()), Bound::Unbounded);
        let below = self.index.range::<Path, _>(from);
        let path = path.to_vec();
        let below = below
            .take_while(move |(at, _)| at.starts_with(&path))
            .map(|(_, node)| *node);
        above.chain(below)
    }

    /// What `reference` means in the file `unit`.
    pub(crate) fn resolve(
        &self,
        unit: usize,
        reference: &Reference<'_>,
        scope: &Scope<'_>,
    ) -> Target {
        let unit = &self.units[unit];
        let base = reference.base;
        let names = || reference.names().map(str::to_owned);
        if scope.has(base) {
            return Target::Local;
        }
        match base {
            "input" => return Target::Input(names().collect()),
            "data" => return Target::Data(names().collect()),
            _ => {}
        }
        let own: Path = unit
            .package
            .iter()
            .cloned()
            .chain([base.to_owned()])
            .collect();
        let rest = self
            .index
            .range::<Path, _>((Bound::Included(&own), Bound::Unbounded));
        if rest.take(1).any(|(path, _)| path.starts_with(&own)) {
            return Target::Data(own.into_iter().chain(names()).collect());
        }
        let import = unit.imports.iter().find(|(alias, ..)| alias == base);
        match import.map(|(_, target, _)| target) {
            Some(Target::Input(path)) => {
                Target::Input(path.iter().cloned().chain(names()).collect())
            }
            Some(Target::Data(path)) => Target::Data(path.iter().cloned().chain(names()).collect()),
            Some(Target::Local) | None => Target::Local,
        }
    }

    /// What a call of `function` in the file `unit` calls.
    pub(crate) fn callee(&self, unit: usize, function: &Reference<'_>) -> Callee {
        let unit = &self.units[unit];
        let names: Path = [function.base]
            .into_iter()
            .chain(function.names())
            .map(str::to_owned)
            .collect();
        let absolute = (names[0] == "data").then(|| names[1..].to_vec());
        let imported = unit
            .imports
            .iter()
            .find_map(|(alias, target, _)| match target {
                Target::Data(path) if *alias == names[0] => {
                    Some(path.iter().chain(&names[1..]).cloned().collect())
                }
                _ => None,
            });
        let own = unit.package.iter().chain(&names).cloned().collect();
        for path in [absolute, imported, Some(own)].into_iter().flatten() {
            let path: Path = path;
            if let Some(node) = self.node(&path).filter(|node| self.is_function(*node)) {
                return Callee::Rule(node);
            }
        }
        let name = names.join(".");
        match super::ast::builtin(&name) {
            _ if name == "print" => Callee::Print,
            Some(parameters) => Callee::Builtin(name, parameters),
            None => Callee::Unknown(name),
        }
    }

    pub(crate) fn is_function(&self, node: usize) -> bool {
        self.nodes[node]
            .rules
            .iter()
            .any(|(_, rule)| parameters(rule).is_some())
    }

    /// Tests, in the order of their files.
    pub(crate) fn tests(&self) -> Vec<TestRule> {
        let mut tests: Vec<TestRule> = Vec::new();
        for (number, unit) in self.units.iter().enumerate() {
            for rule in &unit.module.policy {
                let name = name(rule);
                let [name] = name[..] else { continue };
                let asked = name.starts_with("test_") || name.starts_with("todo_test_");
                let first = || {
                    !tests
                        .iter()
                        .any(|test| test.name == name && test.package == unit.package)
                };
                if asked && parameters(rule).is_none() && first() {
                    tests.push(TestRule {
                        path: display(unit.package.iter().map(String::as_str).chain([name])),
                        package: unit.package.clone(),
                        name: name.to_owned(),
                        file: self.units[number].file.clone(),
                        at: position(rule.span()),
                    });
                }
            }
        }
        tests
    }

    /// A fault at `span` in the file `unit`.
    pub(crate) fn fault(
        &self,
        unit: usize,
        span: &Span,
        reason: impl Into<String>,
        mend: impl Into<String>,
    ) -> Fault {
        Fault::at(&self.units[unit].file, position(span), reason, mend)
    }
}

impl Unit {
    fn of(module: &Ref<Module>, file: &File, test: bool) -> Self {
        let package = Reference::of(&module.package.refr).map_or_else(Path::new, |package| {
            [package.base]
                .into_iter()
                .chain(package.names())
                .map(str::to_owned)
                .collect()
        });
        let imports = module.imports.iter().filter_map(|import| {
            let path = Reference::of(&import.refr)?;
            let names: Path = path.names().map(str::to_owned).collect();
            let alias = match (&import.r#as, names.last()) {
                (Some(alias), _) => alias.text().to_owned(),
                (None, Some(last)) => last.clone(),
                (None, None) => path.base.to_owned(),
            };
            let target = match path.base {
                "input" => Target::Input(names),
                "data" => Target::Data(names),
                _ => return None,
            };
            Some((alias, target, import.span.clone()))
        });
        Self {
            file: file.name.clone(),
            module: module.clone(),
            package,
            imports: imports.collect(),
            test,
        }
    }
}

/// The name of `rule` in its package, as far as it is fixed.
pub(crate) fn name(rule: &Rule) -> Vec<&str> {
    let refr = match rule {
        Rule::Default { refr, .. } => refr,
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. }
            | RuleHead::Set { refr, .. }
            | RuleHead::Func { refr, .. } => refr,
        },
    };
    Reference::of(refr).map_or_else(Vec::new, |name| {
        [name.base].into_iter().chain(name.names()).collect()
    })
}

/// How many parameters `rule` has, if it is a function.
pub(crate) fn parameters(rule: &Rule) -> Option<usize> {
    match rule {
        Rule::Spec {
            head: RuleHead::Func { args, .. },
            ..
        } => Some(args.len()),
        Rule::Default { args, .. } if !args.is_empty() => Some(args.len()),
        _ => None,
    }
}

/// The path below `data` as Rego writes it.
pub(crate) fn display<'a>(path: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = "data".to_owned();
    for name in path {
        let word = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if word {
            text.push('.');
            text.push_str(name);
        } else {
            text.push_str(&format!("[{}]", serde_json::Value::from(name)));
        }
    }
    text
}

fn add(engine: &mut Engine, file: &File, faults: &mut Faults) {
    let added = nesting::check(&file.name, &file.text).and_then(|()| {
        engine
            .add_policy(file.name.clone(), file.text.clone())
            .map(drop)
            .map_err(|error| syntax::fault(&file.name, &file.text, &error.to_string()))
    });
    if let Err(fault) = added {
        faults.add(fault);
    }
}
