//! Gate 2: one decision per target, from the cache where it was made before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lattice_kernel::gates::{Authorization, Decision, Denial, Verdict};
use lattice_kernel::{Ask, Code, Principal, Target, ToolCall};
use parking_lot::Mutex;
use time::OffsetDateTime;

use crate::cache::{Decisions, decisions};
use crate::decision::EvaluationError;
use crate::input::Input;
use crate::set::PolicySet;

/// One policy set, asked through its cache.
pub struct Policy {
    set: Arc<PolicySet>,
    decisions: Decisions,
    hits: AtomicU64,
    misses: AtomicU64,
    bypasses: AtomicU64,
    failures: AtomicU64,
    last_failure: Mutex<Option<EvaluationError>>,
}

/// How decisions came about, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// The cache had it.
    pub hits: u64,
    /// It was made and, unless that failed, kept.
    pub misses: u64,
    /// It was made for a set that cannot be cached.
    pub bypasses: u64,
    /// Of the last two, those that failed and so denied.
    pub failures: u64,
}

impl Policy {
    /// Decisions of `set`.
    #[must_use]
    pub fn new(set: PolicySet) -> Self {
        Self {
            set: Arc::new(set),
            decisions: decisions(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            bypasses: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            last_failure: Mutex::new(None),
        }
    }

    /// The set in use.
    #[must_use]
    pub fn set(&self) -> Arc<PolicySet> {
        self.set.clone()
    }

    /// For metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bypasses: self.bypasses.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Why the latest evaluation failed that did, for whoever runs the gateway;
    /// it may quote policy text and input.
    #[must_use]
    pub fn last_failure(&self) -> Option<EvaluationError> {
        self.last_failure.lock().clone()
    }

    /// The decision, and whether the cache had it.
    fn cached(
        &self,
        set: &PolicySet,
        key: [u8; 32],
        input: &Input<'_>,
    ) -> Result<(Arc<Decision>, bool), EvaluationError> {
        // Requests that miss together wait for one evaluation; an error is kept
        // for none but them.
        let entry = self
            .decisions
            .entry(key)
            .or_try_insert_with(|| set.evaluate(input).map(Arc::new));
        let entry = entry.map_err(Arc::unwrap_or_clone)?;
        let hit = !entry.is_fresh();
        Ok((entry.into_value(), hit))
    }

    fn failed(&self, error: EvaluationError) -> Arc<Decision> {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.last_failure.lock() = Some(error);
        let message = "The gateway's policy gave no decision on this request, so it is refused; tell whoever administers the gateway.";
        let reason = Denial {
            code: Code::PolicyDenied,
            message: message.into(),
        };
        Arc::new(Decision {
            allow: false,
            deny: vec![reason],
            obligations: Vec::new(),
        })
    }
}

impl Authorization for Policy {
    fn decide(&self, at: OffsetDateTime, who: &Principal, ask: &Ask, target: &Target) -> Verdict {
        // One set for the key and for the evaluation.
        let set = &*self.set;
        let input = Input::new(who, ask, target, at);
        let (counter, decided) = match set.cache_key(&input) {
            None => (
                &self.bypasses,
                set.evaluate(&input)
                    .map(|decision| (Arc::new(decision), false)),
            ),
            Some(key) => match self.cached(set, key, &input) {
                Ok((decision, true)) => (&self.hits, Ok((decision, true))),
                made => (&self.misses, made),
            },
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let (decision, cached) = decided.unwrap_or_else(|error| (self.failed(error), false));
        Verdict {
            decision,
            revision: set.revision().clone(),
            cached,
        }
    }

    /// Never from the cache: the arguments of a call are its own.
    fn judge(
        &self,
        at: OffsetDateTime,
        who: &Principal,
        ask: &Ask,
        target: &Target,
        call: &ToolCall<'_>,
    ) -> Verdict {
        let set = &*self.set;
        let input = Input::new(who, ask, target, at).about(*call);
        let decided = set.evaluate(&input).map(Arc::new);
        self.bypasses.fetch_add(1, Ordering::Relaxed);
        Verdict {
            decision: decided.unwrap_or_else(|error| self.failed(error)),
            revision: set.revision().clone(),
            cached: false,
        }
    }
}
