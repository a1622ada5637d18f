//! The audit: a write-ahead journal, the SHA-256 chain over its leaves, and
//! the verification of both.
//!
//! An intent is on this machine's disk before its call leaves the house; its
//! outcome follows when the call ends, whatever way it ends. A thread of its
//! own writes, in groups, and chains each leaf to the one before it; a loop
//! moves what is durable into the store, however long that was away. Each
//! start of the process begins a chain that names the end of the last one.
//!
//! Invariants:
//! - A receipt resolves (mode strict) only after its leaf is synced to disk.
//! - What was acknowledged is never dropped by recovery; damage stops the start.
//! - A leaf's bytes are hashed, stored and exported as they were first written.
//! - An intent is settled once, also if the process dies while it settles.
//!
//! Deliberately not here: SQL (the store implements [`Sink`]), prompts and
//! answers (a leaf has facts about a call, never its text), signing and
//! outside witnesses, metrics (read [`Journal::pending`] and the like).
//!
//! Start reading at `journal.rs` (what gates call), then `queue.rs`,
//! `writer.rs` and `ship.rs` in the way of a record; `recovery.rs` and
//! `scan.rs` for what happens after a crash; `verify.rs` for auditors.

mod budget;
mod chain;
mod entry;
mod export;
mod frame;
mod head;
mod journal;
pub mod leaf;
mod progress;
mod queue;
mod receipt;
mod recovery;
mod scan;
mod scopes;
mod segment;
mod ship;
mod storage;
mod throttle;
mod timestamp;
mod verify;
mod writer;

pub use chain::{ChainHead, ChainInfo, LeafHash, NotAHash, Position};
pub use entry::{Account, Entry, Index, Kind, OpenIntent};
pub use export::{Line, read_line, verify_export, write_line};
pub use journal::{Clock, Journal, JournalError, Mode, OnFull, Options, Room};
pub use receipt::Receipt;
pub use recovery::{OpenError, Recovered};
pub use scopes::Scopes;
pub use ship::{BATCH_LEAVES, ShipError, ShippedLeaf, Sink, SinkError};
pub use throttle::{Counted, OWN_LEAVES, RefusalThrottle};
pub use timestamp::Timestamp;
pub use verify::{Finding, Report, Verifier};

#[cfg(test)]
mod tests;
