//! Between those who append and the writer thread: records in the order in
//! which they will stand in the chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use uuid::Uuid;

use crate::budget::Budget;
use crate::chain::Position;
use crate::entry::{Entry, Index, Kind};
use crate::frame;
use crate::journal::{JournalError, Mode, OnFull, Options};
use crate::leaf::{Gap, Leaf, Stop};
use crate::receipt::{Batch, Receipt, Verdict};
use crate::timestamp::Timestamp;

/// Longest time that a record nobody waits for stays in memory only.
const LINGER: Duration = Duration::from_millis(50);
/// Under load, syncs begin no closer together than this: they cost CPU time
/// whatever they carry, and the records that gather meanwhile share one.
const SPACING: Duration = Duration::from_millis(1);
/// So many calls in flight are load. Fewer gain nothing by waiting for others.
const SIBLINGS: u64 = 6;
/// From here on a sync is shared by so many that twice the spacing still costs
/// each call less than the sync itself takes.
const CROWD: u64 = 32;
/// Bytes that end the linger early.
const EAGER_BYTES: u64 = 1 << 20;
/// How often an idle writer looks whether a gap has ended.
const GAP_POLL: Duration = Duration::from_millis(100);

/// A record and whether somebody waits for it.
pub(crate) struct Queued {
    pub entry: Entry,
    pub waited: bool,
}

impl Queued {
    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        Self::size_of(&self.entry)
    }

    pub fn size_of(entry: &Entry) -> u64 {
        (frame::OVERHEAD + entry.leaf.len()) as u64
    }
}

/// What a receipt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing: nobody waits for it.
    No,
    /// It resolves as the mode says.
    AsMode,
    /// It resolves once the record is on disk, whatever the mode.
    Durable,
}

pub(crate) struct Queue {
    options: Options,
    chain: Uuid,
    inner: Mutex<Inner>,
    bell: Condvar,
    pub budget: Budget,
    /// Mirrors `Inner::failure`, so that `reserve` need not lock.
    failing: AtomicBool,
    unrecorded: AtomicU64,
}

struct Inner {
    records: Vec<Queued>,
    bytes: u64,
    batch: Arc<Batch>,
    /// How many records somebody waits for.
    waited: u64,
    /// When the writer last took records.
    taken: Instant,
    /// Sequence number of the next record. Told to those who append, so the
    /// writer adds nothing of its own except at the end.
    next_seq: u64,
    writer: Posture,
    phase: Phase,
    failure: Option<Arc<str>>,
    gap: Option<GapCount>,
}

/// What the writer does, so that it is woken only where that is needed.
#[derive(PartialEq, Eq)]
enum Posture {
    Awake,
    /// Waits for anything.
    Idle,
    /// Has records, waits for one that somebody waits for.
    Lingering,
    /// Has those too, waits for others to share the sync.
    Gathering,
    /// The disk fails; waits before it tries again.
    Mending,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Stopping,
    Closed,
}

impl Inner {
    /// Neither linger nor gathering may hold this up.
    fn is_pressing(&self) -> bool {
        self.phase != Phase::Open || self.bytes >= EAGER_BYTES
    }
}

struct GapCount {
    count: u64,
    since: Timestamp,
    until: Timestamp,
    reason: Arc<str>,
}

/// What the writer was given; the records are in its own list.
pub(crate) struct Taken {
    pub batch: Arc<Batch>,
    /// The chain ends with this batch.
    pub last: bool,
}

impl Queue {
    pub fn new(options: Options, chain: Uuid, next_seq: u64, used: u64) -> Self {
        Self {
            budget: Budget::new(options.max_bytes, used),
            options,
            chain,
            inner: Mutex::new(Inner {
                records: Vec::new(),
                bytes: 0,
                batch: Arc::default(),
                waited: 0,
                taken: Instant::now(),
                next_seq,
                writer: Posture::Awake,
                phase: Phase::Open,
                failure: None,
                gap: None,
            }),
            bell: Condvar::new(),
            failing: AtomicBool::new(false),
            unrecorded: AtomicU64::new(0),
        }
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn chain(&self) -> Uuid {
        self.chain
    }

    /// How many actions were served without a record.
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }

