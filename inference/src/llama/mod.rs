//! llama.cpp in this process: one thread for each loaded model.

mod context;
mod sampler;
mod slot;
mod step;
mod vocabulary;
mod worker;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Caps, Engine, GenRequest, GenStream, LoadOptions, Rejected, Stats};
use crate::error::EngineError;
use crate::meter::Meter;
use crate::queue::{Queue, Refused};

use slot::{EVENTS, Job};
use vocabulary::Vocabulary;

/// Loads the model of a GGUF file and starts its thread.
///
/// # Errors
/// The file cannot be read as a model, or there is no memory for its context.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Arc<dyn Engine>, EngineError> {
    if !path.is_file() {
        return Err(EngineError(format!("there is no file {}", path.display())));
    }
    let backend = backend()?;
    let model = LlamaModel::load_from_file(backend, path, &LlamaModelParams::default());
    let model = Arc::new(model.map_err(|error| {
        let path = path.display();
        EngineError(format!(
            "llama.cpp cannot load {path} ({error}): its own lines in the log say why"
        ))
    })?);
    Ok(Arc::new(LlamaEngine::start(backend, model, *options)?))
}

/// llama.cpp is set up once for the process and never torn down.
fn backend() -> Result<&'static LlamaBackend, EngineError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    let backend = BACKEND.get_or_init(|| {
        send_logs_to_tracing(LogOptions::default());
        LlamaBackend::init().map_err(|error| error.to_string())
    });
    backend
        .as_ref()
        .map_err(|error| EngineError(format!("llama.cpp cannot start: {error}")))
}

/// A loaded model. Dropping it ends what runs and waits for its thread, which is at
/// most one step: a fraction of a second, or as long as a chunk of a prompt takes.
struct LlamaEngine {
    caps: Caps,
    vocabulary: Vocabulary,
    queue: Arc<Queue<Job>>,
    meter: Arc<Meter>,
    thread: Option<JoinHandle<()>>,
}

impl LlamaEngine {
    fn start(
        backend: &'static LlamaBackend,
        model: Arc<LlamaModel>,
        options: LoadOptions,
    ) -> Result<Self, EngineError> {
        let queue = Arc::new(Queue::new(options.queue));
        let meter = Arc::new(Meter::default());
        let vocabulary = Vocabulary::new(model.clone());
        let (ready, started) = oneshot::channel();
        let thread = thread::Builder::new().name("llama".to_owned()).spawn({
            let queue = queue.clone();
            let meter = meter.clone();
            move || {
                let _closing = Closing(&queue);
                worker::run(backend, &model, options, &queue, &meter, ready);
            }
        });
        let thread =
            thread.map_err(|error| EngineError(format!("no thread for the model: {error}")))?;
        let caps = started.blocking_recv().unwrap_or_else(|_| {
            Err(EngineError(
                "the model's thread ended at its start".to_owned(),
            ))
        })?;
        Ok(Self {
            caps,
            vocabulary,
            queue,
            meter,
            thread: Some(thread),
        })
    }
}

/// Closes the queue also where the thread panics.
struct Closing<'q>(&'q Queue<Job>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Engine for LlamaEngine {
    fn caps(&self) -> Caps {
        self.caps.clone()
    }

    fn try_submit(&self, request: GenRequest) -> Result<GenStream, Rejected> {
        let context = self.caps.context;
        let too_long = |prompt_tokens| Rejected::TooLong {
            prompt_tokens,
            context,
        };
        let prompt = self
            .vocabulary
            .tokenise(&request.prompt, context)
            .map_err(too_long)?;
        let prompt_tokens = u32::try_from(prompt.len()).unwrap_or(u32::MAX);
        let left = context.saturating_sub(prompt_tokens);
        let max_new = request.max_new.unwrap_or(left).max(1);
        if prompt.is_empty() || max_new > left {
            return Err(too_long(prompt_tokens));
        }
        let (events, stream) = mpsc::channel(EVENTS);
        let job = Job {
            prompt,
            max_new,
            sampling: request.sampling,
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

impl Drop for LlamaEngine {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // An error is a panic, which the panic hook has told already.
            let _ = thread.join();
        }
    }
}
