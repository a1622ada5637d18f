//! Several attempts on one record: what one that was given up may have cost is
//! held, stays on the bill, and cannot be given up twice.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;

/// The most that one attempt can cost; `HELD` is for two of them.
const BOUND: u64 = HELD / 2;

/// How one attempt goes, and what the provider bills for it.
#[derive(Debug, Clone)]
enum Attempt {
    Unreached,
    /// Refused with a status that says that nothing was generated.
    Refused(u16),
    /// Silence, a broken connection, or a status that says that something gave up.
    Unknown {
        status: Option<u16>,
        billed: u64,
    },
    /// A reply whose usage is told, or not.
    Answered {
        tokens: u64,
        told: bool,
    },
}

impl Attempt {
    /// Plays it, and returns what is billed.
    fn play(&self, record: &mut Record, target: &Arc<Target>) -> u64 {
        record.attempt(target.clone());
        match *self {
            Self::Unreached => {
                record.unreached();
                0
            }
            Self::Refused(status) => {
                record.answered(status);
                0
            }
            Self::Unknown { status, billed } => {
                if let Some(status) = status {
                    record.answered(status);
                }
                billed
            }
            Self::Answered { tokens, told } => {
                record.answered(200);
                let usage = Usage {
                    output: tokens,
                    ..Usage::default()
                };
                if told {
                    record.used(usage);
                }
                tokens * 2
            }
        }
    }

    /// Whether the walk ends with it.
    fn is_last(&self) -> bool {
        matches!(self, Self::Answered { .. })
    }
}

/// Money for one attempt more than the one that answers.
fn sparing(play: impl Fn(Record, Arc<Target>) + Send + Sync + 'static) -> Stage {
    Stage {
        spare_attempts: 1,
        ..Stage::playing(play)
    }
}

fn closed(stage: Stage) -> Event {
    let (_, mut events) = stage.walk(&mut draft());
    events.remove(4)
}

const SILENT: Attempt = Attempt::Unknown {
    status: None,
    billed: 0,
};

#[test]
fn one_attempt_costs_its_own_bound_and_not_all_that_is_held() {
    let event = closed(sparing(|mut record, target| {
        SILENT.play(&mut record, &target);
        record.close(Ending::Cut);
    }));
    assert_eq!(event, Event::Closed(Ending::Cut, Some(BOUND), true));
}

#[test]
fn what_was_given_up_stays_on_the_bill() {
    for (last, cost) in [
        (
            Attempt::Answered {
                tokens: 7,
                told: true,
            },
            BOUND + 14,
        ),
        (Attempt::Refused(503), BOUND),
        (Attempt::Unreached, BOUND),
        (SILENT, 2 * BOUND),
    ] {
        let event = closed(sparing(move |mut record, target| {
            SILENT.play(&mut record, &target);
            last.play(&mut record, &target);
            let outcome = record.close(Ending::Finished);
            assert_eq!((outcome.attempts, outcome.abandoned), (2, 1));
        }));
        assert_eq!(event, Event::Closed(Ending::Finished, Some(cost), true));
    }
}

#[test]
fn only_what_is_held_may_be_given_up() {
    let stage = sparing(|mut record, target| {
        assert!(record.affords_attempt());
        Attempt::Refused(500).play(&mut record, &target);
        assert!(record.affords_attempt(), "it cannot have been billed");
        SILENT.play(&mut record, &target);
        assert!(record.affords_attempt(), "there is money for a spare one");
        Attempt::Unreached.play(&mut record, &target);
        assert!(record.affords_attempt());
        SILENT.play(&mut record, &target);
        assert!(!record.affords_attempt(), "that is spent");
    });
    stage.walk(&mut draft()).0.expect("served");
    let stage = Stage::playing(|mut record, target| {
        assert!(record.affords_attempt());
        SILENT.play(&mut record, &target);
        assert!(!record.affords_attempt(), "nothing is held for another");
    });
    stage.walk(&mut draft()).0.expect("served");
}

