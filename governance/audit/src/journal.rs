//! The journal as the gates see it: reserve room, commit the intent, append
//! the outcome.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::entry::{Entry, OpenIntent};
use crate::progress::Progress;
use crate::queue::{Queue, Queued, Wait};
use crate::receipt::Receipt;
use crate::recovery::{self, OpenError, Recovered};
use crate::storage::{Disk, Storage};
use crate::timestamp::Timestamp;
use crate::writer::Writer;

/// Bytes of zeros that are written ahead of the records.
const WRITE_AHEAD: u64 = 1 << 20;

/// When a receipt resolves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Once the record is on disk.
    #[default]
    Strict,
    /// Once it is queued; it is on disk within 50 ms.
    Buffered,
}

/// What happens to an action that cannot be recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// It is refused.
    #[default]
    Refuse,
    /// It is served, counted, and a `gap` leaf tells of it later.
    Gap,
}

/// Tells the time; called from the writer thread too.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a journal works.
#[derive(Clone)]
pub struct Options {
    /// When a receipt resolves.
    pub mode: Mode,
    /// What happens to an action that cannot be recorded.
    pub on_full: OnFull,
    /// Bytes that the journal may hold, room for running calls included.
    pub max_bytes: u64,
    /// Bytes after which a new segment file is begun.
    pub segment_bytes: u64,
    /// The gateway's name, written into each chain.
    pub node: String,
    /// The time of the leaves that the journal writes itself.
    pub clock: Clock,
}

impl Options {
    /// Strict, refusing when full, 1 GiB in segments of 64 MiB.
    #[must_use]
    pub fn new(node: impl Into<String>, clock: Clock) -> Self {
        Self {
            mode: Mode::default(),
            on_full: OnFull::default(),
            max_bytes: 1 << 30,
            segment_bytes: 64 << 20,
            node: node.into(),
            clock,
        }
    }
}

/// Why a record is not taken. All are the contract's `audit_unavailable`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The disk budget is used up, most often because the store is away.
    #[error(
        "the audit journal holds {used} of {max} bytes that are not in the store yet; \
         bring the database back, or give the journal more room"
    )]
    Full {
        /// Bytes in use, room for running calls included.
        used: u64,
        /// The budget.
        max: u64,
    },
    /// The disk takes nothing: too much waits in memory.
    #[error("{bytes} bytes of audit wait for the disk; it hangs or is too slow")]
    Behind {
        /// Bytes in memory.
        bytes: u64,
    },
    /// The disk failed. Writing is tried again on its own.
    #[error("the audit journal cannot be written: {reason}; it is tried again until it works")]
    Unavailable {
        /// What the operating system said.
        reason: Arc<str>,
    },
    /// The journal was stopped.
    #[error("the audit journal is stopped")]
    Stopped,
}

/// What the journal, its writer thread and the shipping loop share.
pub(crate) struct Shared {
    pub queue: Queue,
    pub progress: Mutex<Progress>,
    /// Something became durable, or the chain ended.
    pub grown: Notify,
    /// Something was shipped.
    pub shipped: Notify,
    /// Held by the one shipping loop.
    pub shipping: tokio::sync::Mutex<()>,
    pub dir: PathBuf,
    /// Keeps other processes out for as long as anything here is alive.
    pub _lock: File,
}

/// A handle on the journal. Clones are cheap; when the last is dropped the
/// journal is stopped as by [`Journal::stop`].
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Result<(), JournalError>>>>,
}

