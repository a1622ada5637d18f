//! Decisions that were made, by the digest of what went into them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lattice_kernel::gates::{Decision, Obligation};
use moka::Expiry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// Bytes, roughly.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What an entry costs beside its texts: key, decision, and the cache's own nodes.
const OVERHEAD: usize = 256;

const ALLOWED: Duration = Duration::from_secs(60);
/// Short, because whoever was refused tries again once it was mended.
const DENIED: Duration = Duration::from_secs(10);

pub(crate) type Decisions = Cache<[u8; 32], Arc<Decision>>;

pub(crate) fn decisions() -> Decisions {
    Cache::builder()
        .max_capacity(CAPACITY)
        .weigher(|_, decision: &Arc<Decision>| weight(decision))
        .eviction_policy(EvictionPolicy::lru())
        .expire_after(Ages)
        .build()
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

impl Expiry<[u8; 32], Arc<Decision>> for Ages {
    fn expire_after_create(
        &self,
        _: &[u8; 32],
        decision: &Arc<Decision>,
        _: Instant,
    ) -> Option<Duration> {
        Some(if decision.allows() { ALLOWED } else { DENIED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lattice_kernel::Code;
    use lattice_kernel::gates::Denial;

    fn decision(allow: bool, reasons: usize) -> Arc<Decision> {
        let reason = Denial {
            code: Code::PolicyDenied,
            message: "x".repeat(500).into(),
        };
        Arc::new(Decision {
            allow,
            deny: vec![reason; reasons],
            obligations: Vec::new(),
        })
    }

    #[test]
    fn a_denial_is_kept_for_less_time() {
        let age = |decision| Ages.expire_after_create(&[0; 32], &decision, Instant::now());
        assert_eq!(age(decision(true, 0)), Some(Duration::from_secs(60)));
        assert_eq!(age(decision(false, 0)), Some(Duration::from_secs(10)));
        assert_eq!(age(decision(true, 1)), Some(Duration::from_secs(10)));
    }

    #[test]
    fn the_cache_is_bounded_by_weight() {
        let cache = decisions();
        for number in 0..20_000_u64 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            cache.insert(key, decision(false, 4));
        }
        cache.run_pending_tasks();
        assert!(cache.weighted_size() <= CAPACITY);
        assert!(cache.entry_count() > 1000, "{}", cache.entry_count());
    }
}
