//! candle, the engine in pure Rust: for machines without a C++ toolchain.
//!
//! It runs the `llama` architecture with a byte-level BPE vocabulary (SmolLM, SmolLM2,
//! Llama 3) and refuses what candle would read only in part (`gguf.rs`). Others of its
//! models take the same calls but do not fit: qwen2's cannot be forked, and a fork of
//! qwen3's takes a gigabyte in the smallest size.
//!
//! Sequences advance in turn, one chunk or token each, on the model's own thread: candle
//! cannot decode a batch at different positions. Each has a fork of the model, which
//! shares the weights.
//!
//! The threads that compute belong to the process, not to a model, and are counted once:
//! `CANDLE_NUM_THREADS`, else `RAYON_NUM_THREADS`, else one for each physical core.
//! [`LoadOptions::threads`] has no say. They wait for each other in busy loops, many times
//! for each token: where other work wants the same cores, one thread is ten times as fast
//! as two.

mod gguf;
mod sample;
mod sequence;
mod vocabulary;
mod worker;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;
use tokio::sync::mpsc;

use crate::engine::{Caps, Engine, GenEvent, GenRequest, GenStream, LoadOptions, Rejected, Stats};
use crate::error::EngineError;
use crate::meter::Meter;
use crate::queue::{Queue, Refused};

use self::sequence::{EVENTS, Job};
use self::vocabulary::Vocabulary;
use self::worker::Worker;

/// Loads a model from a GGUF file; blocks for as long as that takes.
///
/// # Errors
/// The file cannot be read, or candle cannot run what is in it.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Arc<dyn Engine>, EngineError> {
    let (path, options) = (path.to_owned(), *options);
    let (ready, loaded) = sync_channel(1);
    // The file is read on the model's own thread, so that one that makes candle panic
    // fails to load and does no more.
    let thread = thread::Builder::new().name("candle".to_owned());
    let spawned = thread.spawn(move || match Model::read(&path, &options) {
        Ok(model) => {
            let (engine, worker) = model.start(&options);
            if ready.send(Ok(engine)).is_ok() {
                worker.run();
            }
        }
        Err(error) => {
            // A caller that is gone needs no reason.
            let _ = ready.send(Err(error));
        }
    });
    let thread =
        spawned.map_err(|error| EngineError(format!("no thread for the model: {error}")))?;
    let damaged = |_| {
        Err(EngineError(
            "candle panicked on the model file: it is damaged, or no model for candle".to_owned(),
        ))
    };
    let mut engine: Candle = loaded.recv().unwrap_or_else(damaged)?;
    engine.thread = Some(thread);
    Ok(Arc::new(engine))
}

/// The side of a loaded model that callers hold. Dropping it ends what runs and waits
/// for its thread, which is at most a token or a chunk of a prompt for each that runs.
struct Candle {
    caps: Caps,
    vocabulary: Arc<Vocabulary>,
    queue: Arc<Queue<Job>>,
    meter: Arc<Meter>,
    thread: Option<JoinHandle<()>>,
}

impl Engine for Candle {
    fn caps(&self) -> Caps {
        self.caps.clone()
    }

    fn try_submit(&self, request: GenRequest) -> Result<GenStream, Rejected> {
        let context = self.caps.context;
        let too_long = |prompt_tokens| Rejected::TooLong {
            prompt_tokens,
            context,
        };
        let least = self.vocabulary.least_tokens(&request.prompt);
        if least > context {
            return Err(too_long(least));
        }
        let (events, stream) = mpsc::channel(EVENTS);
        let prompt = match self.vocabulary.encode(&request.prompt) {
            Ok(prompt) => prompt,
            Err(error) => {
                // The channel is new and holds more than one event.
                let _ = events.try_send(GenEvent::Failed(error));
                return Ok(stream);
            }
        };
        let prompt_tokens = u32::try_from(prompt.len()).unwrap_or(u32::MAX);
        let left = context.saturating_sub(prompt_tokens);
        let max_new = request.max_new.unwrap_or(left).max(1);
        if max_new > left {
            return Err(too_long(prompt_tokens));
        }
        let job = Job {
            prompt,
            sampling: request.sampling,
            max_new,
            stop: request.stop,
            scope: request.scope,
            events,
            submitted: Instant::now(),
        };
        match self.queue.push(job) {
            Ok(()) => Ok(stream),
            Err(Refused::Closed) => Err(Rejected::Gone),
            Err(Refused::Full) => Err(Rejected::QueueFull {
                retry_after: self.meter.retry_after(self.queue.len(), self.caps.slots),
            }),
        }
    }