impl Journal {
    /// Opens the journal in `dir`, creating the folder, and begins a chain.
    ///
    /// Call [`Journal::settle`] for each of [`Recovered::open_intents`].
    /// Blocks on the disk.
    ///
    /// # Errors
    /// [`OpenError`]: another process has the folder, a leaf in it is damaged,
    /// or the disk failed. Nothing is deleted in these cases.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovered), OpenError> {
        let ahead = options.segment_bytes.min(WRITE_AHEAD) as usize;
        Self::open_on(dir, options, Box::new(Disk::new(ahead)))
    }

    pub(crate) fn open_on(
        dir: &Path,
        options: Options,
        storage: Box<dyn Storage>,
    ) -> Result<(Self, Recovered), OpenError> {
        let lock = recovery::lock(dir)?;
        let left = recovery::recover(dir)?;
        let recovered = Recovered {
            previous: left.previous,
            open_intents: left.open.clone(),
            unshipped: left.pending,
            torn: left.torn.clone(),
        };
        let now = (options.clock)();
        let chain = chain_id(now);
        let used = left.segments.iter().map(|segment| segment.durable).sum();
        let unsettled = left
            .open
            .iter()
            .map(|open| (open.position, false))
            .collect();
        let shared = Arc::new(Shared {
            queue: Queue::new(options, chain, 1, used),
            progress: Mutex::new(Progress::new(left.segments, left.pending, unsettled)),
            grown: Notify::new(),
            shipped: Notify::new(),
            shipping: tokio::sync::Mutex::new(()),
            dir: dir.to_path_buf(),
            _lock: lock,
        });
        let io = |source| OpenError::Io {
            path: dir.to_path_buf(),
            source,
        };
        let writer =
            Writer::start(shared.clone(), storage, left.run, left.previous, now).map_err(io)?;
        let thread = thread::Builder::new()
            .name("audit".into())
            .spawn(|| writer.run())
            .map_err(io)?;
        let handle = Handle {
            shared,
            thread: Mutex::new(Some(thread)),
        };
        Ok((Self(Arc::new(handle)), recovered))
    }

    /// The chain that this process writes.
    #[must_use]
    pub fn chain(&self) -> Uuid {
        self.queue().chain()
    }

    /// Room for `records` records: 2 for an intent and its outcome. What was
    /// reserved can be appended whatever happens to the journal's budget.
    ///
    /// # Errors
    /// [`JournalError`], unless `on_full` is `gap` and the journal not stopped.
    pub fn reserve(&self, records: u32) -> Result<Room, JournalError> {
        let bytes = self.queue().reserve(records)?;
        Ok(Room {
            shared: self.0.shared.clone(),
            bytes,
        })
    }

    /// Appends a record that nobody waits for and that nothing follows, such
    /// as a refusal.
    ///
    /// # Errors
    /// As for [`Journal::reserve`].
    pub fn record(&self, entry: Entry) -> Result<(), JournalError> {
        self.reserve(1)?.append(entry);
        Ok(())
    }

    /// Appends the outcome of an intent that a crash left open: spent in full,
    /// estimated. Needs no room; the receipt resolves once it is on disk,
    /// whatever the mode. Anything but a [`Recovered::open_intents`] that was
    /// not settled yet is ignored.
    pub fn settle(&self, open: &OpenIntent, at: Timestamp) -> Receipt {
        if !self.0.shared.progress.lock().claim(&open.position) {
            return Receipt::ready(Ok(None));
        }
        let entry = open.crashed(at);
        self.queue().budget.charge(Queued::size_of(&entry));
        self.queue().push(entry, Wait::Durable)
    }

    /// Leaves that are durable here and not yet in the store.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.0.shared.progress.lock().pending()
    }

    /// Actions that were served without a record since the start.
    #[must_use]
    pub fn unrecorded(&self) -> u64 {
        self.queue().unrecorded()
    }

    /// Whether the journal takes records now; for readiness.
    ///
    /// # Errors
    /// [`JournalError`] says why not.
    pub fn state(&self) -> Result<(), JournalError> {
        self.queue().state()
    }

    /// Writes everything that was appended and a `stop` leaf, then ends the
    /// writer thread. Blocks. The last thing to stop at shutdown: records
    /// appended later are lost, and their intents are settled at the next
    /// start as after a crash. Further calls return at once.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`]: the disk did not take the last records.
    pub fn stop(&self) -> Result<(), JournalError> {
        self.0.stop()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    fn queue(&self) -> &Queue {
        &self.0.shared.queue
    }
}

impl Handle {
    fn stop(&self) -> Result<(), JournalError> {
        let Some(thread) = self.thread.lock().take() else {
            return Ok(());
        };
        self.shared.queue.stop();
        let panicked = || JournalError::Unavailable {
            reason: "its thread panicked".into(),
        };
        thread.join().unwrap_or_else(|_| Err(panicked()))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Nobody is left to tell; the next start recovers what was not written.
        let _unheard = self.stop();
    }
}

/// Room for the records of one call. Given back when dropped.
pub struct Room {
    shared: Arc<Shared>,
    /// What is left of the reservation; `None` where the call goes unrecorded.
    bytes: Option<u64>,
}

impl Room {
    /// False where the call is served without a record (`on_full: gap`).
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.bytes.is_some()
    }

    /// Appends a record; the receipt says when it may be relied on.
    pub fn commit(&mut self, entry: Entry) -> Receipt {
        if self.charge(&entry) {
            self.shared.queue.push(entry, Wait::AsMode)
        } else {
            Receipt::ready(Ok(None))
        }
    }

    /// Appends a record that nobody waits for, durable within some 50 ms.
    /// Never blocks on the disk and never fails: fit for `Drop`.
    pub fn append(&mut self, entry: Entry) {
        if self.charge(&entry) {
            let _ready = self.shared.queue.push(entry, Wait::No);
        }
    }

    fn charge(&mut self, entry: &Entry) -> bool {
        let Some(left) = &mut self.bytes else {
            return false;
        };
        let size = Queued::size_of(entry);
        let reserved = size.min(*left);
        *left -= reserved;
        self.shared.queue.budget.charge(size - reserved);
        true
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(left) = self.bytes {
            self.shared.queue.budget.take_back(left);
        }
    }
}

/// UUID version 7 at `now`: chains sort by time for people; nothing else
/// depends on it.
fn chain_id(now: Timestamp) -> Uuid {
    let micros = now.as_micros().unsigned_abs();
    let nanos = (micros % 1_000_000) as u32 * 1_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(
        uuid::NoContext,
        micros / 1_000_000,
        nanos,
    ))
}
