//! How decisions came about, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::current::{Shadow, Source};

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
    /// Sets that took the place of another.
    pub swaps: u64,
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
    swaps: AtomicU64,
}

impl Counters {
    pub(crate) fn decided(&self, source: Source, shadow: Option<Shadow>) {
        // An entry whose check went wrong was a hit all the same.
        add(match (source, shadow) {
            (Source::Kept, _) | (_, Some(_)) => &self.hits,
            (Source::Made, None) => &self.misses,
            (Source::Bypassed, None) => &self.bypasses,
        });
        match shadow {
            None => {}
            Some(Shadow::Match) => add(&self.shadow_matches),
            Some(Shadow::Mismatch) => add(&self.shadow_mismatches),
            Some(Shadow::Error) => add(&self.shadow_errors),
        }
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
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            hits: read(&self.hits),
            misses: read(&self.misses),
            bypasses: read(&self.bypasses),
            failures: read(&self.failures),
            shadow_matches: read(&self.shadow_matches),
            shadow_mismatches: read(&self.shadow_mismatches),
            shadow_errors: read(&self.shadow_errors),
            swaps: read(&self.swaps),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
