//! What earlier processes left in the journal's folder.
//!
//! Chains are read in the order in which they were written. Each must begin
//! where the one before it ended, and its leaves must follow one another; the
//! torn tail of the last write is cut off, all other damage stops the start.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::chain::{ChainHead, ChainInfo, Position};
use crate::entry::{Kind, OpenIntent};
use crate::frame::Frame;
use crate::head;
use crate::progress::Segment;
use crate::scan::{self, Tip};
use crate::segment::{self, Header, Name};

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two processes must never write one journal.
    #[error(
        "{dir} is in use by another process; stop that one, or give this gateway \
         its own data_dir", dir = dir.display()
    )]
    Locked {
        /// The journal's folder.
        dir: PathBuf,
    },
    /// Acknowledged leaves cannot be read.
    #[error(
        "{path}: leaf {seq} at byte {offset} is damaged: {reason}. It had been acknowledged, so \
         this is not the torn end of a crash. Copy the folder away as evidence, then put \
         the file back from a backup, or move everything out of the folder to begin \
         without it", path = path.display()
    )]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// Byte offset in it.
        offset: usize,
        /// Sequence number of the first leaf that is lost.
        seq: u64,
        /// What is wrong.
        reason: String,
    },
    /// The disk failed.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What [`crate::Journal::open`] found.
#[derive(Debug)]
pub struct Recovered {
    /// Where the chain before this one ended; `None` in a new journal.
    pub previous: Option<ChainHead>,
    /// Intents without an outcome, oldest first, each to be settled once.
    pub open_intents: Vec<OpenIntent>,
    /// Leaves of earlier chains that may not be in the store yet.
    pub unshipped: u64,
    /// The torn tail that was cut off, if there was one: file and bytes.
    pub torn: Option<(PathBuf, u64)>,
}

/// What the new chain builds on.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// The number of the new run.
    pub run: u64,
    pub previous: Option<ChainHead>,
    pub open: Vec<OpenIntent>,
    pub segments: VecDeque<Segment>,
    pub pending: u64,
    pub torn: Option<(PathBuf, u64)>,
}

/// Takes the folder for this process, creating it where it is missing.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    fs::create_dir_all(dir).map_err(at(dir))?;
    // The folder itself must outlive a power cut too.
    if let Some(parent) = dir.canonicalize().map_err(at(dir))?.parent() {
        segment::sync_dir(parent).map_err(at(parent))?;
    }
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

pub(crate) fn recover(dir: &Path) -> Result<Leftovers, OpenError> {
    let remembered = head::read(dir).map_err(|error| match error.kind() {
        // What serde_json makes of bad JSON.
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            damaged(&head::path(dir), 0, 0, error)
        }
        _ => at(&head::path(dir))(error),
    })?;
    let mut names = names(dir).map_err(at(dir))?;
    drop_stillborn(dir, &mut names)?;
    let mut reader = Reader {
        dir,
        ended: remembered.map(|remembered| (remembered.run, remembered.head)),
        current: None,
        open: BTreeMap::new(),
        found: Leftovers::default(),
    };
    for (place, name) in names.iter().enumerate() {
        reader.segment(*name, names.get(place + 1).copied())?;
    }
    reader.finish()
}

fn names(dir: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(Name::parse(&entry?.path()));
    }
    names.sort_unstable();
    Ok(names)
}

/// A crash while a segment was begun leaves a file that nothing was ever
/// acknowledged in: at the end, without a header or, in a new chain, without
/// a leaf. It is deleted.
fn drop_stillborn(dir: &Path, names: &mut Vec<Name>) -> Result<(), OpenError> {
    let Some(last) = names.last().copied() else {
        return Ok(());
    };
    let path = last.path(dir);
    let data = fs::read(&path).map_err(at(&path))?;
    let headless = Header::decode(&data).is_none();
    let follows = names
        .iter()
        .rev()
        .nth(1)
        .is_some_and(|name| name.run == last.run);
    let stillborn = if last.first_seq == 0 {
        true
    } else {
        headless && follows
    };
    if stillborn && scan::next_sound(&data, 0).is_none() {
        fs::remove_file(&path)
            .and_then(|()| segment::sync_dir(dir))
            .map_err(at(&path))?;
        names.pop();
    }
    Ok(())
}

struct Reader<'a> {
    dir: &'a Path,
    /// The last leaf of the chain before the current one, and its run.
    ended: Option<(u64, ChainHead)>,
    current: Option<Current>,
    open: BTreeMap<(u64, u64), OpenIntent>,
    found: Leftovers,
}

/// The chain that is being read.
struct Current {
    run: u64,
    tip: Tip,
    chain: Arc<ChainInfo>,
}

impl Current {
    fn head(&self) -> Option<ChainHead> {
        let seq = self.tip.next_seq.checked_sub(1)?;
        Some(ChainHead {
            chain: self.tip.chain,
            seq,
            hash: self.tip.hash,
        })
    }
}

