//! [`Current`] under shuttle: the code that ships, over a slot and a store of answers
//! whose every step the scheduler may interleave.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc as StdArc;

use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

use crate::current::{Current, Keep, Key, Outcome, Question, Shadow, Slot, Source, compare};

/// A set that answers with its own number.
struct Version(u64);

struct Held(Mutex<StdArc<Version>>);

impl Slot<Version> for Held {
    fn holding(set: StdArc<Version>) -> Self {
        Self(Mutex::new(set))
    }

    fn load(&self) -> impl Deref<Target = StdArc<Version>> {
        Box::new(self.0.lock().unwrap().clone())
    }

    fn swap(&self, set: StdArc<Version>) -> StdArc<Version> {
        std::mem::replace(&mut self.0.lock().unwrap(), set)
    }
}

/// Answers by key; `None`: somebody is making it.
#[derive(Default)]
struct Kept {
    answers: Mutex<HashMap<Key, Option<u64>>>,
    made: Condvar,
}

impl Keep for Kept {
    type Answer = u64;
    type Error = ();

    fn find(&self, key: &Key) -> Option<u64> {
        self.answers.lock().unwrap().get(key).copied().flatten()
    }

    fn find_or_make(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<u64, ()>,
    ) -> Result<(u64, bool), ()> {
        let mut answers = self.answers.lock().unwrap();
        loop {
            match answers.get(&key) {
                Some(Some(answer)) => return Ok((*answer, true)),
                Some(None) => answers = self.made.wait(answers).unwrap(),
                None => break,
            }
        }
        answers.insert(key, None);
        drop(answers);
        let answer = make()?;
        self.answers.lock().unwrap().insert(key, Some(answer));
        self.made.notify_all();
        Ok((answer, false))
    }

    fn forget(&self, key: &Key) {
        self.answers.lock().unwrap().remove(key);
    }
}

/// The same question to every set, whose keys tell sets apart, or do not.
struct Same {
    seeded: bool,
}

impl Question<Version> for Same {
    type Answer = u64;
    type Error = ();

    fn key(&self, set: &Version) -> Option<Key> {
        let mut key = [0; 32];
        if self.seeded {
            key[..8].copy_from_slice(&set.0.to_le_bytes());
        }
        Some(key)
    }

    fn answer(&self, set: &Version) -> Result<u64, ()> {
        // As slow as the scheduler likes.
        thread::yield_now();
        Ok(set.0)
    }
}

type Asked = Current<Version, Held, Kept>;

/// One swap after the other, while three ask the same thing.
fn swaps_and_questions(seeded: bool, doubted: bool) {
    const LAST: u64 = 3;
    let asked: Arc<Asked> = Arc::new(Current::new(StdArc::new(Version(1)), Kept::default()));
    let (begun, returned) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(1)));
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let (asked, begun, returned) = (asked.clone(), begun.clone(), returned.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let oldest = returned.load(Ordering::SeqCst);
                    let (set, answer, source) = ask(&asked, seeded, doubted);
                    let newest = begun.load(Ordering::SeqCst);
                    assert!(
                        (oldest..=newest).contains(&answer),
                        "an answer of set {answer} ({source:?}) when {oldest} to {newest} were in force"
                    );
                    // Where keys do not tell sets apart, the above is what is to be seen.
                    assert!(!seeded || set == answer, "{set} answered, and not {answer}");
                }
            })
        })
        .collect();
    for version in 2..=LAST {
        begun.store(version, Ordering::SeqCst);
        let before = asked.swap(StdArc::new(Version(version)));
        returned.store(version, Ordering::SeqCst);
        assert_eq!(before.0, version - 1);
    }
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(ask(&asked, seeded, doubted).1, LAST);
}

fn ask(asked: &Asked, seeded: bool, doubted: bool) -> (u64, u64, Source) {
    let mut doubts = None;
    let hit = |set: &StdArc<Version>, key, kept: &u64| {
        doubts = doubted.then(|| (set.clone(), key, *kept));
    };
    let set = asked.set();
    let answered = asked.ask(&set, &Same { seeded }, hit, |set, outcome| {
        let Outcome { answer, source } = outcome;
        (set.0, answer.unwrap(), source)
    });
    // As late as the scheduler likes, and whatever is in force by then.
    if let Some((set, key, kept)) = doubts {
        let afresh = Same { seeded }.answer(&set);
        let shadow = compare(&asked.kept, &key, &kept, &afresh);
        // Where keys do not tell sets apart, one finds what another left.
        assert!(!seeded || shadow == Shadow::Match, "{kept} of {}", set.0);
    }
    answered
}

const SCHEDULES: usize = 3_000;

#[test]
fn no_decision_of_an_old_set_is_returned_after_a_swap() {
    for doubted in [false, true] {
        shuttle::check_random(move || swaps_and_questions(true, doubted), SCHEDULES);
        shuttle::check_pct(move || swaps_and_questions(true, doubted), SCHEDULES, 3);
    }
}

/// Shows that the test above can fail: this is what it finds when keys do not tell
/// sets apart.
#[test]
#[should_panic(expected = "were in force")]
fn keys_that_do_not_tell_sets_apart_are_caught() {
    shuttle::check_random(|| swaps_and_questions(false, false), SCHEDULES);
}

/// One evaluation for all who ask together, whatever the schedule.
#[test]
fn a_stampede_makes_each_answer_once() {
    let stampede = || {
        let asked: Arc<Asked> = Arc::new(Current::new(StdArc::new(Version(1)), Kept::default()));
        let made = Arc::new(AtomicU64::new(0));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (asked, made) = (asked.clone(), made.clone());
                thread::spawn(move || {
                    if ask(&asked, true, false).2 == Source::Made {
                        made.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        callers
            .into_iter()
            .for_each(|caller| caller.join().unwrap());
        assert_eq!(made.load(Ordering::SeqCst), 1);
    };
    shuttle::check_random(stampede, SCHEDULES);
}
