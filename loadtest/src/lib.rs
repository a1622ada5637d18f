//! A mock upstream that bills, breaks and hangs on request, and a load
//! generator that measures a gateway beside other proxies.
//!
//! The mock plays the provider in tests: it speaks OpenAI chat completions,
//! keeps a ledger of everything that reached it, and takes its orders from the
//! model name, so that a test needs nothing but gateway configuration to meet
//! a slow, a cut or a lying upstream. The load generator is a closed loop over
//! keep-alive connections; it reads CPU time and memory of the processes under
//! test from `/proc`.
//!
//! What it deliberately does not do: it asserts no speed (it prints), speaks
//! no TLS, and generates no plausible language. Text is a repeated sentence,
//! so a reader can check every byte of a long stream by position.
//!
//! Start reading at [`mock::Mock`], then `load.rs` for the measured loop.

mod cli;
mod client;
mod compare;
mod histogram;
mod load;
pub mod mock;
mod proc;
mod report;
mod run;
mod sse;
mod target;
mod wait;

pub use cli::main;
