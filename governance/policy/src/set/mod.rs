//! A loaded policy set: read once, then asked from every thread.
//!
//! Start reading at [`PolicySet::load`]; what a set has to pass is in
//! [`crate::gate`].

mod bundle;
mod data;
mod folder;
mod paths;
mod sources;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::gates::Decision;
use lattice_kernel::principal::Named;
use lattice_kernel::{Ask, Dialect, Principal, Target, ToolCall};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::decision::{self, EvaluationError};
use crate::footprint::Footprint;
use crate::gate;
use crate::gate::fault::{Fault, Faults, Position};
use crate::gate::program::Program;
use crate::input::Input;
use crate::panics::contained;
use crate::seed::{SCHEMA, Seed, Seeded};

pub use crate::gate::fault::LoadError;
pub use data::StoreData;
pub(crate) use data::{STORE, of as file_data};
pub use sources::{DataFile, File, Manifest, Sources};

/// What a set is asked for.
pub const ENTRY_POINT: &str = "data.lattice.authz.decision";

/// The longest that one evaluation may take.
pub const TIME_LIMIT: Duration = Duration::from_millis(100);
/// Steps between two looks at the clock: some milliseconds' worth, so that an
/// ordinary evaluation, which has fewer, is not refused because its thread was
/// made to wait.
pub(crate) const CHECK_INTERVAL: NonZeroU32 = NonZeroU32::MIN.saturating_add(2047);

/// Policies and data, ready to be asked.
pub struct PolicySet {
    /// Prepared; every evaluation works on a clone, which shares it.
    engine: Engine,
    /// What the files give.
    data: Value,
    revision: Arc<str>,
    store_revision: i64,
    context: Footprint,
    cacheable: bool,
    /// Of the files.
    hash: [u8; 32],
    /// Of the files and the store.
    seed: Seeded,
    warnings: Arc<[Fault]>,
    /// File and place of the rule that is asked for.
    entry_point: (String, Position),
}

impl PolicySet {
    /// The set that ships in the binary, with nothing from the store. Its tests
    /// are not run: that was done when it was built.
    ///
    /// # Errors
    /// None, unless the build is broken.
    pub fn shipped() -> Result<Self, LoadError> {
        let sources = Sources {
            tests: Vec::new(),
            ..Sources::shipped()
        };
        Self::load(&sources, StoreData::default())
    }

    /// The set in the folder `dir`, with nothing from the store.
    ///
    /// # Errors
    /// [`LoadError`], as for [`Sources::of_dir`] and [`Self::load`].
    pub fn from_dir(dir: &Path) -> Result<Self, LoadError> {
        Self::load(&Sources::of_dir(dir)?, StoreData::default())
    }

    /// The set of these files, after it has passed the load gate: every check,
    /// its own tests (with nothing from the store), and an ordinary question.
    ///
    /// # Errors
    /// [`LoadError`], which lists what was found.
    pub fn load(sources: &Sources, store: StoreData) -> Result<Self, LoadError> {
        contained(|| Self::load_checked(sources, store)).unwrap_or_else(|panicked| {
            let mend = "the set before keeps serving; take back what changed, piece by piece";
            Err(Fault::of_file("*.rego", panicked, mend).into())
        })
    }

    fn load_checked(sources: &Sources, store: StoreData) -> Result<Self, LoadError> {
        if sources.policies.is_empty() {
            let reason = "there is no policy, tests aside";
            let mend = "name a folder or bundle that holds the set's .rego files";
            return Err(Fault::of_file("*.rego", reason, mend).into());
        }
        let data = file_data(sources)?;
        let gate::Passed {
            mut program,
            entry_point,
            context,
            cacheable,
            warnings,
        } = gate::check(sources, &data)?;
        if let Some(manifest) = &sources.manifest {
            let mut faults = Faults::default();
            data::check_packages(&program, manifest, &mut faults);
            faults.into_result()?;
        }
        if !program.tests().is_empty() {
            let mut testing = program.testing.clone();
            fill(&mut testing, &data, &StoreData::default())?;
            gate::run_tests(&program, sources, &mut testing)?;
        }
        let hash = hash(sources);
        let revision = revision(sources, &hash);
        let mut set = Self {
            engine: std::mem::take(&mut program.serving),
            data,
            seed: seed(&revision, &hash, &store),
            revision,
            store_revision: store.revision,
            context,
            cacheable,
            hash,
            warnings: warnings.into(),
            entry_point,
        };
        fill(&mut set.engine, &set.data, &store)?;
        set.rehearse(sources, Some(&program))?;
        Ok(set)
    }

