//! The models of this machine, by name.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lattice_dialects::canonical::{Request, Unsupported};
use lattice_kernel::Dispatch;
use tokio::task::spawn_blocking;

use crate::catalogue::{self, Entry};
use crate::chat::{self, Ask};
use crate::engine::{self, Caps, EngineKind, GenEvent, GenRequest, LoadOptions, Scope, Stats};
use crate::error::{EngineError, LocalError};
use crate::generation::{Admission, Generation, Title};
use crate::lifecycle::{Model, State};
use crate::template::Template;

/// Which models there are, and how they run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its `*.gguf` files are models; need not exist.
    pub model_dir: Option<PathBuf>,
    /// More models: name and file.
    pub files: Vec<(String, PathBuf)>,
    /// What runs them.
    pub engine: EngineKind,
    /// How each is loaded.
    pub load: LoadOptions,
    /// How long an idle model stays loaded; `None`: for ever.
    pub keep_alive: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            model_dir: None,
            files: Vec::new(),
            engine: EngineKind::Auto,
            load: LoadOptions::default(),
            keep_alive: Some(Duration::from_secs(300)),
        }
    }
}

/// What is known of a model, loaded or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// What callers ask for.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Of the file.
    pub bytes: u64,
    /// `llama`, `qwen3`, …; empty where the file cannot be read.
    pub architecture: String,
    /// What its file calls it.
    pub title: Option<String>,
    /// As its file calls it.
    pub licence: Option<String>,
    /// Tokens that it was trained on.
    pub context: Option<u32>,
    /// Whether it has a chat template; a base model has none and is refused for chat.
    pub chat: bool,
    /// Where it is in its life.
    pub state: State,
    /// What stands in the way of asking for it by its name.
    pub note: Option<String>,
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What callers ask for.
    pub name: String,
    /// What it can do.
    pub caps: Caps,
    /// What it does.
    pub stats: Stats,
}

