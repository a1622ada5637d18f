//! A loaded policy set: read once, then asked from every thread.
//!
//! Loading finds what can be found without requests: syntax, a missing entry
//! point, and a decision of the wrong shape for an ordinary input. It does not
//! yet find recursion, which regorus meets with a stack overflow.

use std::io::Read;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::gates::Decision;
use lattice_kernel::principal::Named;
use lattice_kernel::{Ask, Dialect, Principal, Target};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::decision::{self, EvaluationError};
use crate::footprint::Reach;
use crate::input::Input;
use crate::seed::{SCHEMA, Seed};

const ENTRY_POINT: &str = "data.lattice.authz.decision";
const SHIPPED: &str = include_str!("../../../policies/authz.rego");
const DATA: &str = "data.json";

/// The longest that one evaluation may take.
const TIME_LIMIT: Duration = Duration::from_millis(100);
/// Steps between two looks at the clock: some milliseconds' worth, so that an
/// ordinary evaluation, which has fewer, is not refused because its thread was
/// made to wait.
const CHECK_INTERVAL: u32 = 2048;

const MAX_FILES: usize = 256;
/// Bytes; regorus has the same limit for a policy file.
const MAX_FILE: usize = 1024 * 1024;

/// Policies and data, ready to be asked.
pub struct PolicySet {
    /// Prepared; every evaluation works on a clone, which shares it.
    engine: Engine,
    revision: Arc<str>,
    reach: Reach,
    seed: Sha256,
}

/// Why a set cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A folder or file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A file is over 1 MiB.
    #[error("{file}: larger than {MAX_FILE} bytes")]
    FileTooLarge {
        /// Its name.
        file: String,
    },
    /// The set has more than 256 files.
    #[error("more than {MAX_FILES} files")]
    TooManyFiles,
    /// The set has no policy.
    #[error("no *.rego file (tests aside)")]
    Empty,
    /// A file does not parse; the text says where.
    #[error("{file}: {detail}")]
    Syntax {
        /// Its name.
        file: String,
        /// What the parser says, with file, line and column.
        detail: String,
    },
    /// The entry point gives no decision on an ordinary request.
    #[error("the set gives no decision on an ordinary request: {0}")]
    NoDecision(#[from] EvaluationError),
}

impl PolicySet {
    /// The set that ships in the binary.
    ///
    /// # Errors
    /// None, unless the build is broken.
    pub fn shipped() -> Result<Self, LoadError> {
        Self::load([("policies/authz.rego", SHIPPED)])
    }

    /// The set in the folder `dir`: its `*.rego` files save `*_test.rego`, and
    /// `data.json`. Subfolders are not looked into.
    ///
    /// # Errors
    /// [`LoadError`]; a file that cannot be read fails the whole set.
    pub fn from_dir(dir: &Path) -> Result<Self, LoadError> {
        let unreadable = |source| LoadError::Unreadable {
            path: dir.to_owned(),
            source,
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            let name = entry
                .map_err(unreadable)?
                .file_name()
                .to_string_lossy()
                .into_owned();
            if is_served(&name) {
                if files.len() == MAX_FILES {
                    return Err(LoadError::TooManyFiles);
                }
                let text = read(&dir.join(&name))?;
                files.push((name, text));
            }
        }
        Self::load(files)
    }

