//! The thread of a model: requests come and go at every step, and each step is one
//! batch of everybody's tokens.

use std::thread;
use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use tokio::sync::oneshot;

use crate::engine::{Caps, GenEvent, LoadOptions};
use crate::error::EngineError;
use crate::meter::Meter;
use crate::queue::Queue;

use super::context::open;
use super::sampler::Sampler;
use super::slot::{Job, Run, Slot, choose};
use super::step::Step;

/// How often readers that have left no room are looked at while nothing else is to do.
const POLL: Duration = Duration::from_millis(5);
/// How long a reader may leave no room: it keeps a slot from others.
const STALL: Duration = Duration::from_secs(60);

/// Serves the queue until it is closed. Says first on `ready` what the model can do.
pub fn run(
    backend: &LlamaBackend,
    model: &LlamaModel,
    options: LoadOptions,
    queue: &Queue<Job>,
    meter: &Meter,
    ready: oneshot::Sender<Result<Caps, EngineError>>,
) {
    let (caps, mut worker) = match Worker::new(backend, model, options, queue, meter) {
        Ok(made) => made,
        Err(error) => {
            // Nobody listens: the load was given up.
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(caps)).is_ok() {
        worker.serve();
    }
}

/// The model and all who are being answered.
pub struct Worker<'m> {
    pub(super) model: &'m LlamaModel,
    pub(super) context: LlamaContext<'m>,
    queue: &'m Queue<Job>,
    pub(super) meter: &'m Meter,
    /// Tokens of one request.
    limit: u32,
    pub(super) batch: LlamaBatch<'static>,
    /// Tokens that one step takes.
    pub(super) room: usize,
    pub(super) slots: Vec<Slot>,
    /// Counts the requests that have had a slot.
    taken: u64,
}

impl<'m> Worker<'m> {
    fn new(
        backend: &LlamaBackend,
        model: &'m LlamaModel,
        options: LoadOptions,
        queue: &'m Queue<Job>,
        meter: &'m Meter,
    ) -> Result<(Caps, Self), EngineError> {
        let slots = options.slots.max(1);
        let context = open(backend, model, options, slots)?;
        let limit = context.n_ctx() / slots;
        let room = usize::try_from(context.n_batch()).unwrap_or(usize::MAX);
        let sequences = i32::try_from(slots).unwrap_or(i32::MAX);
        let worker = Self {
            model,
            context,
            queue,
            meter,
            limit,
            batch: LlamaBatch::new(room, 1),
            room,
            slots: (0..sequences).map(Slot::new).collect(),
            taken: 0,
        };
        let caps = Caps {
            context: limit,
            slots,
        };
        Ok((caps, worker))
    }

    fn serve(&mut self) {
        while !self.queue.is_closed() {
            self.retire();
            self.admit();
            self.meter.running(self.running());
            match self.step() {
                Step::Worked => {}
                Step::Stalled => thread::sleep(POLL),
                Step::Idle => self.queue.wait(),
            }
        }
    }

    pub(super) fn running(&self) -> usize {
        self.slots.iter().filter(|slot| slot.run.is_some()).count()
    }

    /// Ends what nobody reads any more. What the slots hold stays for whoever comes
    /// with the same beginning.
    fn retire(&mut self) {
        for slot in &mut self.slots {
            let Some(run) = &mut slot.run else { continue };
            let stalled = match run.has_room() {
                true => None,
                false => Some(*run.stalled.get_or_insert_with(Instant::now)),
            };
            run.stalled = stalled;
            let given_up = stalled.is_some_and(|since| since.elapsed() > STALL);
            if run.events.is_closed() || given_up {
                self.meter.ended(run.since.elapsed());
                slot.run = None;
            }
        }
    }

    /// Gives idle slots to those who wait.
    fn admit(&mut self) {
        while self.running() < self.slots.len() {
            let Some(job) = self.queue.pop() else { return };
            let Some((index, shared)) = choose(&self.slots, job.scope, &job.prompt) else {
                return;
            };
            let cached = self.keep(index, shared);
            self.meter.admitted(job.prompt.len(), cached);
            self.taken += 1;
            let started = GenEvent::Started {
                prompt_tokens: u32::try_from(job.prompt.len()).unwrap_or(u32::MAX),
                cached_tokens: u32::try_from(cached).unwrap_or(u32::MAX),
                queued: job.submitted.elapsed(),
            };
            let slot = &mut self.slots[index];
            slot.scope = Some(job.scope);
            slot.taken = self.taken;
            let sampler = Sampler::new(&job.sampling, self.model.n_vocab(), self.limit);
            let run = Run::new(job, sampler);
            run.send(started);
            slot.run = Some(run);
        }
    }

    /// Drops all that a slot holds beyond its first `shared` tokens, and says how many
    /// are left: models whose memory has no positions can only drop all.
    fn keep(&mut self, index: usize, shared: usize) -> usize {
        let slot = &mut self.slots[index];
        let from = u32::try_from(shared).ok();
        let cut = self.context.kv_cache_seq_rm(slot.sequence, from, None);
        if shared == 0 || cut.is_err() {
            self.forget(index);
            return 0;
        }
        slot.cached.truncate(shared);
        shared
    }

    /// Empties a slot.
    pub(super) fn forget(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        // The whole of a sequence can always be dropped.
        let _ = self.context.kv_cache_seq_rm(slot.sequence, None, None);
        slot.cached.clear();
        slot.scope = None;
    }

    /// Ends what a slot is at, and empties it: what it holds may be half written.
    pub(super) fn fail(&mut self, index: usize, why: &str) {
        if let Some(run) = self.slots[index].run.take() {
            self.meter.ended(run.since.elapsed());
            run.failed(why);
        }
        self.forget(index);
    }

    pub(super) fn fail_all(&mut self, why: &str) {
        for index in 0..self.slots.len() {
            self.fail(index, why);
        }
    }
}
