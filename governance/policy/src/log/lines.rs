//! A file of events, one line of JSON each, written by a thread of its own.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{Event, Mask, Sink};

/// Events that may wait.
const QUEUE: usize = 8192;
/// Bytes of memory, roughly, that events which wait may hold.
const QUEUED_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that are written at once while more events wait.
const BATCH: usize = 64 * 1024;

/// Where the lines go.
#[derive(Debug, Clone)]
pub struct LinesOptions {
    /// The file; appended to, and made for its owner alone.
    pub path: PathBuf,
    /// What no line shows.
    pub mask: Mask,
    /// Which gateway it was; in every line.
    pub labels: BTreeMap<String, String>,
    /// Bytes at which the file is renamed, `.1` added to its name in place of the one
    /// that has that name, and another begun.
    pub max_bytes: u64,
}

/// The file. Dropped, it closes.
pub struct Lines {
    /// `None` is the end.
    queue: SyncSender<Option<Event>>,
    shared: Arc<Shared>,
    /// `None` once it is closed.
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    queued_bytes: AtomicUsize,
    dropped: AtomicU64,
    reopen: AtomicBool,
    last_error: Mutex<Option<String>>,
}

impl Lines {
    /// Opens the file and starts its thread.
    ///
    /// # Errors
    /// The file cannot be opened, or the system has no thread to spare.
    pub fn open(options: LinesOptions) -> io::Result<Self> {
        let output = Output::open(options.path, options.max_bytes)?;
        let shared = Arc::new(Shared::default());
        let (queue, events) = sync_channel(QUEUE);
        let writer = Writer {
            events,
            output,
            ended: false,
            mask: options.mask,
            labels: json!(options.labels),
            shared: shared.clone(),
        };
        let thread = std::thread::Builder::new().name("decision-log".into());
        Ok(Self {
            queue,
            shared,
            writer: Mutex::new(Some(thread.spawn(move || writer.run())?)),
        })
    }

    /// From the next event on, writes to whatever then has the file's name: it may
    /// have been renamed.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
    }

    /// Writes what waits and ends the thread; blocks until that is done. Events that
    /// come later are lost, and counted.
    pub fn close(&self) {
        let writer = self.writer.lock().take();
        if let Some(writer) = writer {
            // Where the thread has died there is nobody to tell, and a panic of its has
            // been reported.
            drop(self.queue.send(None));
            drop(writer.join());
        }
    }

    /// What the system last said against writing.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.shared.last_error.lock().clone()
    }
}

impl Sink for Lines {
    fn put(&self, event: Event) {
        let weight = event.weight();
        let before = self
            .shared
            .queued_bytes
            .fetch_add(weight, Ordering::Relaxed);
        let room = before.saturating_add(weight) <= QUEUED_BYTES;
        let taken = room && self.queue.try_send(Some(event)).is_ok();
        if !taken {
            self.shared
                .queued_bytes
                .fetch_sub(weight, Ordering::Relaxed);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.close();
    }
}

struct Writer {
    events: Receiver<Option<Event>>,
    output: Output,
    ended: bool,
    mask: Mask,
    labels: Value,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self) {
        while !self.ended
            && let Ok(Some(event)) = self.events.recv()
        {
            let (batch, lines) = self.batch(&event);
            if self.shared.reopen.swap(false, Ordering::Acquire) {
                self.output.file = None;
            }
            if let Err(error) = self.output.write(&batch) {
                self.shared.dropped.fetch_add(lines, Ordering::Relaxed);
                *self.shared.last_error.lock() = Some(error.to_string());
            }
        }
    }

    /// `first` and what waits behind it, up to a limit, and how many those are.
    fn batch(&mut self, first: &Event) -> (Vec<u8>, u64) {
        let mut batch = Vec::new();
        let mut lines = 1;
        self.line(first, &mut batch);
        while batch.len() < BATCH {
            match self.events.try_recv() {
                Ok(Some(event)) => self.line(&event, &mut batch),
                Ok(None) => {
                    self.ended = true;
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
            lines += 1;
        }
        (batch, lines)
    }

    fn line(&self, event: &Event, batch: &mut Vec<u8>) {
        let mut line = event.masked(&self.mask);
        line["labels"] = self.labels.clone();
        batch.extend_from_slice(line.to_string().as_bytes());
        batch.push(b'\n');
        self.shared
            .queued_bytes
            .fetch_sub(event.weight(), Ordering::Relaxed);
    }
}

struct Output {
    path: PathBuf,
    max_bytes: u64,
    /// `None` where it has to be opened first.
    file: Option<File>,
    written: u64,
    /// The last line may lack its end.
    torn: bool,
}

impl Output {
    fn open(path: PathBuf, max_bytes: u64) -> io::Result<Self> {
        let mut output = Self {
            path,
            max_bytes,
            file: None,
            written: 0,
            torn: false,
        };
        output.file()?;
        Ok(output)
    }

    /// Writes whole lines, to another file where this one has grown enough.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file()?;
        if self.written > 0 && self.written + lines.len() as u64 > self.max_bytes {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
            self.file = None;
            self.torn = false;
        }
        if self.torn {
            self.file()?.write_all(b"\n")?;
            self.torn = false;
        }
        let written = self.file()?.write_all(lines);
        self.written += lines.len() as u64;
        self.torn = written.is_err();
        written
    }

    /// The file, opened where it is not.
    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = append(&self.path)?;
                self.written = file.metadata()?.len();
                file
            }
        };
        Ok(self.file.insert(file))
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
