//! Kept decisions that are made again and compared, beside the requests that they
//! answered: a thread of its own, with a short queue in front of it.
//!
//! The request is answered with what was kept. Where that comes out otherwise, or cannot
//! be made again, the entry goes, and the next request has the decision made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use lattice_kernel::{Ask, Principal, Target};
use time::OffsetDateTime;

use crate::cache::{Decisions, Made};
use crate::counts::Tally;
use crate::current::{Key, Shadow, compare};
use crate::input::Input;
use crate::set::PolicySet;

/// Checks that may wait. One that finds no room is not made, and counted.
const QUEUE: usize = 64;

/// A kept decision that is doubted.
pub(crate) struct Check {
    pub(crate) set: Arc<PolicySet>,
    pub(crate) key: Key,
    pub(crate) kept: Made,
    pub(crate) who: Principal,
    pub(crate) ask: Ask,
    pub(crate) target: Target,
    pub(crate) at: OffsetDateTime,
}

/// Takes checks. Dropped, it ends its thread; what waits then is not made.
pub(crate) struct Checks {
    /// `None` where no check is wanted, or there was no thread to be had.
    queue: Option<SyncSender<Check>>,
    thread: Option<JoinHandle<()>>,
    ended: Arc<AtomicBool>,
    tally: Arc<Tally>,
}

impl Checks {
    /// Of decisions in `kept`.
    pub(crate) fn start(wanted: bool, kept: Decisions, tally: Arc<Tally>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (queue, checks) = sync_channel(QUEUE);
        let work = {
            let (ended, tally) = (ended.clone(), tally.clone());
            move || make(&checks, &ended, &kept, &tally)
        };
        let thread = wanted
            .then(|| Builder::new().name("policy-shadow".into()).spawn(work).ok())
            .flatten();
        Self {
            queue: thread.is_some().then_some(queue),
            thread,
            ended,
            tally,
        }
    }

    /// Has it made, if there is room.
    pub(crate) fn put(&self, check: Check) {
        let queue = self.queue.as_ref();
        if queue.is_none_or(|queue| queue.try_send(check).is_err()) {
            self.tally.counters.unchecked();
        }
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of its has been reported.
            drop(thread.join());
        }
    }
}

fn make(checks: &Receiver<Check>, ended: &AtomicBool, kept: &Decisions, tally: &Tally) {
    for check in checks {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let input = Input::new(&check.who, &check.ask, &check.target, check.at);
        let afresh = check.set.evaluate(&input);
        let afresh = afresh.map(|decision| Made::new(decision, None, check.set.lasts(&input)));
        let shadow = compare(kept, &check.key, &check.kept, &afresh);
        match (shadow, &afresh) {
            (Shadow::Mismatch, Ok(made)) => tally.mismatched(&check.set, made),
            (_, Err(error)) => tally.remember(error),
            _ => {}
        }
        // Last, so that whoever sees the count sees what came of it.
        tally.counters.checked(shadow);
    }
}
