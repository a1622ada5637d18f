//! Whatever is reserved, settled, dropped and given back, by whichever node and at whatever
//! time of its clock: no bucket of a hard limit is overspent.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Reserve {
        node: usize,
        least: u64,
        more: u64,
    },
    /// The oldest hold ends, at this share of what it holds.
    Settle {
        percent: u64,
    },
    Drop,
    GiveBack {
        node: usize,
    },
    /// The clock of a node jumps, backwards too.
    Jump {
        node: usize,
        seconds: i64,
    },
    /// A node dies with all that it holds; another takes its place.
    Die {
        node: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3usize, 0u64..60, 0u64..60)
            .prop_map(|(node, least, more)| Step::Reserve { node, least, more }),
        4 => (0u64..=100).prop_map(|percent| Step::Settle { percent }),
        1 => Just(Step::Drop),
        2 => (0..3usize).prop_map(|node| Step::GiveBack { node }),
        1 => (0..3usize, -90_000i64..90_000).prop_map(|(node, seconds)| Step::Jump { node, seconds }),
        1 => (0..3usize).prop_map(|node| Step::Die { node }),
    ]
}

proptest! {
    #[test]
    fn a_hard_limit_holds_in_every_bucket(
        steps in proptest::collection::vec(step(), 1..120),
        window in 0..Window::ALL.len(),
        rolling in any::<bool>(),
        amount in 1i64..200,
    ) {
        let period = Period { window: Window::ALL[window], rolling };
        let limits = [Limit { period, ..limit(Window::Day, amount, Mode::Hard) }];
        let shared = Arc::<Shared>::default();
        let mut names = 0..;
        let mut boot = || Node::new(names.next().expect("endless"), &shared, &limits);
        let mut nodes = [boot(), boot(), boot()];
        let mut clocks = [NOW; 3];
        let mut held = std::collections::VecDeque::new();
        for step in steps {
            match step {
                Step::Reserve { node, least, more } => {
                    let reserved = block_on(nodes[node].reserve(clocks[node], least, least + more));
                    if let Ok(reserved) = reserved {
                        held.push_back(reserved.hold);
                    }
                }
                Step::Settle { percent } => if let Some(hold) = held.pop_front() {
                    let amount = hold.amounts().usd.get() * percent / 100;
                    hold.settle(cost(amount));
                },
                Step::Drop => drop(held.pop_front()),
                Step::GiveBack { node } => nodes[node].give_back(clocks[node]),
                Step::Jump { node, seconds } => clocks[node] += time::Duration::seconds(seconds),
                Step::Die { node } => nodes[node] = boot(),
            }
            let slices = shared.slices.lock();
            for ((_, starts), nodes) in slices.iter() {
                let taken: i64 = nodes.values().sum();
                prop_assert!(taken <= amount, "{taken} of {amount} in the bucket of {starts}");
                prop_assert!(nodes.values().all(|slice| *slice >= 0));
            }
        }
    }
}
