//! A model comes when it is asked for and goes when it has been idle.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::engine::{Caps, Engine, GenRequest, GenStream, Rejected, Stats};
use crate::error::EngineError;

/// How long an error is the answer before the load is tried again.
const REMEMBERED: Duration = Duration::from_secs(30);

type Load = Box<dyn Fn() -> Result<Arc<dyn Engine>, EngineError> + Send + Sync>;

/// A model that can be loaded.
pub struct Model {
    load: Load,
    life: Mutex<Life>,
}

enum Life {
    Cold,
    /// Its sender is dropped once the load has ended.
    Loading(watch::Receiver<()>),
    Ready {
        engine: Arc<dyn Engine>,
        /// Shared with each lease of this engine.
        held: Arc<()>,
        /// When the last lease was given back.
        idle: Instant,
    },
    Failed {
        error: EngineError,
        at: Instant,
    },
}

/// Where a model is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not loaded.
    Cold,
    /// Being loaded.
    Loading,
    /// Loaded.
    Ready,
    /// It could not be loaded: why.
    Failed(String),
}

impl Model {
    /// A model that `load` loads; it may block.
    pub fn new(
        load: impl Fn() -> Result<Arc<dyn Engine>, EngineError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            load: Box::new(load),
            life: Mutex::new(Life::Cold),
        })
    }

    /// Loads the model where it is not, once for all who ask; whoever stops asking does
    /// not stop the load.
    ///
    /// # Errors
    /// It cannot be loaded, or could not a moment ago.
    pub async fn lease(self: &Arc<Self>) -> Result<Lease, EngineError> {
        loop {
            let mut loading = {
                let mut life = self.life.lock();
                match &mut *life {
                    Life::Ready { held, .. } => {
                        let held = held.clone();
                        let model = self.clone();
                        return Ok(Lease { model, held });
                    }
                    Life::Failed { error, at } if at.elapsed() < REMEMBERED => {
                        return Err(error.clone());
                    }
                    Life::Loading(loading) => loading.clone(),
                    Life::Cold | Life::Failed { .. } => {
                        let (done, loading) = watch::channel(());
                        *life = Life::Loading(loading.clone());
                        let model = self.clone();
                        spawn_blocking(move || model.load(done));
                        loading
                    }
                }
            };
            // Only ever an error, which is the end of the load.
            let _ = loading.changed().await;
        }
    }

    fn load(&self, done: watch::Sender<()>) {
        let loaded = catch_unwind(AssertUnwindSafe(|| (self.load)()));
        let loaded =
            loaded.unwrap_or_else(|_| Err(EngineError("loading the model panicked".to_owned())));
        *self.life.lock() = match loaded {
            Ok(engine) => Life::Ready {
                engine,
                held: Arc::default(),
                idle: Instant::now(),
            },
            Err(error) => Life::Failed {
                error,
                at: Instant::now(),
            },
        };
        drop(done);
    }

    /// Unloads where nobody has had a lease for so long. Blocks until the engine's
    /// thread has ended.
    pub fn unload_idle(&self, keep_alive: Duration) {
        let taken = {
            let mut life = self.life.lock();
            match &*life {
                Life::Ready { held, idle, .. }
                    if Arc::strong_count(held) == 1 && idle.elapsed() >= keep_alive =>
                {
                    std::mem::replace(&mut *life, Life::Cold)
                }
                _ => return,
            }
        };
        drop(taken);
    }

    /// Unloads whoever has a lease. Blocks as [`unload_idle`](Self::unload_idle) does.
    pub fn unload(&self) {
        let taken = std::mem::replace(&mut *self.life.lock(), Life::Cold);
        drop(taken);
    }

    /// Where it is.
    pub fn state(&self) -> State {
        match &*self.life.lock() {
            Life::Cold => State::Cold,
            Life::Loading(_) => State::Loading,
            Life::Ready { .. } => State::Ready,
            Life::Failed { error, .. } => State::Failed(error.to_string()),
        }
    }

    /// What it can do and does, where it is loaded.
    pub fn activity(&self) -> Option<(Caps, Stats)> {
        match &*self.life.lock() {
            Life::Ready { engine, .. } => Some((engine.caps(), engine.stats())),
            _ => None,
        }
    }

    /// The engine that a lease is for.
    fn engine(&self, lease: &Arc<()>) -> Option<Arc<dyn Engine>> {
        match &*self.life.lock() {
            Life::Ready { engine, held, .. } if Arc::ptr_eq(held, lease) => Some(engine.clone()),
            _ => None,
        }
    }

    /// Unloads an engine that has ended by itself, so that the next who asks has it
    /// loaded anew. Blocks as [`unload_idle`](Self::unload_idle) does.
    fn bury(&self, lease: &Arc<()>) {
        let mut life = self.life.lock();
        if let Life::Ready { held, .. } = &*life
            && Arc::ptr_eq(held, lease)
        {
            let taken = std::mem::replace(&mut *life, Life::Cold);
            drop(life);
            drop(taken);
        }
    }
}

