//! Gate 2: one decision per target, from the cache where it was made before.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use lattice_kernel::gates::{Authorization, Decision, Denial, Verdict};
use lattice_kernel::{Ask, Code, Principal, Target, ToolCall};
use regorus::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::cache::{Decisions, Made};
use crate::counts::{Counts, Mismatch, Tally};
use crate::current::{Current, Key, Outcome, Question, Source};
use crate::decision::EvaluationError;
use crate::input::Input;
use crate::log::{Event, Sink};
use crate::options::{OnStale, Options, milliseconds};
use crate::set::PolicySet;
use crate::shadow::{Check, Checks};

/// The policy set in force, asked through its cache.
///
/// A decision is that of a set which was in force at some moment between the call
/// and its return: once [`Self::swap`] has returned, no call that begins gets a
/// decision of the set before.
pub struct Policy {
    pub(crate) current: Current<PolicySet, ArcSwap<PolicySet>, Decisions>,
    options: Options,
    log: Option<Arc<dyn Sink>>,
    tally: Arc<Tally>,
    checks: Checks,
    /// When the set's data were last known to be fresh; milliseconds since 1970.
    refreshed: AtomicI64,
}

impl Policy {
    /// Decisions of `set`.
    #[must_use]
    pub fn new(set: PolicySet, options: Options) -> Self {
        let (kept, tally) = (Decisions::default(), Arc::<Tally>::default());
        let doubted = options.cache && options.shadow > 0.0;
        Self {
            checks: Checks::start(doubted, kept.clone(), tally.clone()),
            current: Current::new(Arc::new(set), kept),
            options,
            log: None,
            tally,
            refreshed: AtomicI64::new(i64::MIN),
        }
    }

    /// The same, with an event of each decision put into `log`.
    #[must_use]
    pub fn logged(mut self, log: Arc<dyn Sink>) -> Self {
        self.log = Some(log);
        self
    }

    /// The set in force.
    #[must_use]
    pub fn set(&self) -> Arc<PolicySet> {
        self.current.set()
    }

    /// Puts `set` in force and returns the one before. What was decided under that
    /// one is not found any more, and ages.
    pub fn swap(&self, set: PolicySet) -> Arc<PolicySet> {
        let before = self.current.swap(Arc::new(set));
        self.tally.counters.swapped();
        before
    }

    /// The set in force held, at `at`, what the store holds.
    pub fn refreshed(&self, at: OffsetDateTime) {
        self.refreshed
            .fetch_max(milliseconds(at), Ordering::Relaxed);
    }

    /// For metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tally.counters.read()
    }

    /// Why the latest evaluation failed that did, for whoever runs the gateway;
    /// it may quote policy text and input.
    #[must_use]
    pub fn last_failure(&self) -> Option<EvaluationError> {
        self.tally.last_failure()
    }

    /// The latest of [`Counts::shadow_mismatches`].
    #[must_use]
    pub fn last_mismatch(&self) -> Option<Mismatch> {
        self.tally.last_mismatch()
    }

    fn is_stale(&self, at: OffsetDateTime) -> bool {
        let refreshed = self.refreshed.load(Ordering::Relaxed);
        self.options.is_stale(refreshed, at)
    }

    fn ask(
        &self,
        set: &Arc<PolicySet>,
        at: OffsetDateTime,
        input: &Input<'_>,
        keep: bool,
    ) -> Verdict {
        let stale = self.is_stale(at);
        let put = Put {
            input,
            keep: keep && self.options.cache && !stale,
            denied: stale && self.options.on_stale == OnStale::Deny,
            named: self.log.is_some(),
        };
        let hit = |set: &Arc<PolicySet>, key, kept: &Made| {
            if self.options.doubts(self.tally.counters.hits()) {
                self.checks.put(check(set, key, kept, input, at));
            }
        };
        let started = self.log.as_deref().map(|log| (log, Instant::now()));
        self.current.ask(set, &put, hit, |set, outcome| {
            if let Some((log, started)) = started {
                log.put(event(at, set, input, &outcome, started));
            }
            self.conclude(set, outcome)
        })
    }

    /// What `set` decides on an input that was put together elsewhere: made afresh,
    /// counted and logged.
    ///
    /// # Errors
    /// [`EvaluationError`], which a caller has to take for a denial.
    pub(crate) fn evaluate_json(
        &self,
        set: &Arc<PolicySet>,
        at: OffsetDateTime,
        input: Value,
    ) -> Result<Arc<Decision>, EvaluationError> {
        let started = Instant::now();
        let answer = match self.options.on_stale {
            OnStale::Deny if self.is_stale(at) => Err(EvaluationError::Stale),
            _ => set.evaluate_value(input.clone()).map(Arc::new),
        };
        self.tally.counters.decided(Source::Bypassed);
        if let Some(log) = &self.log {
            log.put(Event {
                set: set.clone(),
                at,
                id: Uuid::now_v7(),
                original: None,
                texts: texts(&input),
                input: Some(input),
                answer: answer.clone(),
                source: Source::Bypassed,
                took: started.elapsed(),
                requested_by: None,
                gate: "authzen",
            });
        }
        if let Err(error) = &answer {
            self.failed(error);
        }
        answer
    }

    fn conclude(&self, set: &PolicySet, outcome: Outcome<Made, EvaluationError>) -> Verdict {
        let Outcome { answer, source } = outcome;
        self.tally.counters.decided(source);
        let decision = match answer {
            Ok(made) => made.decision,
            Err(error) => self.failed(&error),
        };
        Verdict {
            decision,
            revision: set.revision().clone(),
            cached: source == Source::Kept,
        }
    }

    fn failed(&self, error: &EvaluationError) -> Arc<Decision> {
        self.tally.counters.failed();
        self.tally.remember(error);
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
    type Rules = Arc<PolicySet>;

    fn rules(&self) -> Arc<PolicySet> {
        self.set()
    }

    fn decide(
        &self,
        rules: &Arc<PolicySet>,
        at: OffsetDateTime,
        who: &Principal,
        ask: &Ask,
        target: &Target,
    ) -> Verdict {
        self.ask(rules, at, &Input::new(who, ask, target, at), true)
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
        let input = Input::new(who, ask, target, at).about(*call);
        self.ask(&self.set(), at, &input, false)
    }
}

