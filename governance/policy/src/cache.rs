//! Decisions that were made, by the digest of what went into them.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lattice_kernel::gates::{Decision, Obligation};
use moka::Expiry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use uuid::Uuid;

use crate::current::{Keep, Key};
use crate::decision::EvaluationError;

/// Bytes, roughly.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What an entry costs beside its texts: key, decision, and the cache's own nodes.
const OVERHEAD: usize = 256;

const ALLOWED: Duration = Duration::from_secs(60);
/// Short, because whoever was refused tries again once it was mended.
const DENIED: Duration = Duration::from_secs(10);

/// A decision as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) decision: Arc<Decision>,
    /// What the decision log calls it; `None` where there is no log.
    pub(crate) id: Option<Uuid>,
    /// How long it may be kept.
    age: Duration,
}

impl Made {
    /// `lasts`: for how long the question stays the same, where it names the time.
    pub(crate) fn new(decision: Decision, id: Option<Uuid>, lasts: Duration) -> Self {
        let age = if decision.allows() { ALLOWED } else { DENIED };
        Self {
            decision: Arc::new(decision),
            id,
            age: age.min(lasts),
        }
    }
}

/// Alike where the decisions are, whenever and for whomever they were made.
impl PartialEq for Made {
    fn eq(&self, other: &Self) -> bool {
        self.decision == other.decision
    }
}

/// Clones share what is kept.
#[derive(Clone)]
pub(crate) struct Decisions(Cache<Key, Made, BuildHasherDefault<Prefix>>);

impl Default for Decisions {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|_, made: &Made| weight(&made.decision))
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Ages)
            .build_with_hasher(BuildHasherDefault::default());
        Self(cache)
    }
}

impl Keep for Decisions {
    type Answer = Made;
    type Error = EvaluationError;

    fn find(&self, key: &Key) -> Option<Made> {
        self.0.get(key)
    }

    fn find_or_make(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<Made, EvaluationError>,
    ) -> Result<(Made, bool), EvaluationError> {
        let entry = self.0.entry(key).or_try_insert_with(make);
        let entry = entry.map_err(Arc::unwrap_or_clone)?;
        let found = !entry.is_fresh();
        Ok((entry.into_value(), found))
    }

    fn forget(&self, key: &Key) {
        self.0.invalidate(key);
    }
}

/// A key is a digest, so its first bytes are as good as any hash of it.
#[derive(Default)]
pub(crate) struct Prefix(u64);

impl Hasher for Prefix {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(prefix) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*prefix);
        }
    }

    /// The length of the key, which is that of every key.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

fn weight(decision: &Decision) -> u32 {
    let messages = decision.deny.iter().map(|denial| denial.message.len());
    let obligations = decision
        .obligations
        .iter()
        .map(|obligation| match obligation {
            Obligation::DropTool(text)
            | Obligation::SetArguments(text)
            | Obligation::Unknown(text) => text.len(),
        });
    let texts: usize = messages.chain(obligations).map(|length| length + 48).sum();
    u32::try_from(texts + OVERHEAD).unwrap_or(u32::MAX)
}

struct Ages;

impl Expiry<Key, Made> for Ages {
    fn expire_after_create(&self, _: &Key, made: &Made, _: Instant) -> Option<Duration> {
        Some(made.age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lattice_kernel::Code;
    use lattice_kernel::gates::Denial;
    use std::hash::BuildHasher;

    fn decision(allow: bool, reasons: usize) -> Decision {
        let reason = Denial {
            code: Code::PolicyDenied,
            message: "x".repeat(500).into(),
        };
        Decision {
            allow,
            deny: vec![reason; reasons],
            obligations: Vec::new(),
        }
    }

    #[test]
    fn a_denial_is_kept_for_less_time_and_nothing_longer_than_its_question_lasts() {
        let age = |decision, lasts| {
            let made = Made::new(decision, None, Duration::from_secs(lasts));
            Ages.expire_after_create(&[0; 32], &made, Instant::now())
        };
        assert_eq!(age(decision(true, 0), 3600), Some(Duration::from_secs(60)));
        assert_eq!(age(decision(false, 0), 3600), Some(Duration::from_secs(10)));
        assert_eq!(age(decision(true, 1), 3600), Some(Duration::from_secs(10)));
        assert_eq!(age(decision(true, 0), 25), Some(Duration::from_secs(25)));
        assert_eq!(age(decision(false, 0), 25), Some(Duration::from_secs(10)));
        assert_eq!(age(decision(false, 0), 3), Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_has_aged_is_made_again() {
        let decisions = Decisions::default();
        let made = || Made::new(decision(true, 0), None, Duration::from_millis(1));
        let (_, found) = decisions.find_or_make([1; 32], || Ok(made())).unwrap();
        assert!(!found);
        std::thread::sleep(Duration::from_millis(20));
        assert!(decisions.find(&[1; 32]).is_none());
        let (_, found) = decisions.find_or_make([1; 32], || Ok(made())).unwrap();
        assert!(!found);
    }

    #[test]
    fn keys_are_told_apart_by_their_digest() {
        let hasher = BuildHasherDefault::<Prefix>::default();
        let mut key = [0; 32];
        key[..8].copy_from_slice(&0x0123_4567_89ab_cdef_u64.to_le_bytes());
        assert_eq!(hasher.hash_one(key), 0x0123_4567_89ab_cdef);
    }

    #[test]
    fn the_cache_is_bounded_by_weight() {
        let Decisions(cache) = Decisions::default();
        for number in 0..20_000_u64 {
            let mut key = [0; 32];
            // Spread as digests are.
            let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            key[..8].copy_from_slice(&spread.to_le_bytes());
            let long = Duration::from_secs(3600);
            cache.insert(key, Made::new(decision(false, 4), None, long));
        }
        cache.run_pending_tasks();
        assert!(cache.weighted_size() <= CAPACITY);
        assert!(cache.entry_count() > 1000, "{}", cache.entry_count());
    }
}
