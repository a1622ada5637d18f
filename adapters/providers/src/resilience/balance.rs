//! Who of a plan's targets is asked first.

use std::cmp::Ordering;
use std::num::NonZeroU32;

use lattice_kernel::Balance;

use super::breaker::Standing;
use super::dice::Dice;

/// What is known of one target when its plan is ordered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub weight: NonZeroU32,
    /// Requests under way there.
    pub in_flight: u32,
    pub standing: Standing,
}

/// The places of `candidates` in the order in which they are asked: those that
/// limit their rate after those that do not, and what may not be asked last.
pub(crate) fn order(balance: Balance, candidates: &[Candidate], dice: &Dice) -> Vec<usize> {
    let mut order: Vec<(usize, Candidate)> = candidates.iter().copied().enumerate().collect();
    // Stable: what is equal stays in the order of the plan.
    match balance {
        Balance::LeastBusy => {
            order.sort_by(|(_, one), (_, other)| {
                one.standing
                    .cmp(&other.standing)
                    .then_with(|| by_load(one, other))
            });
        }
        Balance::Ordered | Balance::Weighted => {
            order.sort_by_key(|(_, candidate)| candidate.standing);
        }
    }
    if balance == Balance::Weighted {
        draw(&mut order, dice);
    }
    order.into_iter().map(|(place, _)| place).collect()
}

/// Requests under way for each unit of weight.
fn by_load(one: &Candidate, other: &Candidate) -> Ordering {
    let load = |of: &Candidate, against: &Candidate| {
        u64::from(of.in_flight) * u64::from(against.weight.get())
    };
    load(one, other).cmp(&load(other, one))
}

/// Moves one of the best to the front, each as often as its weight says; the rest
/// keep their order.
fn draw(order: &mut [(usize, Candidate)], dice: &Dice) {
    let Some((_, Candidate { standing, .. })) = order.first().copied() else {
        return;
    };
    let best = order.partition_point(|(_, candidate)| candidate.standing == standing);
    let weight = |(_, candidate): &(usize, Candidate)| u64::from(candidate.weight.get());
    let mut drawn = dice.below(order[..best].iter().map(weight).sum());
    let hit = order[..best].iter().position(|entry| {
        let hit = drawn < weight(entry);
        drawn = drawn.saturating_sub(weight(entry));
        hit
    });
    order[..=hit.unwrap_or_default()].rotate_right(1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(weight: u32, in_flight: u32, standing: Standing) -> Candidate {
        Candidate {
            weight: NonZeroU32::new(weight).expect("not 0"),
            in_flight,
            standing,
        }
    }

    fn ready(weight: u32, in_flight: u32) -> Candidate {
        candidate(weight, in_flight, Standing::Ready)
    }

    #[test]
    fn in_order_means_as_configured_whatever_the_load() {
        let plan = [ready(1, 9), ready(9, 0), ready(1, 0)];
        assert_eq!(order(Balance::Ordered, &plan, &Dice::seeded(1)), [0, 1, 2]);
    }

    #[test]
    fn the_least_busy_for_its_weight_goes_first_and_ties_keep_their_order() {
        let least = |plan: &[Candidate]| order(Balance::LeastBusy, plan, &Dice::seeded(1));
        assert_eq!(least(&[ready(1, 2), ready(1, 1), ready(1, 0)]), [2, 1, 0]);
        assert_eq!(least(&[ready(1, 2), ready(3, 5)]), [1, 0]);
        assert_eq!(least(&[ready(1, 2), ready(3, 6)]), [0, 1]);
        assert_eq!(least(&[ready(1, 0), ready(1000, 0)]), [0, 1]);
    }

    #[test]
    fn each_target_is_first_as_often_as_its_weight_says() {
        let plan = [ready(1, 0), ready(6, 0), ready(3, 0)];
        let dice = Dice::seeded(11);
        let mut first = [0_u32; 3];
        for _ in 0..20_000 {
            let order = order(Balance::Weighted, &plan, &dice);
            first[order[0]] += 1;
            let rest: Vec<usize> = (0..3).filter(|place| *place != order[0]).collect();
            assert_eq!(order[1..], rest, "failover keeps the order of the plan");
        }
        for (count, expected) in first.iter().zip([2_000, 12_000, 6_000]) {
            assert!(count.abs_diff(expected) < 400, "{first:?}");
        }
    }

    #[test]
    fn no_weight_makes_up_for_a_limit_or_an_open_breaker() {
        let plan = [
            candidate(1000, 0, Standing::Shut),
            candidate(1000, 0, Standing::Cooling),
            ready(1, 50),
            ready(1, 60),
        ];
        for balance in [Balance::Ordered, Balance::LeastBusy] {
            assert_eq!(order(balance, &plan, &Dice::seeded(1)), [2, 3, 1, 0]);
        }
        let dice = Dice::seeded(1);
        for _ in 0..100 {
            let order = order(Balance::Weighted, &plan, &dice);
            assert!(order == [2, 3, 1, 0] || order == [3, 2, 1, 0], "{order:?}");
        }
    }

    proptest! {
        /// Every target is in the order once, whatever the balance.
        #[test]
        fn nobody_is_lost(
            plan in prop::collection::vec((1_u32..=1000, any::<u32>(), 0..3_usize), 0..9),
            seed in any::<u64>(),
        ) {
            let standings = [Standing::Ready, Standing::Cooling, Standing::Shut];
            let plan: Vec<Candidate> = plan
                .into_iter()
                .map(|(weight, in_flight, standing)| candidate(weight, in_flight, standings[standing]))
                .collect();
            for balance in [Balance::Ordered, Balance::Weighted, Balance::LeastBusy] {
                let ordered = order(balance, &plan, &Dice::seeded(seed));
                let standings: Vec<Standing> = ordered.iter().map(|place| plan[*place].standing).collect();
                prop_assert!(standings.is_sorted());
                let mut places = ordered;
                places.sort_unstable();
                prop_assert!(places.into_iter().eq(0..plan.len()));
            }
        }
    }
}