    /// The set of these files, by name and text, in any order. `data.json`
    /// becomes `data`; every other file is a policy.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load<N, T>(files: impl IntoIterator<Item = (N, T)>) -> Result<Self, LoadError>
    where
        N: Into<String>,
        T: Into<String>,
    {
        let mut files: Vec<(String, String)> = files
            .into_iter()
            .map(|(name, text)| (name.into(), text.into()))
            .collect();
        files.sort();
        let mut engine = new_engine();
        let mut reach = Reach::NOTHING;
        let mut hash = Sha256::new();
        for (name, text) in &files {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
            add(&mut engine, name, text)?;
            if name != DATA {
                reach = reach.union(Reach::of(text));
            }
        }
        if files.iter().all(|(name, _)| name == DATA) {
            return Err(LoadError::Empty);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let revision: Arc<str> = hash
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into();
        let seed = Seed {
            schema: SCHEMA,
            revision: &revision,
            files: &hash,
            data_revision: 0,
            data: &[0; 32],
            entry_point: ENTRY_POINT,
        };
        let seed = seed.start();
        let mut set = Self {
            engine,
            revision,
            reach,
            seed,
        };
        set.rehearse()?;
        Ok(set)
    }

    /// 16 hex digits that change with any file of the set.
    #[must_use]
    pub fn revision(&self) -> &Arc<str> {
        &self.revision
    }

    /// The set's answer, made afresh.
    ///
    /// # Errors
    /// [`EvaluationError`], which a caller has to take for a denial.
    pub fn evaluate(&self, input: &Input<'_>) -> Result<Decision, EvaluationError> {
        evaluate(
            &mut self.engine.clone(),
            input.document(self.reach.context)?,
        )
    }

    /// The value of any rule for this input.
    ///
    /// # Errors
    /// The engine gave up, or has no such rule.
    pub(crate) fn ask(&self, rule: &str, input: Value) -> Result<Value, EvaluationError> {
        let mut engine = self.engine.clone();
        engine.set_input(input);
        let value = engine.eval_rule(rule.to_owned());
        value.map_err(|error| EvaluationError::Failed(error.to_string()))
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

    /// Of what came from the store.
    pub(crate) fn data_revision(&self) -> i64 {
        0
    }

    /// What the set sees of the question.
    ///
    /// # Errors
    /// As for [`Input::document`].
    pub(crate) fn document(&self, input: &Input<'_>) -> Result<Value, EvaluationError> {
        input.document(self.reach.context)
    }

    /// The key under which the answer may be kept; `None` where the same input
    /// may get another answer next time.
    pub(crate) fn cache_key(&self, input: &Input<'_>) -> Option<[u8; 32]> {
        self.reach
            .repeatable
            .then(|| input.digest(self.reach.context, &self.seed))
    }

    /// For how long the answer to the question stands, as far as the clock goes.
    pub(crate) fn lasts(&self, input: &Input<'_>) -> Duration {
        input.lasts(self.reach.context)
    }

    /// Asks an ordinary question, on the engine itself: that prepares it.
    fn rehearse(&mut self) -> Result<(), EvaluationError> {
        let named = |name: &str| Named {
            id: Uuid::nil(),
            name: name.into(),
        };
        let who = Principal {
            team: Some(named("team")),
            ..Principal::of_key(named("key"))
        };
        let ask = Ask::listing(Dialect::OpenAi, "model");
        let target = Target {
            provider: "provider".into(),
            model: "model".into(),
            classification: None,
            local: false,
            price: None,
            max_output_tokens: 4096,
            weight: std::num::NonZeroU32::MIN,
        };
        let input = Input::new(&who, &ask, &target, OffsetDateTime::UNIX_EPOCH);
        let document = input.document(self.reach.context)?;
        evaluate(&mut self.engine, document).map(|_| ())
    }
}

pub(crate) fn new_engine() -> Engine {
    let mut engine = Engine::new();
    // As OPA does; what becomes undefined by it denies.
    engine.set_strict_builtin_errors(false);
    // Else `print` writes what it is given to standard error.
    engine.set_gather_prints(true);
    let check_interval = NonZeroU32::new(CHECK_INTERVAL).unwrap_or(NonZeroU32::MIN);
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: TIME_LIMIT,
        check_interval,
    });
    engine
}

fn add(engine: &mut Engine, name: &str, text: &str) -> Result<(), LoadError> {
    if text.len() > MAX_FILE {
        return Err(LoadError::FileTooLarge {
            file: name.to_owned(),
        });
    }
    let added = if name == DATA {
        engine.add_data_json(text)
    } else {
        engine
            .add_policy(name.to_owned(), text.to_owned())
            .map(drop)
    };
    added.map_err(|error| LoadError::Syntax {
        file: name.to_owned(),
        detail: error.to_string(),
    })
}

fn evaluate(engine: &mut Engine, input: Value) -> Result<Decision, EvaluationError> {
    engine.set_input(input);
    let value = engine.eval_rule(ENTRY_POINT.to_owned());
    decision::read(&value.map_err(|error| EvaluationError::Failed(error.to_string()))?)
}

fn is_served(name: &str) -> bool {
    name == DATA || (name.ends_with(".rego") && !name.ends_with("_test.rego"))
}

/// The file's text; no more than one byte over the limit is read.
fn read(path: &Path) -> Result<String, LoadError> {
    let unreadable = |source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_FILE {
        return Err(LoadError::FileTooLarge {
            file: path.display().to_string(),
        });
    }
    String::from_utf8(bytes).map_err(|_| unreadable(std::io::ErrorKind::InvalidData.into()))
}