/// The models of this machine. Dropping it ends what runs and waits for the engines'
/// threads: do so where blocking is allowed.
pub struct LocalModels {
    entries: Vec<Entry>,
    templates: Vec<OnceLock<Result<Template, EngineError>>>,
    models: Vec<Arc<Model>>,
    /// Unloads idle models until its sender is dropped.
    reaper: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl LocalModels {
    /// Looks for models and reads their headers; loads none. Files that come later are
    /// not seen.
    ///
    /// # Errors
    /// The folder cannot be read, a file given by name is not there, or this build has
    /// no such engine.
    pub fn open(options: Options) -> Result<Self, EngineError> {
        engine::check(options.engine)?;
        let entries = catalogue::scan(options.model_dir.as_deref(), &options.files)?;
        let model = |entry: &Entry| {
            let path = entry.path.clone();
            Model::new(move || engine::load(options.engine, &path, &options.load))
        };
        let models: Vec<_> = entries.iter().map(model).collect();
        let reaper = options
            .keep_alive
            .map(|keep_alive| reap(models.clone(), keep_alive))
            .transpose()?;
        Ok(Self {
            templates: entries.iter().map(|_| OnceLock::new()).collect(),
            entries,
            models,
            reaper,
        })
    }

    /// All of them, cold ones too.
    #[must_use]
    pub fn list(&self) -> Vec<ModelInfo> {
        let pairs = self.entries.iter().zip(&self.models);
        pairs
            .map(|(entry, model)| self.info(entry, model))
            .collect()
    }

    fn info(&self, entry: &Entry, model: &Model) -> ModelInfo {
        let (header, problem) = match &entry.header {
            Ok(header) => (header.clone(), None),
            Err(error) => (Default::default(), Some(error.clone())),
        };
        ModelInfo {
            name: entry.name.clone(),
            path: entry.path.clone(),
            bytes: entry.bytes,
            architecture: header.architecture,
            title: header.title,
            licence: header.licence,
            context: header.context,
            chat: header.chat_template.is_some(),
            state: model.state(),
            note: problem.or_else(|| catalogue::ambiguity(&self.entries, entry)),
        }
    }

    /// What the loaded ones do.
    #[must_use]
    pub fn stats(&self) -> Vec<Loaded> {
        let pairs = self.entries.iter().zip(&self.models);
        let loaded = pairs.filter_map(|(entry, model)| {
            let (caps, stats) = model.activity()?;
            Some(Loaded {
                name: entry.name.clone(),
                caps,
                stats,
            })
        });
        loaded.collect()
    }

    /// Asks a model, which is loaded where it is not, and waits until it begins.
    /// Dropping the future, or what comes of it, cancels. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`LocalError`]: nothing runs.
    pub async fn chat(
        &self,
        dispatch: &Dispatch,
        model: &str,
        request: &Request<'_>,
        scope: Scope,
    ) -> Result<Generation, LocalError> {
        let id = dispatch.request_id().simple().to_string();
        self.generate(id, model, request, scope).await
    }

    /// As [`chat`](Self::chat), which alone can be called from outside: the dispatch
    /// token says that the request has passed the gates.
    pub(crate) async fn generate(
        &self,
        id: String,
        model: &str,
        request: &Request<'_>,
        scope: Scope,
    ) -> Result<Generation, LocalError> {
        let index = catalogue::find(&self.entries, model).map_err(LocalError::UnknownModel)?;
        let template = self.template(index)?;
        let Ask {
            messages,
            sampling,
            max_new,
            stop,
            noted,
        } = chat::ask(request)?;
        let request = GenRequest {
            prompt: template.render(&messages)?,
            sampling,
            max_new,
            stop,
            scope,
        };
        let lease = self.models[index].lease().await?;
        // Tokenising takes as long as the prompt is.
        let submitted = spawn_blocking(move || {
            let submitted = lease.submit(request);
            (lease, submitted)
        });
        let lost = |_| EngineError("the prompt could not be tokenised".to_owned());
        let (lease, submitted) = submitted.await.map_err(lost)?;
        let mut stream = submitted?;
        match stream.recv().await {
            Some(GenEvent::Started {
                prompt_tokens,
                cached_tokens,
                queued,
            }) => {
                let title = Title {
                    id,
                    model: self.entries[index].name.clone(),
                };
                let admission = Admission {
                    input: prompt_tokens,
                    cached: cached_tokens,
                    queued,
                };
                Ok(Generation::new(
                    stream,
                    Some(lease),
                    title,
                    admission,
                    noted,
                ))
            }
            Some(GenEvent::Failed(error)) => Err(error.into()),
            _ => Err(EngineError("the model's engine ended".to_owned()).into()),
        }
    }

    /// The chat template of a model, compiled when it is first asked for.
    fn template(&self, index: usize) -> Result<&Template, LocalError> {
        let entry = &self.entries[index];
        let file = &entry.file_name;
        let header = entry.header.as_ref();
        let header = header.map_err(|error| EngineError(format!("{file}: {error}")))?;
        let Some(source) = &header.chat_template else {
            let why = format!(
                "{file} is a base model: it has no chat template; ask an instruction-tuned one"
            );
            return Err(Unsupported::new("model", why).into());
        };
        let compile = || Template::new(source, &header.begin, &header.end);
        let template = self.templates[index].get_or_init(compile).as_ref();
        template.map_err(|error| error.clone().into())
    }
}

impl Drop for LocalModels {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.reaper.take() {
            drop(stop);
            // An error is a panic, which the panic hook has told already.
            let _ = thread.join();
        }
        for model in &self.models {
            model.unload();
        }
    }
}

/// Starts the thread that unloads models which have been idle for `keep_alive`: to wait
/// for an engine's thread would block others.
fn reap(
    models: Vec<Arc<Model>>,
    keep_alive: Duration,
) -> Result<(mpsc::Sender<()>, JoinHandle<()>), EngineError> {
    let pause = (keep_alive / 4).clamp(Duration::from_millis(50), Duration::from_secs(5));
    let (stop, stopped) = mpsc::channel();
    let thread = thread::Builder::new().name("model-reaper".to_owned());
    let thread = thread.spawn(move || {
        while stopped.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
            for model in &models {
                model.unload_idle(keep_alive);
            }
        }
    });
    let thread =
        thread.map_err(|error| EngineError(format!("no thread to unload idle models: {error}")))?;
    Ok((stop, thread))
}