    /// The same set over what the store holds now. Costs what preparing it
    /// does, under a millisecond for the shipped one: nothing is parsed, and no
    /// test is run.
    ///
    /// # Errors
    /// [`LoadError`] where the set gives no decision on an ordinary question.
    pub fn with_store(&self, store: StoreData) -> Result<Self, LoadError> {
        let mut set = Self {
            engine: self.engine.clone(),
            data: self.data.clone(),
            revision: self.revision.clone(),
            store_revision: store.revision,
            context: self.context,
            cacheable: self.cacheable,
            hash: self.hash,
            seed: seed(&self.revision, &self.hash, &store),
            warnings: self.warnings.clone(),
            entry_point: self.entry_point.clone(),
        };
        fill(&mut set.engine, &set.data, &store)?;
        set.rehearse(&Sources::default(), None)?;
        Ok(set)
    }

    /// What the manifest calls the set, if it has one that does, and a hyphen;
    /// then 16 hex digits that change with any file of it, tests aside.
    #[must_use]
    pub fn revision(&self) -> &Arc<str> {
        &self.revision
    }

    /// Of what came from the store.
    #[must_use]
    pub fn store_revision(&self) -> i64 {
        self.store_revision
    }

    /// What its author may want to know, though the set serves.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The set's answer, made afresh.
    ///
    /// # Errors
    /// [`EvaluationError`], which a caller has to take for a denial.
    pub fn evaluate(&self, input: &Input<'_>) -> Result<Decision, EvaluationError> {
        evaluate(&mut self.engine.clone(), input.document(self.context)?)
    }

    /// The value of any rule for this input.
    ///
    /// # Errors
    /// The engine gave up, or has no such rule.
    pub(crate) fn ask(&self, rule: &str, input: Value) -> Result<Value, EvaluationError> {
        let mut engine = self.engine.clone();
        engine.set_input(input);
        rule_of(&mut engine, rule)
    }

    /// What is decided on an input that was put together elsewhere.
    ///
    /// # Errors
    /// As for [`Self::evaluate`].
    pub(crate) fn evaluate_value(&self, input: Value) -> Result<Decision, EvaluationError> {
        evaluate(&mut self.engine.clone(), input)
    }

    /// Whether a policy of the set is in `package`, written from `data` on.
    pub(crate) fn has_package(&self, package: &str) -> bool {
        let packages = self.engine.get_packages().unwrap_or_default();
        packages.iter().any(|name| name == package)
    }

    /// What the set sees of the question.
    ///
    /// # Errors
    /// As for [`Input::document`].
    pub(crate) fn document(&self, input: &Input<'_>) -> Result<Value, EvaluationError> {
        input.document(self.context)
    }

    /// For how long the answer to the question stands, as far as the clock goes.
    pub(crate) fn lasts(&self, input: &Input<'_>) -> Duration {
        input.lasts(self.context)
    }

    /// The key under which the answer may be kept; `None` where the same input
    /// may get another answer next time.
    pub(crate) fn cache_key(&self, input: &Input<'_>) -> Option<[u8; 32]> {
        self.cacheable
            .then(|| input.digest(self.context, &self.seed))
    }

    /// Prepares the engine and asks it ordinary questions; `program` is what it holds.
    fn rehearse(&mut self, sources: &Sources, program: Option<&Program>) -> Result<(), LoadError> {
        // Any query prepares it.
        let prepared = contained(|| self.engine.eval_query("true".to_owned(), false));
        let (file, _) = &self.entry_point;
        let prepared = prepared.map_err(|panicked| Fault::of_file(file, panicked, ""))?;
        prepared.map_err(|error| gate::raised(sources, file, &error.to_string()))?;
        let set = &*self;
        questions(|input| {
            let document = input.document(set.context);
            let decided = document.and_then(|document| set.evaluate_value(document));
            decided
                .map(drop)
                .map_err(|error| set.undecided(sources, program, input, &error).into())
        })
    }

    /// Why there is no decision on `input`, and where that comes from.
    fn undecided(
        &self,
        sources: &Sources,
        program: Option<&Program>,
        input: &Input<'_>,
        error: &EvaluationError,
    ) -> Fault {
        let (file, at) = &self.entry_point;
        let here = |text: &str| Fault::at(file, *at, text, "");
        let fault = match error {
            EvaluationError::Failed(text) if is_too_slow(text) => program
                .and_then(|program| gate::slowest(program, |rule| self.is_slow(rule, input)))
                .unwrap_or_else(|| here(text)),
            EvaluationError::Failed(text) => match gate::raised(sources, file, text) {
                placed if placed.at != Position::default() => placed,
                fault => here(&fault.reason),
            },
            error => here(&error.to_string()),
        };
        let reason = format!(
            "the set gives no decision on an ordinary request: {}",
            fault.reason
        );
        Fault { reason, ..fault }
    }

    /// Whether the rule by itself takes longer than a decision may.
    fn is_slow(&self, rule: &str, input: &Input<'_>) -> bool {
        let Ok(document) = self.document(input) else {
            return false;
        };
        let began = processor_time();
        let asked = self.ask(rule, document);
        let told = asked.is_err_and(|error| is_too_slow(&error.to_string()));
        told || processor_time().saturating_sub(began) > TIME_LIMIT
    }
}

