//! How long to wait before a plan is walked again.

use std::time::Duration;

use super::dice::Dice;

/// The longest first wait.
const BASE: Duration = Duration::from_millis(250);
/// The longest wait of our own making.
const CAP: Duration = Duration::from_secs(5);
/// A caller that is kept waiting for longer is better told to come back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The wait for a target that has failed a request `before` and once more: a random part of a bound that doubles, so that
/// callers who failed together do not come back together; never less than what the
/// provider asked for.
pub(crate) fn wait(before: u32, told: Option<Duration>, dice: &Dice) -> Duration {
    let bound = BASE.saturating_mul(1 << before.min(16)).min(CAP);
    dice.part_of(bound).max(told.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_cap() {
        let dice = Dice::seeded(3);
        for (round, bound) in [(0, 250), (1, 500), (2, 1000), (5, 5000), (99, 5000)] {
            let waits: Vec<_> = (0..500).map(|_| wait(round, None, &dice)).collect();
            let (bound, longest) = (Duration::from_millis(bound), waits.iter().max());
            let longest = *longest.expect("some");
            assert!(
                longest <= bound && longest > bound * 9 / 10,
                "{longest:?} of {bound:?}"
            );
            let shortest = *waits.iter().min().expect("some");
            assert!(shortest < bound / 10, "{shortest:?} of {bound:?}");
        }
    }

    #[test]
    fn a_provider_that_names_a_wait_gets_it() {
        let dice = Dice::seeded(3);
        for told in [Duration::from_secs(1), Duration::from_secs(60)] {
            assert_eq!(wait(0, Some(told), &dice), told);
        }
        let short = wait(4, Some(Duration::from_millis(1)), &dice);
        assert!(short >= Duration::from_millis(1) && short <= CAP);
    }
}
