//! An issuer's keys in memory, and how they are kept current.
//!
//! Requests never fetch. They ask the one task that does, [`Keyring::turn`] in a
//! loop, and wait for what it finds: so there is one fetch however many wait, and a
//! client that leaves cuts none short.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::algorithm::Algorithm;
use super::discovery::{Fetch, FetchFailure, KeysAt};
use super::jwk::KeySet;

/// How often keys are fetched anew unasked.
pub const REFRESH: Duration = Duration::from_secs(5 * 60);
/// How soon after one attempt the next may follow, whoever asks and for whatever key.
pub const COOL: Duration = Duration::from_secs(5);
/// How soon a failed attempt is repeated unasked.
pub const RETRY: Duration = Duration::from_secs(15);
/// How long keys count after the issuer last confirmed them.
pub const GRACE: Duration = Duration::from_secs(60 * 60);
/// How long a request waits for keys.
const PATIENCE: Duration = Duration::from_secs(8);

/// The keys of one issuer.
pub(crate) struct Keyring {
    at: KeysAt,
    wanted: Vec<Algorithm>,
    state: watch::Sender<State>,
    asked: Notify,
}

#[derive(Clone, Default)]
struct State {
    keys: Option<Current>,
    /// Attempts that have ended.
    attempts: u64,
    last: Option<Attempt>,
    /// When the first of the attempts ended that failed in a row, up to the last one.
    failing: Option<Instant>,
}

/// How an issuer's keys stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Keys that count now.
    pub keys: Option<usize>,
    /// How long ago the issuer last showed its keys.
    pub confirmed: Option<Duration>,
    /// For how long they could not be had since.
    pub failing: Option<Duration>,
}

/// Keys as the issuer last showed them.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) set: Arc<KeySet>,
    /// Another one for other keys.
    pub(crate) edition: u64,
    confirmed: Instant,
}

#[derive(Clone, Copy)]
struct Attempt {
    ended: Instant,
    failed: bool,
}

/// What a look at an issuer's keys has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
    /// Keys that tokens may be verified with.
    pub keys: usize,
    /// Keys of its set that are for something else, or that cannot be used.
    pub skipped: usize,
    /// Whether they are others than before.
    pub changed: bool,
}

/// Whether the token's key counts cannot be told.
#[derive(Debug)]
pub(crate) struct Unavailable;

impl Keyring {
    pub(crate) fn new(at: KeysAt, wanted: Vec<Algorithm>) -> Self {
        Self {
            at,
            wanted,
            state: watch::Sender::default(),
            asked: Notify::new(),
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.at.issuer
    }

    /// How the keys stand.
    pub(crate) fn standing(&self) -> Standing {
        let state = self.state.borrow();
        Standing {
            keys: state.current().map(|keys| keys.set.len()),
            confirmed: state.keys.as_ref().map(|keys| keys.confirmed.elapsed()),
            failing: state.failing.map(|since| since.elapsed()),
        }
    }

    /// Which keys count now; `None` where none do.
    pub(crate) fn edition(&self) -> Option<u64> {
        self.state.borrow().current().map(|keys| keys.edition)
    }

    /// The keys that a token of key `key_id` is verified with. Where it is not among
    /// them they are fetched first, unless that was tried just now.
    pub(crate) async fn keys_for(&self, key_id: Option<&str>) -> Result<Current, Unavailable> {
        let held = self.state.borrow().clone();
        if held.has(key_id) || held.is_cooling() {
            return held.answer(key_id);
        }
        let mut state = self.state.subscribe();
        self.asked.notify_one();
        let news = state.wait_for(|state| state.attempts != held.attempts);
        match timeout(PATIENCE, news).await {
            Ok(Ok(state)) => state.answer(key_id),
            _ => Err(Unavailable),
        }
    }

    /// Waits until the keys are due or asked for, and fetches them.
    pub(crate) async fn turn(&self, fetch: &impl Fetch) -> Result<Turned, FetchFailure> {
        self.due().await;
        let fetched = self.at.fetch(fetch, &self.wanted).await;
        let ended = Instant::now();
        let mut changed = false;
        let fetched = fetched.map(Arc::new);
        self.state.send_modify(|state| {
            state.attempts += 1;
            state.last = Some(Attempt {
                ended,
                failed: fetched.is_err(),
            });
            match &fetched {
                Ok(set) => {
                    state.failing = None;
                    changed = state.take(set.clone(), ended);
                }
                Err(_) => {
                    state.failing.get_or_insert(ended);
                }
            }
        });
        fetched.map(|set| Turned {
            keys: set.len(),
            skipped: set.skipped,
            changed,
        })
    }

    async fn due(&self) {
        loop {
            let last = self.state.borrow().last;
            let due = match last {
                None => return,
                Some(attempt) if attempt.failed => attempt.ended + RETRY,
                Some(attempt) => attempt.ended + REFRESH,
            };
            tokio::select! {
                () = sleep_until(due) => return,
                // Whoever asked during the last attempt has its answer.
                () = self.asked.notified() => if !self.state.borrow().is_cooling() { return },
            }
        }
    }
}

impl State {
    /// Takes over keys; tells whether they are others than before.
    fn take(&mut self, set: Arc<KeySet>, confirmed: Instant) -> bool {
        let (changed, edition) = match &self.keys {
            Some(held) if held.set.is_same(&set) => (false, held.edition),
            Some(held) => (true, held.edition + 1),
            None => (true, 1),
        };
        self.keys = Some(Current {
            set,
            edition,
            confirmed,
        });
        changed
    }

    fn current(&self) -> Option<&Current> {
        let keys = self.keys.as_ref();
        keys.filter(|keys| keys.confirmed.elapsed() < GRACE)
    }

    fn has(&self, key_id: Option<&str>) -> bool {
        self.current().is_some_and(|keys| keys.set.knows(key_id))
    }

    fn is_cooling(&self) -> bool {
        self.last
            .is_some_and(|attempt| attempt.ended.elapsed() < COOL)
    }

    fn answer(&self, key_id: Option<&str>) -> Result<Current, Unavailable> {
        let keys = self.current().ok_or(Unavailable)?;
        // The issuer may have a key of that name that could not be fetched.
        let doubtful = self.last.is_none_or(|attempt| attempt.failed);
        if doubtful && !keys.set.knows(key_id) {
            return Err(Unavailable);
        }
        Ok(keys.clone())
    }
}
