//! What an engine offers: one loaded model, driven by a thread of its own.
//!
//! An engine takes tokenised work through a bounded queue and answers through a
//! channel for each request. Dropping the receiving end is the one way to cancel:
//! the engine sees it at its next step and frees the slot.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::error::EngineError;
use crate::prompt::Prompt;

/// What runs a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// llama.cpp where it is built in, else candle.
    #[default]
    Auto,
    /// llama.cpp.
    Llama,
    /// candle.
    Candle,
}

/// How a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// Tokens of prompt and output together, of one request; 0: the model's own. More
    /// than the model was trained on is cut down to that.
    pub context: u32,
    /// Requests generated at once; at least 1.
    pub slots: u32,
    /// Threads that compute; 0: half as many as there are processors, which is one for
    /// each core on most machines. llama.cpp's threads spin while they wait for each
    /// other: with one more than there are free cores it is slower than with one.
    pub threads: u32,
    /// Requests that may wait for a slot; at least 1.
    pub queue: u32,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            context: 4096,
            slots: 4,
            threads: 0,
            queue: 64,
        }
    }
}

/// One generation.
#[derive(Debug)]
pub struct GenRequest {
    /// What the model reads.
    pub prompt: Prompt,
    /// How tokens are picked.
    pub sampling: Sampling,
    /// Output tokens at the most; `None`: what the prompt leaves of the context; 0
    /// counts as 1.
    pub max_new: Option<u32>,
    /// Texts that end the output and are not part of it.
    pub stop: Vec<String>,
    /// Whose prompt this is: what one scope has left in the cache is never reused
    /// for another.
    pub scope: Scope,
}

/// Whose prompts may share cached prefixes: a key's id, as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scope(pub u128);

/// How tokens are picked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0: always the likeliest.
    pub temperature: f32,
    /// The likeliest tokens that together have this probability; 1: all.
    pub top_p: f32,
    /// This many of the likeliest; 0: all.
    pub top_k: u32,
    /// Against tokens that have come at all, −2 to 2.
    pub presence_penalty: f32,
    /// Against tokens as often as they have come, −2 to 2.
    pub frequency_penalty: f32,
    /// For a repeatable pick; `None`: a random one.
    pub seed: Option<u32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_p: 0.95,
            top_k: 40,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: None,
        }
    }
}

/// What comes of a generation. The last one is [`Done`](Self::Done) or
/// [`Failed`](Self::Failed); a channel that closes without either lost its engine.
#[derive(Debug)]
pub enum GenEvent {
    /// The prompt has a slot.
    Started {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Of these, found in the slot's cache.
        cached_tokens: u32,
        /// How long it waited.
        queued: Duration,
    },
    /// More text: whole characters, and nothing that may yet become a stop text.
    Text(String),
    /// The end.
    Done {
        /// Why.
        reason: StopReason,
        /// Tokens made, the one that ended it included.
        output_tokens: u32,
    },
    /// The engine failed.
    Failed(EngineError),
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// An end-of-generation token or a stop text.
    Stop,
    /// `max_new` or the context.
    Length,
}

/// The running generation; dropping it cancels.
pub type GenStream = mpsc::Receiver<GenEvent>;

/// What a loaded model can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Tokens of prompt and output together, of one request.
    pub context: u32,
    /// Requests that are generated at once.
    pub slots: u32,
}

/// What an engine is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests in a slot.
    pub running: u32,
    /// Requests that wait for one.
    pub waiting: u32,
    /// Prompt tokens read since the start, cached ones included.
    pub prompt_tokens: u64,
    /// Of these, found in a cache.
    pub cached_tokens: u64,
    /// Tokens made since the start.
    pub output_tokens: u64,
}

/// Why work was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// The queue is full; there may be room after this time.
    QueueFull {
        /// A guess from the work at hand.
        retry_after: Duration,
    },
    /// The prompt and `max_new`, or one token, exceed the context.
    TooLong {
        /// Tokens of the prompt, or a lower bound where it is so long that it was
        /// not even tokenised.
        prompt_tokens: u32,
        /// Tokens of the context.
        context: u32,
    },
    /// The engine has ended.
    Gone,
}

/// One loaded model.
pub trait Engine: Send + Sync {
    /// What it can do.
    fn caps(&self) -> Caps;

    /// Queues a generation. Never waits, save for tokenising the prompt.
    ///
    /// # Errors
    /// [`Rejected`]: nothing was queued.
    fn try_submit(&self, request: GenRequest) -> Result<GenStream, Rejected>;

    /// What it is doing now.
    fn stats(&self) -> Stats;
}

type Load = fn(&Path, &LoadOptions) -> Result<Arc<dyn Engine>, EngineError>;

#[cfg(feature = "llama")]
const LLAMA: Option<Load> = Some(crate::llama::load);
#[cfg(not(feature = "llama"))]
const LLAMA: Option<Load> = None;
#[cfg(feature = "candle")]
const CANDLE: Option<Load> = Some(crate::candle::load);
#[cfg(not(feature = "candle"))]
const CANDLE: Option<Load> = None;

fn loader(kind: EngineKind) -> Result<Load, EngineError> {
    let (load, missing) = match kind {
        EngineKind::Auto => (LLAMA.or(CANDLE), "`llama` or `candle`"),
        EngineKind::Llama => (LLAMA, "`llama`"),
        EngineKind::Candle => (CANDLE, "`candle`"),
    };
    load.ok_or_else(|| {
        let why = "this build cannot run models: build it with the feature";
        EngineError(format!("{why} {missing}"))
    })
}

/// Whether this build has such an engine.
///
/// # Errors
/// It has none; the feature is named.
pub fn check(kind: EngineKind) -> Result<(), EngineError> {
    loader(kind).map(|_| ())
}

/// Loads the model of a GGUF file; blocks while it does.
///
/// # Errors
/// This build has no such engine, or that cannot load the file.
pub fn load(
    kind: EngineKind,
    path: &Path,
    options: &LoadOptions,
) -> Result<Arc<dyn Engine>, EngineError> {
    loader(kind)?(path, options)
}
