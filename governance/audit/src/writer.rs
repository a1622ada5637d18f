//! The thread that owns the file: it numbers, hashes, writes and syncs.
//!
//! Every write is followed by a sync before anything else happens, so there
//! are two states only: durable, and not written. After an error nothing of
//! the failed batch is believed to be on disk: it is cut off, and writing goes
//! on in a new segment, whose first sequence number tells recovery where the
//! old one ends even if the cut failed too.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::chain::{ChainHead, ChainInfo, LeafHash, Position};
use crate::entry::{Entry, Index, Kind, OpenIntent};
use crate::frame::{Format, Frame};
use crate::journal::{JournalError, Shared};
use crate::leaf::{Leaf, Start};
use crate::progress::{Ended, Segment};
use crate::queue::{Queued, Taken};
use crate::receipt::{Batch, Verdict};
use crate::segment::{Header, Name};
use crate::storage::Storage;
use crate::timestamp::Timestamp;

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(1);
/// Memory for encoded frames that is kept between batches.
const BUFFER_KEPT: usize = 4 << 20;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    storage: Box<dyn Storage>,
    chain: Arc<ChainInfo>,
    run: u64,
    /// The current segment cannot be trusted.
    broken: bool,
    /// First sequence number of the current segment.
    first_seq: u64,
    /// Durable bytes of the current segment.
    length: u64,
    next_seq: u64,
    /// Hash of the last durable leaf.
    head: LeafHash,
    /// Intents of this chain without a durable outcome.
    open: BTreeMap<u64, OpenIntent>,
    /// Taken from the queue and not durable.
    records: Vec<Queued>,
    /// Where those wait whose records were taken.
    batch: Arc<Batch>,
    buffer: Vec<u8>,
}

impl Writer {
    /// Begins the chain: its first segment and its `start` leaf are durable
    /// when this returns.
    pub fn start(
        shared: Arc<Shared>,
        storage: Box<dyn Storage>,
        run: u64,
        previous: Option<ChainHead>,
        at: Timestamp,
    ) -> io::Result<Self> {
        let options = shared.queue.options();
        let id = shared.queue.chain();
        let chain = ChainInfo {
            id,
            previous,
            node: options.node.clone(),
            started_at: at,
        };
        let version = env!("CARGO_PKG_VERSION");
        let start = Start {
            at,
            node: &chain.node,
            version,
            previous,
        };
        let entry = Entry::new(Index::bare(Kind::Start, at), &Leaf::Start(&start));
        let first = Queued {
            entry,
            waited: false,
        };
        shared.queue.adopt(&first);
        let mut writer = Self {
            head: chain.root(),
            chain: Arc::new(chain),
            shared,
            storage,
            run,
            broken: true,
            first_seq: 0,
            length: 0,
            next_seq: 0,
            open: BTreeMap::new(),
            records: vec![first],
            batch: Arc::default(),
            buffer: Vec::new(),
        };
        writer.commit()?;
        Ok(writer)
    }

    /// Until the journal is stopped.
    pub fn run(mut self) -> Result<(), JournalError> {
        loop {
            let Taken { batch, last } = self.shared.queue.take(&mut self.records);
            self.batch = batch;
            match self.commit() {
                Ok(()) => self.batch.resolve(Verdict::Durable),
                Err(error) if last => return Err(self.fail(&error)),
                Err(error) => self.mend(&error),
            }
            if last {
                self.end(!self.open.is_empty());
                return Ok(());
            }
        }
    }

    /// Makes all of `records` durable, or none and says why.
    fn commit(&mut self) -> io::Result<()> {
        let options = self.shared.queue.options();
        let full = self.length >= options.segment_bytes && self.next_seq > self.first_seq;
        if self.broken || full {
            self.roll()?;
        }
        let head = self.encode();
        self.storage.append(&self.buffer)?;
        self.storage.sync()?;
        self.advance(head);
        Ok(())
    }

