//! One decision of the set that ships: from the cache, made and kept, made without
//! a cache.

#![expect(clippy::expect_used, reason = "a bench stops at what should not be")]

use std::hint::black_box;

use criterion::Criterion;
use lattice_benches::{ask, principal, target};
use lattice_kernel::gates::Authorization;
use lattice_kernel::{Clock, SystemClock};
use lattice_policy::{Input, Options, Policy, PolicySet};
use uuid::Uuid;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decisions(&mut criterion);
    criterion.final_summary();
}

fn decisions(criterion: &mut Criterion) {
    let shipped = || PolicySet::shipped().expect("the shipped set loads");
    let (ask, target, at) = (ask(), target(), SystemClock.now());
    let mut group = criterion.benchmark_group("decision");

    // What the check in the shadow costs, one hit in a hundred pays; see below.
    let bare = Options {
        shadow: 0.0,
        ..Options::default()
    };
    let policy = Policy::new(shipped(), bare);
    let known = principal();
    assert!(
        policy
            .decide(&policy.rules(), at, &known, &ask, &target)
            .decision
            .allows()
    );
    group.bench_function("cached", |bencher| {
        bencher.iter(|| policy.decide(&policy.rules(), at, black_box(&known), &ask, &target));
    });
    assert_eq!(policy.counts().failures, 0);

    let policy = Policy::new(shipped(), Options::default());
    group.bench_function("cached, one in a hundred checked", |bencher| {
        bencher.iter(|| policy.decide(&policy.rules(), at, black_box(&known), &ask, &target));
    });
    assert_eq!(policy.counts().shadow_mismatches, 0);

    // Another key each time: each decision is made, and displaces another in the end.
    let policy = Policy::new(shipped(), Options::default());
    let mut stranger = principal();
    let mut number = 0;
    group.bench_function("made and kept", |bencher| {
        bencher.iter(|| {
            number += 1;
            stranger.subject.named.id = Uuid::from_u128(number);
            policy.decide(&policy.rules(), at, black_box(&stranger), &ask, &target)
        });
    });
    let counts = policy.counts();
    assert_eq!((counts.hits, counts.failures), (0, 0));

    let set = shipped();
    group.bench_function("made", |bencher| {
        bencher.iter(|| set.evaluate(&Input::new(black_box(&known), &ask, &target, at)));
    });
    group.finish();
}
