//! Bytes that the journal may take, on disk and in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::journal::JournalError;

/// Bytes in memory from which no more room is given: the disk hangs.
const QUEUE_BYTES: u64 = 64 << 20;
/// Room for one record. Most are a quarter of it; where one is larger, the
/// excess is charged when it is appended.
const RECORD_BYTES: u64 = 4096;

pub(crate) struct Budget {
    max: u64,
    /// Segments on disk, records in memory, and room given out.
    used: AtomicU64,
    /// Records that are not durable yet.
    in_memory: AtomicU64,
    rooms: AtomicU64,
}

impl Budget {
    pub fn new(max: u64, used: u64) -> Self {
        Self {
            max,
            used: AtomicU64::new(used),
            in_memory: AtomicU64::new(0),
            rooms: AtomicU64::new(0),
        }
    }

    /// Gives out a room for `records`; returns its bytes.
    pub fn give(&self, records: u32) -> Result<u64, JournalError> {
        let bytes = u64::from(records) * RECORD_BYTES;
        let in_memory = self.in_memory.load(Ordering::Relaxed);
        if in_memory > QUEUE_BYTES {
            return Err(JournalError::Behind { bytes: in_memory });
        }
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        match self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, fits)
        {
            Ok(_) => {
                self.rooms.fetch_add(1, Ordering::Relaxed);
                Ok(bytes)
            }
            Err(used) => Err(JournalError::Full {
                used,
                max: self.max,
            }),
        }
    }

    /// Takes a room back with `bytes` left in it.
    pub fn take_back(&self, bytes: u64) {
        self.rooms.fetch_sub(1, Ordering::Relaxed);
        self.release(bytes);
    }

    /// Rooms that are given out: calls in flight.
    pub fn rooms(&self) -> u64 {
        self.rooms.load(Ordering::Relaxed)
    }

    /// Whether a call would get room now.
    pub fn has_room(&self) -> bool {
        let wanted = 2 * RECORD_BYTES;
        self.used.load(Ordering::Relaxed).saturating_add(wanted) <= self.max
            && self.in_memory.load(Ordering::Relaxed) <= QUEUE_BYTES
    }

    pub fn charge(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::AcqRel);
    }

    pub fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// A record whose size is charged is in memory.
    pub fn queued(&self, bytes: u64) {
        self.in_memory.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It is on disk now.
    pub fn written(&self, bytes: u64) {
        self.in_memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// It will never be.
    pub fn dropped(&self, bytes: u64) {
        self.written(bytes);
        self.release(bytes);
    }
}
