//! How decisions came about, counted, and the latest of what went wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::cache::Made;
use crate::current::{Shadow, Source};
use crate::decision::EvaluationError;
use crate::set::PolicySet;

/// How decisions came about, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// The cache had it.
    pub hits: u64,
    /// It was made and, unless that failed, kept.
    pub misses: u64,
    /// It was made and not to be kept.
    pub bypasses: u64,
    /// Of the last two, those that failed and so denied.
    pub failures: u64,
    /// Of what the cache had, what was made again and came out alike.
    pub shadow_matches: u64,
    /// What came out otherwise.
    pub shadow_mismatches: u64,
    /// What could not be made again.
    pub shadow_errors: u64,
    /// What was to be made again and was not, because too many waited for it.
    pub shadow_skipped: u64,
    /// Sets that took the place of another.
    pub swaps: u64,
}

/// A decision that was kept and came out otherwise when it was made again: something
/// sways decisions that is not in their keys. It is kept no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Of the set.
    pub revision: Arc<str>,
    /// What the decision made afresh said, and the kept one did not, or for other reasons.
    pub allowed: bool,
}

/// What is told of decisions.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) counters: Counters,
    failure: Mutex<Option<EvaluationError>>,
    mismatch: Mutex<Option<Mismatch>>,
}

impl Tally {
    pub(crate) fn remember(&self, failure: &EvaluationError) {
        *self.failure.lock() = Some(failure.clone());
    }

    pub(crate) fn mismatched(&self, set: &PolicySet, afresh: &Made) {
        *self.mismatch.lock() = Some(Mismatch {
            revision: set.revision().clone(),
            allowed: afresh.decision.allows(),
        });
    }

    pub(crate) fn last_failure(&self) -> Option<EvaluationError> {
        self.failure.lock().clone()
    }

    pub(crate) fn last_mismatch(&self) -> Option<Mismatch> {
        self.mismatch.lock().clone()
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    bypasses: AtomicU64,
    failures: AtomicU64,
    shadow_matches: AtomicU64,
    shadow_mismatches: AtomicU64,
    shadow_errors: AtomicU64,
    shadow_skipped: AtomicU64,
    swaps: AtomicU64,
}

impl Counters {
    pub(crate) fn decided(&self, source: Source) {
        add(match source {
            Source::Kept => &self.hits,
            Source::Made => &self.misses,
            Source::Bypassed => &self.bypasses,
        });
    }

    pub(crate) fn checked(&self, shadow: Shadow) {
        let counter = match shadow {
            Shadow::Match => &self.shadow_matches,
            Shadow::Mismatch => &self.shadow_mismatches,
            Shadow::Error => &self.shadow_errors,
        };
        // Whoever reads it may go on to what the check did.
        counter.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn unchecked(&self) {
        add(&self.shadow_skipped);
    }

    pub(crate) fn failed(&self) {
        add(&self.failures);
    }

    pub(crate) fn swapped(&self) {
        add(&self.swaps);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(crate) fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        Counts {
            hits: read(&self.hits),
            misses: read(&self.misses),
            bypasses: read(&self.bypasses),
            failures: read(&self.failures),
            shadow_matches: read(&self.shadow_matches),
            shadow_mismatches: read(&self.shadow_mismatches),
            shadow_errors: read(&self.shadow_errors),
            shadow_skipped: read(&self.shadow_skipped),
            swaps: read(&self.swaps),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
