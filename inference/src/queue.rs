//! The bounded queue between those who ask and the thread of an engine.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};
use tokio::sync::mpsc;

use crate::engine::GenEvent;

/// Something that waits for an engine, and whom it answers.
pub trait Waiting {
    /// Where its events go; closed once nobody waits any more.
    fn events(&self) -> &mpsc::Sender<GenEvent>;
}

/// First come, first served.
#[derive(Debug)]
pub struct Queue<J> {
    capacity: usize,
    state: Mutex<State<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    closed: bool,
}

/// Why a job was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many wait as may; those who have left are not counted.
    Full,
    /// The engine has ended.
    Closed,
}

impl<J: Waiting> Queue<J> {
    /// Room for `capacity` jobs, at least one.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        Self {
            capacity: usize::try_from(capacity.max(1)).unwrap_or(usize::MAX),
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Adds a job.
    ///
    /// # Errors
    /// [`Refused`]: the job is dropped.
    pub fn push(&self, job: J) -> Result<(), Refused> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.jobs.len() >= self.capacity {
            state.jobs.retain(|job| !job.events().is_closed());
        }
        if state.jobs.len() >= self.capacity {
            return Err(Refused::Full);
        }
        state.jobs.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// The next job that somebody still waits for.
    pub fn pop(&self) -> Option<J> {
        let mut state = self.state.lock();
        while let Some(job) = state.jobs.pop_front() {
            if !job.events().is_closed() {
                return Some(job);
            }
        }
        None
    }

    /// Sleeps until there is a job or the queue is closed.
    pub fn wait(&self) {
        let mut state = self.state.lock();
        while state.jobs.is_empty() && !state.closed {
            self.changed.wait(&mut state);
        }
    }

    /// Takes no more and drops what waits, which closes its streams.
    pub fn close(&self) {
        let jobs = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.jobs)
        };
        self.changed.notify_all();
        drop(jobs);
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// How many wait.
    pub fn len(&self) -> u32 {
        u32::try_from(self.state.lock().jobs.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Job(u32, mpsc::Sender<GenEvent>);

    impl Waiting for Job {
        fn events(&self) -> &mpsc::Sender<GenEvent> {
            &self.1
        }
    }

    #[test]
    fn those_who_have_left_make_room() {
        let queue = Queue::new(2);
        let (events, _stays) = mpsc::channel(1);
        let (left, leaves) = mpsc::channel(1);
        assert_eq!(queue.push(Job(1, left)), Ok(()));
        assert_eq!(queue.push(Job(2, events.clone())), Ok(()));
        assert_eq!(queue.push(Job(3, events.clone())), Err(Refused::Full));
        drop(leaves);
        assert_eq!(queue.push(Job(4, events)), Ok(()));
        assert_eq!(queue.pop().map(|job| job.0), Some(2));
        assert_eq!(queue.pop().map(|job| job.0), Some(4));
        assert!(queue.pop().is_none());
    }

    #[test]
    fn closing_ends_those_who_wait() {
        let queue = Queue::new(2);
        let (events, mut stream) = mpsc::channel(1);
        assert_eq!(queue.push(Job(1, events.clone())), Ok(()));
        queue.close();
        assert_eq!(queue.push(Job(2, events)), Err(Refused::Closed));
        assert!(stream.blocking_recv().is_none());
        queue.wait();
    }
}