fn is_too_slow(error: &str) -> bool {
    error.contains("time limit")
}

/// Shows `ask` the questions of a rehearsal.
fn questions(mut ask: impl FnMut(&Input<'_>) -> Result<(), LoadError>) -> Result<(), LoadError> {
    let named = |name: &str| Named {
        id: Uuid::nil(),
        name: name.into(),
    };
    let who = Principal {
        team: Some(named("team")),
        ..Principal::of_key(named("key"))
    };
    let model = Ask::listing(Dialect::OpenAi, "model");
    let target = Target {
        provider: "provider".into(),
        model: "model".into(),
        classification: None,
        local: false,
        price: None,
        max_output_tokens: 4096,
        weight: NonZeroU32::MIN,
    };
    let question = || Input::new(&who, &model, &target, OffsetDateTime::UNIX_EPOCH);
    ask(&question())?;
    ask(&question().about(ToolCall {
        name: "tool",
        arguments: "{}",
        json: true,
    }))
}

/// An engine with the limits of every evaluation, and nothing in it.
pub(crate) fn new_engine() -> Engine {
    let mut engine = Engine::new();
    // An argument that a built-in function cannot take is an error, and so a denial. Without
    // it a function of the set would swallow the error and be undefined, and `not` makes
    // true of that.
    engine.set_strict_builtin_errors(true);
    crate::builtins::install(&mut engine);
    // Else `print` writes what it is given to standard error.
    engine.set_gather_prints(true);
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: TIME_LIMIT,
        check_interval: CHECK_INTERVAL,
    });
    engine
}

/// Gives `engine` these data in place of those that it has.
pub(crate) fn fill(engine: &mut Engine, files: &Value, store: &StoreData) -> Result<(), LoadError> {
    engine.clear_data();
    let store = store.value()?;
    let filled = engine
        .add_data(files.clone())
        .and_then(|()| engine.add_data(store));
    filled.map_err(|error| Fault::of_file("data.lattice.store", error.to_string(), "").into())
}

/// How long this thread has computed: what it waited for the processor is not the
/// policy's doing.
fn processor_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

fn evaluate(engine: &mut Engine, input: Value) -> Result<Decision, EvaluationError> {
    engine.set_input(input);
    let began = processor_time();
    let value = rule_of(engine, ENTRY_POINT);
    // The engine looks at the clock between statements alone, and one call of a
    // built-in function may take as long as it likes.
    let took = processor_time().saturating_sub(began);
    if took > TIME_LIMIT {
        let why = format!("execution exceeded time limit ({took:?} of {TIME_LIMIT:?})");
        return Err(EvaluationError::Failed(why));
    }
    decision::read(&value?)
}

/// The value of a rule; after an error `engine` is of no more use.
fn rule_of(engine: &mut Engine, rule: &str) -> Result<Value, EvaluationError> {
    let value = contained(|| engine.eval_rule(rule.to_owned()));
    let value = value.map_err(EvaluationError::Failed)?;
    value.map_err(|error| EvaluationError::Failed(error.to_string()))
}

/// Of everything that can sway a decision, tests aside.
fn hash(sources: &Sources) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    for file in &sources.policies {
        text("policy");
        text(&file.name);
        text(&file.text);
    }
    for file in &sources.data {
        text("data");
        file.path.iter().for_each(|name| text(name));
        text(&file.name);
        text(&file.text);
    }
    hash.finalize().into()
}

fn revision(sources: &Sources, hash: &[u8; 32]) -> Arc<str> {
    let content: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    match &sources.manifest {
        Some(manifest) if !manifest.revision.is_empty() => {
            format!("{}-{content}", manifest.revision).into()
        }
        _ => content.into(),
    }
}

fn seed(revision: &str, hash: &[u8; 32], store: &StoreData) -> Seeded {
    let seed = Seed {
        schema: SCHEMA,
        revision,
        files: hash,
        data_revision: store.revision,
        data: &Sha256::digest(store.json.as_bytes()).into(),
        entry_point: ENTRY_POINT,
    };
    Seeded::new(&seed.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_engine_is_no_decision() {
        let mut engine = new_engine();
        let raise = Box::new(|_: Vec<Value>| panic!("out of its depth"));
        engine.add_extension("falls".to_owned(), 1, raise).unwrap();
        let policy = "package lattice.authz\n\ndecision := falls(1)";
        engine
            .add_policy("mine.rego".to_owned(), policy.to_owned())
            .unwrap();
        let error = evaluate(&mut engine, Value::Null).unwrap_err();
        let said = "the policy engine panicked: out of its depth";
        assert_eq!(error, EvaluationError::Failed(said.to_owned()));
    }
}
