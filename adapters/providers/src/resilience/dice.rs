//! Random numbers for spreading load. Nothing secret may hang on them.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A generator that many threads share without a lock (SplitMix64).
#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Default for Dice {
    fn default() -> Self {
        Self::seeded(RandomState::new().hash_one(0_u8))
    }
}

impl Dice {
    /// Always the same numbers.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn roll(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..end`, all as likely as each other; 0 where there is none.
    pub fn below(&self, end: u64) -> u64 {
        // The upper half of the product: no remainder, no loop.
        let product = u128::from(self.roll()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// Some part of `most`.
    pub fn part_of(&self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_the_end_comes_up_about_as_often() {
        let dice = Dice::seeded(7);
        let mut seen = [0_u32; 6];
        for _ in 0..60_000 {
            seen[usize::try_from(dice.below(6)).expect("small")] += 1;
        }
        assert!(
            seen.iter().all(|count| (9_500..10_500).contains(count)),
            "{seen:?}"
        );
        assert_eq!((dice.below(0), dice.below(1)), (0, 0));
    }

    #[test]
    fn a_part_is_never_more_than_the_whole() {
        let dice = Dice::seeded(7);
        let most = Duration::from_nanos(3);
        let parts: Vec<u128> = (0..400).map(|_| dice.part_of(most).as_nanos()).collect();
        assert_eq!(
            (parts.iter().min(), parts.iter().max()),
            (Some(&0), Some(&3))
        );
    }
}