/// Keeps a model loaded.
pub struct Lease {
    model: Arc<Model>,
    held: Arc<()>,
}

impl Lease {
    /// Queues a generation. Blocks while it tokenises the prompt.
    ///
    /// # Errors
    /// As [`Engine::try_submit`].
    pub fn submit(&self, request: GenRequest) -> Result<GenStream, Rejected> {
        let engine = self.model.engine(&self.held).ok_or(Rejected::Gone)?;
        let submitted = engine.try_submit(request);
        if matches!(submitted, Err(Rejected::Gone)) {
            self.model.bury(&self.held);
        }
        submitted
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Life::Ready { held, idle, .. } = &mut *self.model.life.lock()
            && Arc::ptr_eq(held, &self.held)
        {
            *idle = Instant::now();
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lease")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use crate::engine::{Sampling, Scope};
    use crate::prompt::Prompt;

    use super::*;

    struct Nothing;

    impl Engine for Nothing {
        fn caps(&self) -> Caps {
            Caps {
                context: 1,
                slots: 1,
            }
        }

        fn try_submit(&self, _: GenRequest) -> Result<GenStream, Rejected> {
            Err(Rejected::Gone)
        }

        fn stats(&self) -> Stats {
            Stats::default()
        }
    }

    fn request() -> GenRequest {
        GenRequest {
            prompt: Prompt::default(),
            sampling: Sampling::default(),
            max_new: None,
            stop: Vec::new(),
            scope: Scope::default(),
        }
    }

    /// A model whose loads take 50 ms, and how many there were.
    fn model(loads: bool) -> (Arc<Model>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let model = Model::new(move || {
            counted.fetch_add(1, SeqCst);
            thread::sleep(Duration::from_millis(50));
            match loads {
                true => Ok(Arc::new(Nothing)),
                false => Err(EngineError("no memory".to_owned())),
            }
        });
        (model, count)
    }

    #[tokio::test]
    async fn all_who_ask_at_once_wait_for_one_load() {
        let (model, loads) = model(true);
        let leases = tokio::join!(model.lease(), model.lease(), model.lease());
        assert!(leases.0.is_ok() && leases.1.is_ok() && leases.2.is_ok());
        assert_eq!((loads.load(SeqCst), model.state()), (1, State::Ready));
    }

    #[tokio::test]
    async fn whoever_leaves_does_not_stop_the_load() {
        let (model, loads) = model(true);
        let patience = Duration::from_millis(10);
        assert!(tokio::time::timeout(patience, model.lease()).await.is_err());
        assert_eq!(model.state(), State::Loading);
        assert!(model.lease().await.is_ok());
        assert_eq!(loads.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn an_error_is_remembered() {
        let (model, loads) = model(false);
        for _ in 0..3 {
            let error = model.lease().await.unwrap_err();
            assert_eq!(error.to_string(), "no memory");
        }
        assert_eq!(loads.load(SeqCst), 1);
        assert_eq!(model.state(), State::Failed("no memory".to_owned()));
    }

    #[tokio::test]
    async fn a_load_that_panics_is_an_error() {
        let model = Model::new(|| panic!("a bad file"));
        assert!(model.lease().await.is_err());
    }

    #[tokio::test]
    async fn it_goes_when_nobody_has_a_lease_for_long_enough() {
        let (model, loads) = model(true);
        let lease = model.lease().await.unwrap();
        model.unload_idle(Duration::ZERO);
        assert_eq!(model.state(), State::Ready, "in use");
        drop(lease);
        model.unload_idle(Duration::from_secs(60));
        assert_eq!(model.state(), State::Ready, "idle, but not for long");
        model.unload_idle(Duration::ZERO);
        assert_eq!(model.state(), State::Cold);
        assert!(model.lease().await.is_ok());
        assert_eq!(loads.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn an_engine_that_has_ended_by_itself_is_loaded_anew() {
        let (model, loads) = model(true);
        let (first, second) = (model.lease().await.unwrap(), model.lease().await.unwrap());
        assert_eq!(first.submit(request()).unwrap_err(), Rejected::Gone);
        assert_eq!(model.state(), State::Cold);
        let third = model.lease().await.unwrap();
        assert_eq!(loads.load(SeqCst), 2);
        assert_eq!(second.submit(request()).unwrap_err(), Rejected::Gone);
        drop((first, second));
        model.unload_idle(Duration::ZERO);
        assert_eq!(model.state(), State::Ready, "the third is in use");
        drop(third);
    }
}