    /// Gives out a room for `records`; returns its bytes. `Ok(None)`: serve
    /// without a record.
    pub fn reserve(&self, records: u32) -> Result<Option<u64>, JournalError> {
        let error = match self.admit(records) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) => error,
        };
        match (self.options.on_full, &error) {
            (OnFull::Refuse, _) | (_, JournalError::Stopped) => Err(error),
            (OnFull::Gap, _) => {
                let reason: Arc<str> = error.to_string().into();
                self.count_gap(&mut self.inner.lock(), 1, &reason);
                Ok(None)
            }
        }
    }

    fn admit(&self, records: u32) -> Result<u64, JournalError> {
        if self.failing.load(Ordering::Acquire) {
            self.state()?;
        }
        self.budget.give(records)
    }

    /// Whether records can be appended now.
    pub fn state(&self) -> Result<(), JournalError> {
        let inner = self.inner.lock();
        match &inner.failure {
            _ if inner.phase == Phase::Closed => Err(JournalError::Stopped),
            Some(reason) => Err(JournalError::Unavailable {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Adds a record whose size is already charged. `wait`: the receipt
    /// resolves as the mode says; otherwise it is of no use.
    pub fn push(&self, entry: Entry, wait: Wait) -> Receipt {
        let waited = match wait {
            Wait::No => false,
            Wait::AsMode => self.options.mode == Mode::Strict,
            Wait::Durable => true,
        };
        let queued = Queued { entry, waited };
        let size = queued.size();
        let mut inner = self.inner.lock();
        if let Some(answer) = self.turned_away(&mut inner, waited) {
            drop(inner);
            self.budget.release(size);
            return Receipt::ready(answer);
        }
        let position = Position {
            chain: self.chain,
            seq: inner.next_seq,
        };
        inner.next_seq += 1;
        inner.bytes += size;
        inner.waited += u64::from(waited);
        inner.records.push(queued);
        self.budget.queued(size);
        let receipt = if waited {
            Receipt::waiting(inner.batch.clone(), position)
        } else {
            Receipt::ready(Ok(Some(position)))
        };
        self.ring(inner);
        receipt
    }

    fn turned_away(
        &self,
        inner: &mut Inner,
        waited: bool,
    ) -> Option<Result<Option<Position>, JournalError>> {
        if inner.phase == Phase::Closed {
            return Some(Err(JournalError::Stopped));
        }
        let reason = inner.failure.clone().filter(|_| waited)?;
        Some(match self.options.on_full {
            OnFull::Refuse => Err(JournalError::Unavailable { reason }),
            OnFull::Gap => {
                self.count_gap(inner, 1, &reason);
                Ok(None)
            }
        })
    }

    /// Wakes the writer if it sleeps and this matters to it.
    fn ring(&self, mut inner: MutexGuard<'_, Inner>) {
        let wake = match inner.writer {
            Posture::Awake => false,
            Posture::Idle => true,
            Posture::Lingering => inner.waited > 0 || inner.is_pressing(),
            Posture::Gathering => self.all_wait(&inner) || inner.is_pressing(),
            Posture::Mending => inner.phase != Phase::Open,
        };
        if wake {
            inner.writer = Posture::Awake;
            drop(inner);
            self.bell.notify_one();
        }
    }

    /// Nobody is left who could share the sync.
    fn all_wait(&self, inner: &Inner) -> bool {
        inner.waited >= self.budget.rooms()
    }

    /// Asks the writer to end the chain.
    pub fn stop(&self) {
        let mut inner = self.inner.lock();
        if inner.phase == Phase::Open {
            inner.phase = Phase::Stopping;
        }
        self.ring(inner);
    }

    /// Waits until there is something to write and moves it to `records`.
    pub fn take(&self, records: &mut Vec<Queued>) -> Taken {
        let mut inner = self.inner.lock();
        let mut linger = None;
        while !inner.is_pressing() {
            if inner.gap.is_some() && self.budget.has_room() {
                self.record_gap(&mut inner);
            }
            let (posture, deadline) = self.patience(&inner, &mut linger);
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            inner.writer = posture;
            match deadline {
                Some(deadline) => drop(self.bell.wait_until(&mut inner, deadline)),
                None if inner.gap.is_some() => drop(self.bell.wait_for(&mut inner, GAP_POLL)),
                None => self.bell.wait(&mut inner),
            }
        }
        inner.writer = Posture::Awake;
        inner.taken = Instant::now();
        let last = inner.phase != Phase::Open;
        if last {
            self.end_chain(&mut inner);
        }
        Taken {
            batch: Self::empty(&mut inner, records),
            last,
        }
    }

    /// How to wait, and until when at most.
    fn patience(&self, inner: &Inner, linger: &mut Option<Instant>) -> (Posture, Option<Instant>) {
        if inner.records.is_empty() {
            (Posture::Idle, None)
        } else if inner.waited == 0 {
            let deadline = *linger.get_or_insert_with(|| Instant::now() + LINGER);
            (Posture::Lingering, Some(deadline))
        } else if self.budget.rooms() < SIBLINGS || self.all_wait(inner) {
            (Posture::Awake, Some(inner.taken))
        } else {
            let crowded = self.budget.rooms() >= CROWD;
            let spacing = if crowded { 2 * SPACING } else { SPACING };
            (Posture::Gathering, Some(inner.taken + spacing))
        }
    }

    fn end_chain(&self, inner: &mut Inner) {
        self.record_gap(inner);
        let at = self.now();
        let stop = Entry::new(Index::bare(Kind::Stop, at), &Leaf::Stop(&Stop { at }));
        self.push_own(inner, stop);
        inner.phase = Phase::Closed;
        self.failing.store(true, Ordering::Release);
    }

    fn empty(inner: &mut Inner, records: &mut Vec<Queued>) -> Arc<Batch> {
        if records.is_empty() {
            // Keeps both lists' memory.
            std::mem::swap(&mut inner.records, records);
        } else {
            records.append(&mut inner.records);
        }
        inner.bytes = 0;
        inner.waited = 0;
        std::mem::take(&mut inner.batch)
    }

    /// The writer cannot write: everyone who waits is answered and their
    /// records are dropped; the rest goes to `records`, to be tried again from
    /// sequence number `next_seq`.
    pub fn fail(&self, reason: &Arc<str>, records: &mut Vec<Queued>, next_seq: u64) -> Verdict {
        let mut inner = self.inner.lock();
        inner.failure = Some(reason.clone());
        self.failing.store(true, Ordering::Release);
        let batch = Self::empty(&mut inner, records);
        let mut turned_away = 0;
        records.retain(|queued| {
            let keep = self.outlives_failure(queued, next_seq);
            if !keep {
                turned_away += u64::from(queued.waited);
                self.budget.dropped(queued.size());
            }
            keep
        });
        inner.next_seq = next_seq + records.len() as u64;
        let verdict = match self.options.on_full {
            OnFull::Refuse => Verdict::Failed(JournalError::Unavailable {
                reason: reason.clone(),
            }),
            OnFull::Gap => {
                self.count_gap(&mut inner, turned_away, reason);
                Verdict::Unrecorded
            }
        };
        drop(inner);
        batch.resolve(verdict.clone());
        verdict
    }

    /// Not the records that somebody waits for, nor the outcomes of such: in
    /// mode strict an outcome can only name an undurable intent after its
    /// caller gave up waiting, and that intent is dropped here.
    fn outlives_failure(&self, queued: &Queued, next_seq: u64) -> bool {
        match queued.entry.index.intent {
            _ if queued.waited => false,
            Some(intent) if self.options.mode == Mode::Strict => {
                intent.chain != self.chain || intent.seq < next_seq
            }
            _ => true,
        }
    }

    /// Waits `pause` before the next attempt; true when the journal is to stop.
    pub fn pause(&self, pause: Duration) -> bool {
        let deadline = Instant::now() + pause;
        let mut inner = self.inner.lock();
        while inner.phase == Phase::Open && Instant::now() < deadline {
            inner.writer = Posture::Mending;
            self.bell.wait_until(&mut inner, deadline);
        }
        inner.writer = Posture::Awake;
        inner.phase != Phase::Open
    }

    /// The writer can write again.
    pub fn mended(&self) {
        let mut inner = self.inner.lock();
        inner.failure = None;
        self.failing
            .store(inner.phase == Phase::Closed, Ordering::Release);
    }

    /// The writer is gone, in good order or not.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.phase = Phase::Closed;
        self.failing.store(true, Ordering::Release);
        let batch = Self::empty(&mut inner, &mut Vec::new());
        drop(inner);
        batch.resolve(Verdict::Failed(JournalError::Stopped));
    }

    fn count_gap(&self, inner: &mut Inner, count: u64, reason: &Arc<str>) {
        if count == 0 {
            return;
        }
        let now = self.now();
        self.unrecorded.fetch_add(count, Ordering::Relaxed);
        let gap = inner.gap.get_or_insert_with(|| GapCount {
            count: 0,
            since: now,
            until: now,
            reason: reason.clone(),
        });
        gap.count += count;
        gap.until = now;
    }

    /// A gap is closed by a leaf once there is room for what comes after it.
    fn record_gap(&self, inner: &mut Inner) {
        let Some(gap) = inner.gap.take() else { return };
        let at = self.now();
        let GapCount {
            count,
            since,
            until,
            reason,
        } = gap;
        let leaf = Gap {
            at,
            count,
            since,
            until,
            reason: &reason,
        };
        self.push_own(
            inner,
            Entry::new(Index::bare(Kind::Gap, at), &Leaf::Gap(&leaf)),
        );
    }

    fn push_own(&self, inner: &mut Inner, entry: Entry) {
        let queued = Queued {
            entry,
            waited: false,
        };
        self.adopt(&queued);
        inner.next_seq += 1;
        inner.bytes += queued.size();
        inner.records.push(queued);
    }

    /// Charges a record of the journal's own.
    pub fn adopt(&self, queued: &Queued) {
        self.budget.charge(queued.size());
        self.budget.queued(queued.size());
    }

    fn now(&self) -> Timestamp {
        (self.options.clock)()
    }
}