#[test]
fn what_nobody_reckoned_is_never_said_to_be_free() {
    let unreckoned = |last: Attempt| {
        let stage = sparing(move |mut record, target| {
            SILENT.play(&mut record, &target);
            last.play(&mut record, &target);
            assert_eq!(record.close(Ending::Finished).abandoned, 1);
        });
        closed(Stage {
            reserved: None,
            ..stage
        })
    };
    let told = Attempt::Answered {
        tokens: 7,
        told: true,
    };
    let known = Event::Closed(Ending::Finished, Some(14), true);
    assert_eq!(unreckoned(told), known);
    let unknown = Event::Closed(Ending::Finished, None, true);
    assert_eq!(unreckoned(Attempt::Refused(500)), unknown);
    assert_eq!(unreckoned(SILENT), unknown);
}

#[test]
fn the_last_attempt_alone_says_how_the_call_went() {
    let stage = sparing(|mut record, target| {
        Attempt::Refused(503).play(&mut record, &target);
        assert!(record.first_byte().is_some());
        SILENT.play(&mut record, &target);
        assert_eq!(record.first_byte(), None, "of a reply that never came");
        assert_eq!(record.close(Ending::Cut).status, None);
    });
    stage.walk(&mut draft()).0.expect("served");
}

#[test]
fn the_end_is_told_once_however_it_comes() {
    for (play, ending) in [
        (
            (|record: Record| drop(record.close(Ending::Finished))) as fn(Record),
            Ending::Finished,
        ),
        (drop, Ending::Dropped),
    ] {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = told.clone();
        let stage = Stage::playing(move |mut record, _| {
            let tell = tell.clone();
            record.on_end(move |ending| tell.lock().expect("not poisoned").push(ending));
            play(record);
        });
        stage.walk(&mut draft()).0.expect("served");
        assert_eq!(*told.lock().expect("not poisoned"), [ending]);
    }
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let gave_up = prop::sample::select(vec![408, 502, 504, 522, 524]);
    prop_oneof![
        Just(Attempt::Unreached),
        prop::sample::select(vec![401, 402, 403, 429, 500, 503, 529]).prop_map(Attempt::Refused),
        (prop::option::of(gave_up), 0..=BOUND)
            .prop_map(|(status, billed)| Attempt::Unknown { status, billed }),
        (0..=BOUND / 2, any::<bool>())
            .prop_map(|(tokens, told)| Attempt::Answered { tokens, told }),
    ]
}

proptest! {
    /// Whatever becomes of the attempts, the books show at least what was billed,
    /// and no more than was held for it.
    #[test]
    fn the_charge_covers_every_bill(
        attempts in prop::collection::vec(any_attempt(), 0..8),
        spare_attempts in 0u32..3,
        ended in any::<bool>(),
    ) {
        let billed = Arc::new(AtomicU64::new(0));
        let bills = billed.clone();
        let shown = format!("{attempts:?}");
        let stage = Stage {
            spare_attempts,
            reserved: Some(BOUND * u64::from(spare_attempts + 1)),
            ..Stage::playing(move |mut record, target| {
                for attempt in &attempts {
                    if !record.affords_attempt() {
                        break;
                    }
                    bills.fetch_add(attempt.play(&mut record, &target), Ordering::Relaxed);
                    if attempt.is_last() {
                        break;
                    }
                }
                if ended {
                    record.close(Ending::Finished);
                }
            })
        };
        let Event::Closed(_, Some(cost), estimated) = closed(stage) else {
            panic!("closed with a cost");
        };
        let billed = billed.load(Ordering::Relaxed);
        prop_assert!(cost >= billed, "{cost} < {billed}: {shown}");
        prop_assert!(cost <= BOUND * u64::from(spare_attempts + 1), "{cost}: {shown}");
        prop_assert!(estimated || cost == billed, "a count is exact: {shown}");
    }
}