impl Reader<'_> {
    fn segment(&mut self, name: Name, next: Option<Name>) -> Result<(), OpenError> {
        let path = name.path(self.dir);
        let data = fs::read(&path).map_err(at(&path))?;
        let (header, from) = Header::decode(&data)
            .filter(|(header, _)| (header.run, header.first_seq) == (name.run, name.first_seq))
            .ok_or_else(|| damaged(&path, 0, name.first_seq, "its header is unreadable"))?;
        let mut current = self.enter(&path, header)?;
        let until = next
            .filter(|next| next.run == name.run)
            .map(|next| next.first_seq);
        let mut leaves = 0;
        let each = |frame: &Frame<'_>| {
            leaves += 1;
            note(&mut self.open, name.run, current.chain.id, frame);
        };
        let end = scan::scan(&data, from, &mut current.tip, until, each)
            .map_err(|damage| damaged(&path, damage.offset, damage.seq, damage.reason))?;
        // Zeros were written ahead of records that never came.
        if until.is_none() && data[end..].iter().any(|byte| *byte != 0) {
            self.cut(&path, end, &data, next.is_none(), &current.tip)?;
        }
        self.found.pending += leaves;
        self.found.segments.push_back(Segment {
            path,
            chain: current.chain.clone(),
            durable: end as u64,
            shipped: from as u64,
        });
        self.current = Some(current);
        Ok(())
    }

    /// Checks that the segment follows what was read before it.
    fn enter(&mut self, path: &Path, header: Header) -> Result<Current, OpenError> {
        let misfit = |seq, reason: &str| Err(damaged(path, 0, seq, reason));
        if let Some(current) = self.current.take_if(|current| current.run == header.run) {
            let tip = &current.tip;
            let expected = (tip.chain, tip.next_seq, tip.hash);
            if expected != (header.chain.id, header.first_seq, header.previous_hash) {
                return misfit(
                    tip.next_seq,
                    "the segment before it is missing or ends elsewhere",
                );
            }
            return Ok(current);
        }
        self.leave()?;
        if let Some((_, head)) = self.ended
            && self.must_follow(head, header.chain.previous)
            && header.chain.previous != Some(head)
        {
            return misfit(
                head.seq,
                "the chain before it lost its last leaves, or is missing",
            );
        }
        for open in header.open {
            self.open.insert((header.run, open.position.seq), open);
        }
        let (chain, next_seq) = (header.chain.id, header.first_seq);
        let tip = Tip {
            chain,
            next_seq,
            hash: header.previous_hash,
        };
        Ok(Current {
            run: header.run,
            tip,
            chain: Arc::new(header.chain),
        })
    }

    /// Chains that are both in the folder have no other between them, as files
    /// are deleted oldest first. The remembered head may be older than that.
    fn must_follow(&self, head: ChainHead, previous: Option<ChainHead>) -> bool {
        !self.found.segments.is_empty()
            || previous.is_some_and(|previous| previous.chain == head.chain)
    }

    /// The current chain is read to its end.
    fn leave(&mut self) -> Result<(), OpenError> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let Some(head) = current.head() else {
            return Ok(());
        };
        if let Some((run, remembered)) = self.ended
            && (run == current.run && remembered != head)
        {
            let reason = "the chain ends elsewhere than this file says";
            return Err(damaged(&head::path(self.dir), 0, remembered.seq, reason));
        }
        self.ended = self
            .ended
            .filter(|(run, _)| *run > current.run)
            .or(Some((current.run, head)));
        Ok(())
    }

    /// Cuts a torn tail off the last segment of all; elsewhere that was done
    /// at an earlier start, so a bad tail is damage.
    fn cut(
        &mut self,
        path: &Path,
        end: usize,
        data: &[u8],
        last: bool,
        tip: &Tip,
    ) -> Result<(), OpenError> {
        if !last {
            return Err(damaged(path, end, tip.next_seq, "a later chain follows it"));
        }
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(at(path))?;
        file.set_len(end as u64)
            .and_then(|()| file.sync_all())
            .map_err(at(path))?;
        self.found.torn = Some((path.to_path_buf(), (data.len() - end) as u64));
        Ok(())
    }

    fn finish(mut self) -> Result<Leftovers, OpenError> {
        self.leave()?;
        self.found.run = self.ended.map_or(0, |(run, _)| run + 1);
        self.found.previous = self.ended.map(|(_, head)| head);
        self.found.open = self.open.into_values().collect();
        Ok(self.found)
    }
}

/// Keeps the list of open intents up to date. An outcome may end an intent
/// of an earlier chain: it was written by the start after a crash.
fn note(open: &mut BTreeMap<(u64, u64), OpenIntent>, run: u64, chain: Uuid, frame: &Frame<'_>) {
    let position = Position {
        chain,
        seq: frame.seq,
    };
    match (frame.index.kind, frame.index.intent) {
        (Kind::Intent, _) => {
            open.insert((run, frame.seq), OpenIntent::of(position, &frame.index));
        }
        (_, Some(intent)) if intent.chain == chain => {
            open.remove(&(run, intent.seq));
        }
        (_, Some(intent)) => open.retain(|_, open| open.position != intent),
        (_, None) => {}
    }
}

fn damaged(path: &Path, offset: usize, seq: u64, reason: impl ToString) -> OpenError {
    OpenError::Damaged {
        path: path.to_path_buf(),
        offset,
        seq,
        reason: reason.to_string(),
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> OpenError {
    let path = path.to_path_buf();
    move |source| OpenError::Io {
        path: path.clone(),
        source,
    }
}