    /// Begins a new segment.
    fn roll(&mut self) -> io::Result<()> {
        self.broken = true;
        let header = Header {
            run: self.run,
            chain: ChainInfo::clone(&self.chain),
            first_seq: self.next_seq,
            previous_hash: self.head,
            open: self.open.values().copied().collect(),
        }
        .encode()?;
        let path = Name {
            run: self.run,
            first_seq: self.next_seq,
        }
        .path(&self.shared.dir);
        self.storage.create(&path, &header)?;
        self.broken = false;
        self.first_seq = self.next_seq;
        self.length = header.len() as u64;
        let chain = self.chain.clone();
        let segment = Segment {
            path,
            chain,
            durable: self.length,
            shipped: self.length,
        };
        let replaced = self.shared.progress.lock().begin(segment);
        self.shared.queue.budget.charge(self.length);
        self.shared.queue.budget.release(replaced);
        Ok(())
    }

    /// Fills the buffer with the frames of `records`; returns the last hash.
    fn encode(&mut self) -> LeafHash {
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT);
        let batch = self.next_seq;
        let mut hash = self.head;
        for (seq, Queued { entry, .. }) in (batch..).zip(&self.records) {
            hash = LeafHash::of(self.chain.id, seq, &hash, &entry.leaf);
            let frame = Frame {
                format: Format::Wide,
                seq,
                batch,
                hash,
                index: entry.index,
                leaf: &entry.leaf,
            };
            frame.encode(&mut self.buffer);
        }
        hash
    }

    /// What was encoded is durable.
    fn advance(&mut self, head: LeafHash) {
        let bytes = self.buffer.len() as u64;
        let leaves = self.records.len() as u64;
        let mut progress = self.shared.progress.lock();
        for (seq, Queued { entry, .. }) in (self.next_seq..).zip(self.records.drain(..)) {
            let position = Position {
                chain: self.chain.id,
                seq,
            };
            match (entry.index.kind, entry.index.intent) {
                (Kind::Intent, _) => {
                    self.open
                        .insert(seq, OpenIntent::of(position, &entry.index));
                }
                (_, Some(intent)) if intent.chain == self.chain.id => {
                    self.open.remove(&intent.seq);
                }
                (_, Some(intent)) => progress.settle(&intent),
                (_, None) => {}
            }
        }
        progress.grow(bytes, leaves);
        drop(progress);
        self.head = head;
        self.length += bytes;
        self.next_seq += leaves;
        self.shared.queue.budget.written(bytes);
        self.shared.grown.notify_one();
    }

    /// Answers everyone who waits and cuts off what may have been written.
    fn fail(&mut self, error: &io::Error) -> JournalError {
        self.broken = true;
        // First, so that an intent whose caller is told "no" is rarely found
        // by recovery; where the cut fails too, recovery settles the intent.
        let _best_effort = self.storage.truncate(self.length);
        let reason: Arc<str> = error.to_string().into();
        let verdict = self
            .shared
            .queue
            .fail(&reason, &mut self.records, self.next_seq);
        self.batch.resolve(verdict);
        JournalError::Unavailable { reason }
    }

    /// Tries again until it works or the journal is to stop.
    fn mend(&mut self, error: &io::Error) {
        self.fail(error);
        let mut pause = FIRST_RETRY;
        while !self.shared.queue.pause(pause) {
            match self.commit() {
                Ok(()) => return self.shared.queue.mended(),
                Err(error) => self.fail(&error),
            };
            pause = (pause * 2).min(LAST_RETRY);
        }
    }

    /// `open`: the next start must find this chain's segments.
    fn end(&self, open: bool) {
        let seq = self.next_seq.saturating_sub(1);
        let head = ChainHead {
            chain: self.chain.id,
            seq,
            hash: self.head,
        };
        self.shared.progress.lock().end(Ended {
            run: self.run,
            head,
            open,
        });
    }
}

impl Drop for Writer {
    /// Also after a panic: nobody may wait for a thread that is gone.
    fn drop(&mut self) {
        if !self.shared.progress.lock().has_ended() {
            self.end(true);
        }
        self.shared.queue.close();
        self.batch.resolve(Verdict::Failed(JournalError::Stopped));
        self.shared.grown.notify_one();
    }
}
