//! From the journal's files into the store, in order, at least once.
//!
//! Leaves are read back from the files, up to what is durable: a store that is
//! away for an hour costs disk, not memory. The store must take a leaf that it
//! already has as done (its key is chain and sequence number).

use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::chain::{ChainInfo, LeafHash};
use crate::entry::Index;
use crate::frame::{self, Defect, Frame};
use crate::head::{self, Remembered};
use crate::journal::{Journal, Shared};
use crate::progress::Stretch;
use crate::segment;

/// Most leaves that a sink is given at once.
pub const BATCH_LEAVES: usize = 1000;
/// Most bytes of journal that are read at once.
const BATCH_BYTES: u64 = 4 << 20;
/// Lets batches fill under load; a bound on the store's transactions a second.
const LINGER: Duration = Duration::from_millis(20);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// A leaf as the store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShippedLeaf<'a> {
    /// Its place in the chain.
    pub seq: u64,
    /// Its hash, made at the time of writing.
    pub hash: LeafHash,
    /// The canonical bytes, to be stored as they are.
    pub leaf: &'a [u8],
    /// The same facts as columns.
    pub index: Index,
}

/// Where leaves go.
pub trait Sink {
    /// Stores `leaves`, consecutive ones of `chain`, all or none. Some may be
    /// stored already; their sums must not be counted twice.
    ///
    /// # Errors
    /// [`SinkError`]; nothing was stored, or it is not known whether it was.
    fn append(
        &self,
        chain: &ChainInfo,
        leaves: &[ShippedLeaf<'_>],
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Why a sink did not store a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    /// Trying the same again later can work.
    pub unavailable: bool,
    /// For people.
    pub message: String,
}

/// Why shipping ended early. Nothing is skipped: shipping again begins with
/// the same leaf.
#[derive(Debug, thiserror::Error)]
pub enum ShipError {
    /// The store is there and does not take the batch.
    #[error("the store refuses the audit leaves from {seq} of chain {chain}: {source}")]
    Refused {
        /// The chain.
        chain: uuid::Uuid,
        /// The first leaf of the batch.
        seq: u64,
        /// What the sink said.
        source: SinkError,
    },
    /// The journal's own files cannot be read back or deleted.
    #[error("{path}: {source}", path = path.display())]
    Journal {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
}

impl Journal {
    /// Ships until the journal is stopped and everything is in the store, or
    /// until `shutdown`; waits out a sink that is unavailable. A second call
    /// waits for the first to end.
    ///
    /// # Errors
    /// [`ShipError`].
    pub async fn ship<S, F>(&self, sink: S, shutdown: F) -> Result<(), ShipError>
    where
        S: Sink,
        F: Future<Output = ()>,
    {
        let shared = self.shared().clone();
        let _only_one = shared.shipping.lock().await;
        let mut shutdown = pin!(shutdown);
        let mut buffer = Vec::new();
        loop {
            // Both at once: what is appended before the end is seen before it.
            let (stretch, ended) = {
                let progress = shared.progress.lock();
                (progress.unshipped(), progress.has_ended())
            };
            let Some(stretch) = stretch else {
                clear(&shared).await?;
                if ended || !unless(&mut shutdown, shared.grown.notified()).await {
                    return Ok(());
                }
                continue;
            };
            buffer = read(&stretch, buffer).await?;
            let batch = parse(&buffer, &stretch)?;
            let delivered = deliver(&sink, &stretch, &batch.leaves);
            tokio::select! {
                delivered = delivered => delivered?,
                () = &mut shutdown => return Ok(()),
            }
            shared
                .progress
                .lock()
                .acknowledge(batch.bytes, batch.leaves.len() as u64);
            shared.shipped.notify_waiters();
            clear(&shared).await?;
            let caught_up = batch.leaves.len() < BATCH_LEAVES;
            if caught_up && !ended && !unless(&mut shutdown, sleep(LINGER)).await {
                return Ok(());
            }
        }
    }

    /// Waits until every durable leaf is in the store. After
    /// [`Journal::stop`] that is every leaf. Set a deadline: this waits for as
    /// long as the store is away or nobody ships.
    pub async fn flushed(&self) {
        loop {
            let mut shipped = pin!(self.shared().shipped.notified());
            shipped.as_mut().enable();
            if self.pending() == 0 {
                return;
            }
            shipped.await;
        }
    }
}

/// Waits for `event`; false where `shutdown` comes first.
async fn unless<F: Future<Output = ()>>(
    shutdown: &mut Pin<&mut F>,
    event: impl Future<Output = ()>,
) -> bool {
    tokio::select! {
        () = event => true,
        () = shutdown => false,
    }
}

async fn deliver<S: Sink>(
    sink: &S,
    stretch: &Stretch,
    leaves: &[ShippedLeaf<'_>],
) -> Result<(), ShipError> {
    let mut pause = FIRST_RETRY;
    loop {
        match sink.append(&stretch.chain, leaves).await {
            Ok(()) => return Ok(()),
            Err(error) if error.unavailable => sleep(pause).await,
            Err(source) => {
                let seq = leaves.first().map_or(0, |leaf| leaf.seq);
                return Err(ShipError::Refused {
                    chain: stretch.chain.id,
                    seq,
                    source,
                });
            }
        }
        pause = (pause * 2).min(LAST_RETRY);
    }
}

struct Batch<'a> {
    leaves: Vec<ShippedLeaf<'a>>,
    bytes: u64,
}

fn parse<'a>(buffer: &'a [u8], stretch: &Stretch) -> Result<Batch<'a>, ShipError> {
    let mut batch = Batch {
        leaves: Vec::new(),
        bytes: 0,
    };
    while batch.leaves.len() < BATCH_LEAVES {
        match frame::decode(&buffer[batch.bytes as usize..]) {
            Ok(frame) => {
                batch.bytes += frame.size() as u64;
                let Frame {
                    seq,
                    hash,
                    leaf,
                    index,
                    ..
                } = frame;
                batch.leaves.push(ShippedLeaf {
                    seq,
                    hash,
                    leaf,
                    index,
                });
            }
            // The buffer ends inside a frame: the rest comes next time.
            Err(Defect::Short) if !batch.leaves.is_empty() => break,
            Err(defect) => {
                let offset = stretch.from + batch.bytes;
                let source = io::Error::other(format!("at byte {offset}: {defect}"));
                return Err(ShipError::Journal {
                    path: stretch.path.clone(),
                    source,
                });
            }
        }
    }
    Ok(batch)
}

/// Reads the beginning of `stretch`: at least one frame.
async fn read(stretch: &Stretch, buffer: Vec<u8>) -> Result<Vec<u8>, ShipError> {
    let failed = |source| ShipError::Journal {
        path: stretch.path.clone(),
        source,
    };
    let Stretch { path, from, to, .. } = stretch.clone();
    blocking(move || {
        let mut buffer = buffer;
        let mut file = std::fs::File::open(path)?;
        let mut want = BATCH_BYTES;
        loop {
            buffer.clear();
            file.seek(SeekFrom::Start(from))?;
            (&file).take(want.min(to - from)).read_to_end(&mut buffer)?;
            // One frame larger than a batch goes alone.
            let more = frame::decode(&buffer) == Err(Defect::Short) && want < to - from;
            if !more {
                return Ok(buffer);
            }
            want *= 2;
        }
    })
    .await
    .map_err(failed)
}

/// Deletes what nobody needs any more.
async fn clear(shared: &Arc<Shared>) -> Result<(), ShipError> {
    let (spent, finished) = {
        let mut progress = shared.progress.lock();
        (progress.spent(), progress.finish())
    };
    if spent.is_empty() && finished.is_none() {
        return Ok(());
    }
    let (ended, last) = finished.unzip();
    let bytes: u64 = spent
        .iter()
        .chain(last.iter().flatten())
        .map(|file| file.durable)
        .sum();
    let dir = shared.dir.clone();
    let cleared = blocking(move || {
        if let Some(ended) = ended {
            head::write(
                &dir,
                Remembered {
                    run: ended.run,
                    head: ended.head,
                },
            )?;
        }
        for segment in spent.iter().chain(last.iter().flatten()) {
            std::fs::remove_file(&segment.path)?;
        }
        segment::sync_dir(&dir)
    });
    cleared.await.map_err(|source| ShipError::Journal {
        path: shared.dir.clone(),
        source,
    })?;
    shared.queue.budget.release(bytes);
    Ok(())
}

async fn blocking<T, F>(work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}