    fn stats(&self) -> Stats {
        self.meter.stats(self.queue.len())
    }
}

impl Drop for Candle {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // An error is a panic, which the panic hook has told already.
            let _ = thread.join();
        }
    }
}

/// What is in a file.
struct Model {
    weights: ModelWeights,
    vocabulary: Vocabulary,
    context: u32,
}

impl Model {
    fn read(path: &PathBuf, options: &LoadOptions) -> Result<Self, EngineError> {
        let file = File::open(path).map_err(|error| failed(path, error))?;
        let mut file = BufReader::new(file);
        let mut content = Content::read(&mut file).map_err(|error| failed(path, error))?;
        let mut context = gguf::check(&content)?;
        if options.context > 0 {
            context = context.min(options.context);
        }
        let vocabulary = Vocabulary::take(&mut content.metadata)?;
        let weights = ModelWeights::from_gguf(content, &mut file, &Device::Cpu);
        let weights = weights.map_err(|error| failed(path, error))?;
        let rows = try_out(&weights).map_err(|error| failed(path, error))?;
        if rows < vocabulary.len() {
            return Err(EngineError(format!(
                "{}: {} tokens, but weights for {rows} only",
                path.display(),
                vocabulary.len(),
            )));
        }
        Ok(Self {
            weights,
            vocabulary,
            context,
        })
    }

    fn start(self, options: &LoadOptions) -> (Candle, Worker) {
        let caps = Caps {
            context: self.context,
            slots: options.slots.max(1),
        };
        let engine = Candle {
            caps,
            vocabulary: Arc::new(self.vocabulary),
            queue: Arc::new(Queue::new(options.queue)),
            meter: Arc::default(),
            thread: None,
        };
        let worker = Worker::new(self.weights, &engine);
        (engine, worker)
    }
}

/// Reads one token: weights whose shapes do not fit fail here and not in an answer.
/// Gives the tokens that the model can make.
fn try_out(weights: &ModelWeights) -> candle_core::Result<usize> {
    let first = Tensor::zeros((1, 1), candle_core::DType::U32, &Device::Cpu)?;
    weights.clone().forward(&first, 0)?.dim(1)
}

fn failed(path: &Path, error: impl std::fmt::Display) -> EngineError {
    EngineError(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::gguf_file::{Value, write};

    use crate::tests::common::starter;

    use super::*;

    fn refusal(path: &Path) -> String {
        load(path, &LoadOptions::default()).err().unwrap().0
    }

    #[test]
    fn a_file_that_cannot_be_run_is_refused_by_its_name_or_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.gguf");
        assert!(refusal(&missing).contains("missing.gguf"));
        let other = folder.path().join("other.gguf");
        std::fs::write(&other, b"GGML\x03\0\0\0").unwrap();
        assert!(refusal(&other).contains("other.gguf"));
        let gemma = folder.path().join("gemma.gguf");
        let architecture = Value::String("gemma3".to_owned());
        let metadata = [("general.architecture", &architecture)];
        write(&mut File::create(&gemma).unwrap(), &metadata, &[]).unwrap();
        assert!(refusal(&gemma).contains("feature `llama`"));
    }

    #[test]
    fn a_file_that_makes_candle_panic_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.gguf");
        // candle divides by it.
        let alignment = Value::U32(0);
        let metadata = [("general.alignment", &alignment)];
        write(&mut File::create(&path).unwrap(), &metadata, &[]).unwrap();
        assert!(refusal(&path).contains("panicked"));
    }

    #[test]
    fn the_context_is_the_smaller_of_the_models_and_the_one_asked_for() {
        let Some(file) = starter() else { return };
        for (asked, context) in [(0, 4096), (300, 300), (100_000, 4096)] {
            let options = LoadOptions {
                context: asked,
                ..LoadOptions::default()
            };
            assert_eq!(load(&file, &options).unwrap().caps().context, context);
        }
    }
}
