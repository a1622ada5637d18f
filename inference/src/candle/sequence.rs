//! One generation: a fork of the model, and how far it has come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use candle_core::{Device, Result, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;
use tokio::sync::mpsc;

use crate::engine::{GenEvent, Sampling, Scope, StopReason};
use crate::error::EngineError;
use crate::meter::Meter;
use crate::queue::Waiting;
use crate::text::TextStream;

use super::sample::Sampler;
use super::vocabulary::Vocabulary;

/// Events that a slow reader may lag behind.
pub const EVENTS: usize = 64;
/// Prompt tokens that are read in one step: candle gains little from more, and the
/// others wait for it, as does a cancellation.
const CHUNK: usize = 16;
/// How long a reader may leave no room: it keeps a slot from others.
const STALL: Duration = Duration::from_secs(60);

/// A request that waits for a slot.
pub struct Job {
    /// Never empty.
    pub prompt: Vec<u32>,
    pub sampling: Sampling,
    /// At least 1; fits the context together with the prompt.
    pub max_new: u32,
    pub stop: Vec<String>,
    pub scope: Scope,
    pub events: mpsc::Sender<GenEvent>,
    pub submitted: Instant,
}

impl Waiting for Job {
    fn events(&self) -> &mpsc::Sender<GenEvent> {
        &self.events
    }
}

/// A model that has read something. A copy shares weights and what was read so far.
#[derive(Clone)]
pub struct Fork {
    pub weights: ModelWeights,
    /// Whose text it was.
    pub scope: Scope,
    pub read: Vec<u32>,
}

impl Fork {
    fn forward(&mut self, tokens: Vec<u32>) -> Result<Tensor> {
        let input = Tensor::new(tokens.as_slice(), &Device::Cpu)?.unsqueeze(0)?;
        let logits = self.weights.forward(&input, self.read.len())?;
        self.read.extend(tokens);
        Ok(logits)
    }
}

/// A request that has a slot.
pub struct Sequence {
    fork: Fork,
    /// As it was before the last token of the prompt: others may go on from there, and
    /// candle cannot take back what is read after it.
    beginning: Option<Fork>,
    /// The rest of the prompt, then the token that was picked last.
    unread: VecDeque<u32>,
    sampler: Sampler,
    text: TextStream,
    made: u32,
    max_new: u32,
    events: mpsc::Sender<GenEvent>,
    since: Instant,
    /// Since when its reader has left no room.
    stalled: Option<Instant>,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Worked,
    /// The reader lags.
    Stalled,
    /// The slot is free.
    Over,
}

impl Sequence {
    /// Starts on a fork that has read a beginning of the prompt, but not all of it.
    pub fn new(job: Job, fork: Fork) -> Self {
        let sequence = Self {
            unread: job.prompt[fork.read.len()..].iter().copied().collect(),
            beginning: None,
            sampler: Sampler::new(&job.sampling),
            text: TextStream::new(job.stop),
            made: 0,
            max_new: job.max_new,
            events: job.events,
            since: Instant::now(),
            stalled: None,
            fork,
        };
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        sequence.send(GenEvent::Started {
            prompt_tokens: count(job.prompt.len()),
            cached_tokens: count(sequence.fork.read.len()),
            queued: job.submitted.elapsed(),
        });
        sequence
    }

    /// Reads a chunk or makes a token.
    pub fn step(&mut self, vocabulary: &Vocabulary, meter: &Meter) -> Step {
        if self.events.is_closed() {
            return Step::Over;
        }
        // A token can bring text and an end.
        if self.events.capacity() < 2 {
            let since = *self.stalled.get_or_insert_with(Instant::now);
            return if since.elapsed() > STALL {
                Step::Over
            } else {
                Step::Stalled
            };
        }
        self.stalled = None;
        match self.advance(vocabulary, meter) {
            Ok(step) => step,
            Err(error) => {
                self.send(GenEvent::Failed(EngineError(format!("candle: {error}"))));
                // How much of it each layer has read is not known.
                self.fork.read.clear();
                Step::Over
            }
        }
    }

    /// How long it has had its slot.
    pub fn span(&self) -> Duration {
        self.since.elapsed()
    }

    /// What others may go on from.
    pub fn into_forks(self) -> Vec<Fork> {
        let forks = self.beginning.into_iter().chain([self.fork]);
        forks.filter(|fork| !fork.read.is_empty()).collect()
    }

    fn advance(&mut self, vocabulary: &Vocabulary, meter: &Meter) -> Result<Step> {
        if self.unread.len() > 1 {
            let tokens = self
                .unread
                .drain(..CHUNK.min(self.unread.len() - 1))
                .collect();
            self.fork.forward(tokens)?;
            return Ok(Step::Worked);
        }
        if self.made == 0 {
            self.beginning = Some(self.fork.clone());
        }
        let tokens = self.unread.drain(..).collect();
        let logits = self.fork.forward(tokens)?;
        let token = self.sampler.pick(&logits)?;
        self.made += 1;
        meter.made();
        Ok(self.take(token, vocabulary))
    }

    fn take(&mut self, token: u32, vocabulary: &Vocabulary) -> Step {
        if vocabulary.is_end(token) {
            return self.done(String::new(), StopReason::Stop);
        }
        let shown = self.text.push(&vocabulary.bytes(token));
        if shown.stopped {
            return self.done(shown.text, StopReason::Stop);
        }
        if self.made >= self.max_new {
            return self.done(shown.text, StopReason::Length);
        }
        self.show(shown.text);
        self.unread.push_back(token);
        Step::Worked
    }

    fn done(&mut self, mut text: String, reason: StopReason) -> Step {
        text += &self.text.finish();
        self.show(text);
        self.send(GenEvent::Done {
            reason,
            output_tokens: self.made,
        });
        Step::Over
    }

    fn show(&self, text: String) {
        if !text.is_empty() {
            self.send(GenEvent::Text(text));
        }
    }

    /// Sends; a reader that has left is dealt with at the next step.
    fn send(&self, event: GenEvent) {
        let _ = self.events.try_send(event);
    }
}
