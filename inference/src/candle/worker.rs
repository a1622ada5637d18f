//! The thread of a loaded model: admits what waits and steps what runs, in turn.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use candle_transformers::models::quantized_llama::ModelWeights;

use crate::meter::Meter;
use crate::queue::Queue;

use super::Candle;
use super::sequence::{Fork, Job, Sequence, Step};
use super::vocabulary::Vocabulary;

/// How often readers that have left no room are looked at while nothing else is to do.
const POLL: Duration = Duration::from_millis(5);

pub struct Worker {
    /// Has read nothing: forks start from it.
    weights: ModelWeights,
    vocabulary: Arc<Vocabulary>,
    queue: Arc<Queue<Job>>,
    meter: Arc<Meter>,
    slots: usize,
    running: Vec<Sequence>,
    /// What each free slot has read, for prompts that go on from there; the one that was
    /// freed longest ago first.
    kept: VecDeque<Vec<Fork>>,
}

impl Worker {
    pub fn new(weights: ModelWeights, engine: &Candle) -> Self {
        Self {
            weights,
            vocabulary: Arc::clone(&engine.vocabulary),
            queue: Arc::clone(&engine.queue),
            meter: Arc::clone(&engine.meter),
            slots: usize::try_from(engine.caps.slots).unwrap_or(usize::MAX),
            running: Vec::new(),
            kept: VecDeque::new(),
        }
    }

    /// Works until the queue is closed; what still runs then ends with its stream.
    pub fn run(mut self) {
        while !self.queue.is_closed() {
            self.admit();
            if self.running.is_empty() {
                self.queue.wait();
            } else if !self.step() {
                thread::sleep(POLL);
            }
        }
    }

    fn admit(&mut self) {
        while self.running.len() < self.slots {
            let Some(job) = self.queue.pop() else { break };
            let fork = self.fork(&job);
            self.meter.admitted(job.prompt.len(), fork.read.len());
            self.running.push(Sequence::new(job, fork));
        }
        self.meter.running(self.running.len());
    }

    /// The fork that has read most of a prompt, or a new one. It fits if all that it has
    /// read is a beginning of the prompt: candle cannot take tokens back.
    fn fork(&mut self, job: &Job) -> Fork {
        let fits = |fork: &&Fork| {
            let rest = job.prompt.strip_prefix(fork.read.as_slice());
            fork.scope == job.scope && rest.is_some_and(|rest| !rest.is_empty())
        };
        let read = |fork: &Fork| fork.read.len();
        let slots = self.kept.iter().enumerate();
        let fitting = slots
            .filter_map(|(slot, forks)| Some((forks.iter().filter(fits).map(read).max()?, slot)));
        let best = fitting.max().and_then(|(_, slot)| self.kept.remove(slot));
        let best = best.into_iter().flatten().filter(|fork| fits(&fork));
        let fork = best.max_by_key(read);
        let surplus = (self.running.len() + self.kept.len() + 1).saturating_sub(self.slots);
        self.kept.drain(..surplus);
        fork.unwrap_or_else(|| Fork {
            weights: self.weights.clone(),
            scope: job.scope,
            read: Vec::new(),
        })
    }

    /// Steps each that runs: whether any could.
    fn step(&mut self) -> bool {
        let mut worked = false;
        for mut sequence in std::mem::take(&mut self.running) {
            let step = sequence.step(&self.vocabulary, &self.meter);
            worked |= step != Step::Stalled;
            if step == Step::Over {
                self.meter.ended(sequence.span());
                self.kept.push_back(sequence.into_forks());
            } else {
                self.running.push(sequence);
            }
        }
        self.meter.running(self.running.len());
        worked
    }
}

impl Drop for Worker {
    /// Also on a panic: nobody shall wait for a thread that is gone.
    fn drop(&mut self) {
        self.queue.close();
        self.meter.running(0);
    }
}