/// A question as it is put to a set.
struct Put<'a> {
    input: &'a Input<'a>,
    keep: bool,
    /// Nothing is to be decided on data that may be old.
    denied: bool,
    /// The decision is to have a name in the log.
    named: bool,
}

impl Question<PolicySet> for Put<'_> {
    type Answer = Made;
    type Error = EvaluationError;

    fn key(&self, set: &PolicySet) -> Option<Key> {
        self.keep.then(|| set.cache_key(self.input)).flatten()
    }

    fn answer(&self, set: &PolicySet) -> Result<Made, EvaluationError> {
        if self.denied {
            return Err(EvaluationError::Stale);
        }
        let decision = set.evaluate(self.input)?;
        let id = self.named.then(Uuid::now_v7);
        Ok(Made::new(decision, id, set.lasts(self.input)))
    }
}

#[cold]
fn check(
    set: &Arc<PolicySet>,
    key: Key,
    kept: &Made,
    input: &Input<'_>,
    at: OffsetDateTime,
) -> Check {
    let (who, ask, target) = input.parts();
    Check {
        set: set.clone(),
        key,
        kept: kept.clone(),
        who: who.clone(),
        ask: ask.clone(),
        // Without its price, which is no matter of policy.
        target: Target {
            provider: target.provider.clone(),
            model: target.model.clone(),
            classification: target.classification.clone(),
            price: None,
            ..*target
        },
        at,
    }
}

fn event(
    at: OffsetDateTime,
    set: &Arc<PolicySet>,
    input: &Input<'_>,
    outcome: &Outcome<Made, EvaluationError>,
    started: Instant,
) -> Event {
    let made = outcome.answer.as_ref().ok().and_then(|made| made.id);
    let (id, original) = match outcome.source {
        Source::Kept => (Uuid::now_v7(), made),
        Source::Made | Source::Bypassed => (made.unwrap_or_else(Uuid::now_v7), None),
    };
    Event {
        set: set.clone(),
        at,
        id,
        original,
        input: set.document(input).ok(),
        answer: outcome
            .answer
            .as_ref()
            .map(|made| made.decision.clone())
            .map_err(Clone::clone),
        source: outcome.source,
        took: started.elapsed(),
        requested_by: input.source(),
        gate: "authorization",
        texts: input.texts(),
    }
}

/// Bytes of its names and texts, and some for each value.
fn texts(value: &Value) -> usize {
    const EACH: usize = 32;
    match value {
        Value::String(text) => text.len() + EACH,
        Value::Array(entries) => entries.iter().map(texts).sum::<usize>() + EACH,
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| texts(name) + texts(value));
            fields.sum::<usize>() + EACH
        }
        _ => EACH,
    }
}
