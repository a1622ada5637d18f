//! What the benches share: a caller, two chat requests, a stream in each dialect,
//! all made here, and the ways that they are sent.
//!
//! ```text
//! cargo bench -p lattice-benches                                  # all of them
//! cargo bench -p lattice-benches --bench translation -- stream    # one group of one
//! cargo bench -p lattice-benches -- --measurement-time 2          # sooner, and rougher
//! ```
//!
//! What belongs in one ratio is in one group, so that it comes from one run: times
//! of different runs tell as much about the machine as about the code. Criterion
//! keeps what it measured in the target folder and says what has changed since.
//!
//! Deliberately not here: limits on any time, because a speed is printed and never
//! asserted; recordings of real traffic, which are for tests; sockets, which
//! `loadtest` measures.
//!
//! Start reading at `translation.rs`, `pipeline/main.rs` or `decisions.rs`, beside
//! `src`.

#![expect(clippy::expect_used, reason = "a bench stops at what should not be")]

mod caller;
mod chat;
mod streams;
mod ways;

pub use caller::{ask, principal, target};
pub use chat::{MODEL, large_chat, small_chat};
pub use streams::{EVENTS, anthropic_stream, chat_stream, gemini_stream};
pub use ways::{from_anthropic, from_gemini, relayed, rewritten, to_anthropic, to_gemini};
