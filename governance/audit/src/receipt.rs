//! The answer to "is it on disk?".
//!
//! One lock and one list of wakers serve a whole batch: a channel for every
//! record would cost an allocation and several atomics each.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::chain::Position;
use crate::journal::JournalError;

/// What became of the records of a batch that somebody waits for.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Durable,
    /// Served without a record.
    Unrecorded,
    Failed(JournalError),
}

/// The records that the writer takes at once, seen from those who wait.
#[derive(Debug, Default)]
pub(crate) struct Batch(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    verdict: Option<Verdict>,
    wakers: Vec<Waker>,
}

impl Batch {
    /// Wakes everyone. Only the first verdict counts.
    pub fn resolve(&self, verdict: Verdict) {
        let wakers = {
            let mut waiting = self.0.lock();
            waiting.verdict.get_or_insert(verdict);
            std::mem::take(&mut waiting.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, slot: &mut Option<usize>, context: &Context<'_>) -> Poll<Verdict> {
        let mut waiting = self.0.lock();
        if let Some(verdict) = &waiting.verdict {
            return Poll::Ready(verdict.clone());
        }
        match slot.and_then(|slot| waiting.wakers.get_mut(slot)) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                *slot = Some(waiting.wakers.len());
                waiting.wakers.push(context.waker().clone());
            }
        }
        Poll::Pending
    }
}

/// Resolves once the record is durable (mode strict) or queued (buffered).
///
/// `Ok(None)`: the journal is failing and `on_full` is `gap`, so the action
/// may go on without a record; it is counted, and it must get no outcome.
/// After the resolution, polling again gives the same answer.
#[derive(Debug)]
#[must_use = "an intent is not durable before its receipt says so"]
pub struct Receipt(State);

#[derive(Debug)]
enum State {
    Ready(Result<Option<Position>, JournalError>),
    Waiting {
        batch: Arc<Batch>,
        position: Position,
        slot: Option<usize>,
    },
}

impl Receipt {
    pub(crate) fn ready(answer: Result<Option<Position>, JournalError>) -> Self {
        Self(State::Ready(answer))
    }

    pub(crate) fn waiting(batch: Arc<Batch>, position: Position) -> Self {
        Self(State::Waiting {
            batch,
            position,
            slot: None,
        })
    }

    /// Where the record stands if it becomes durable.
    ///
    /// For a caller that stops waiting: the record may be written all the
    /// same, so append an outcome that names this position. Should the record
    /// fail, that outcome is discarded with it.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match &self.0 {
            State::Ready(answer) => answer.as_ref().ok().copied().flatten(),
            State::Waiting { position, .. } => Some(*position),
        }
    }
}

impl Future for Receipt {
    type Output = Result<Option<Position>, JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => Poll::Ready(answer.clone()),
            State::Waiting {
                batch,
                position,
                slot,
            } => batch.poll(slot, context).map(|verdict| match verdict {
                Verdict::Durable => Ok(Some(*position)),
                Verdict::Unrecorded => Ok(None),
                Verdict::Failed(error) => Err(error),
            }),
        }
    }
}
