//! How a policy is asked.

use std::time::Duration;

use time::OffsetDateTime;

/// How a policy is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Decisions are kept. Off: each is made afresh.
    pub cache: bool,
    /// The share of kept decisions, from 0 to 1, that are made again and compared.
    pub shadow: f64,
    /// Nothing is kept or found once [`crate::Policy::refreshed`] was last told of a
    /// moment so long before the request, or never. `None`: the set's data come from
    /// nowhere that could have changed unseen.
    pub stale_after: Option<Duration>,
    /// What becomes of a request then.
    pub on_stale: OnStale,
}

/// What becomes of a request when the set's data may have changed unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnStale {
    /// It is decided on what was last known, without the cache.
    #[default]
    Bypass,
    /// It is refused.
    Deny,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache: true,
            shadow: 0.01,
            stale_after: None,
            on_stale: OnStale::Bypass,
        }
    }
}

impl Options {
    /// Whether the hit of this number is one to be made again. Numbers are shuffled
    /// first, so that callers who take turns do not always meet the same fate.
    pub(crate) fn doubts(&self, hit: u64) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share need not be exact to the last bit"
        )]
        let place = (shuffled(hit) >> 11) as f64 / (1_u64 << 53) as f64;
        place < self.shadow
    }

    /// Whether data that were last known to be fresh at `refreshed` are too old at `at`.
    pub(crate) fn is_stale(&self, refreshed: i64, at: OffsetDateTime) -> bool {
        self.stale_after.is_some_and(|most| {
            let age = milliseconds(at).saturating_sub(refreshed);
            u128::try_from(age).is_ok_and(|age| age > most.as_millis())
        })
    }
}

/// Since 1970.
pub(crate) fn milliseconds(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() * 1000 + i64::from(at.millisecond())
}

/// The finaliser of SplitMix64: a bijection.
fn shuffled(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_what_it_says() {
        let doubted = |shadow| {
            let options = Options {
                shadow,
                ..Options::default()
            };
            (0..100_000).filter(|hit| options.doubts(*hit)).count()
        };
        assert_eq!(doubted(0.0), 0);
        assert_eq!(doubted(1.0), 100_000);
        assert_eq!(doubted(f64::NAN), 0);
        assert!((900..1100).contains(&doubted(0.01)), "{}", doubted(0.01));
    }

    #[test]
    fn callers_who_take_turns_are_doubted_alike() {
        let options = Options {
            shadow: 0.1,
            ..Options::default()
        };
        for turn in 0..10 {
            let hits = (0..10_000).map(|round| round * 10 + turn);
            let doubted = hits.filter(|hit| options.doubts(*hit)).count();
            assert!((800..1200).contains(&doubted), "{turn}: {doubted}");
        }
    }
}
