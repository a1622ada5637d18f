//! The kernel: five gates in one order, and the proofs that they were passed.
//!
//! Every action that Lattice governs walks [`pipeline::govern`]. Passing a gate
//! yields a value that only this crate can make ([`proof`]), and the next gate
//! takes it as its argument, so code that skips a gate does not compile. An
//! upstream or an engine is reached only with a [`proof::Dispatch`], which is
//! minted from [`proof::Intended`] alone.
//!
//! Deliberately absent: I/O, HTTP, SQL, JSON and Rego. The gate crates return
//! plain values ([`gates`]); the kernel wraps them.
//!
//! Start reading at [`pipeline`].

pub mod allowance;
pub mod call;
pub mod clock;
pub mod draft;
pub mod gates;
pub mod money;
pub mod outcome;
pub mod pipeline;
pub mod principal;
pub mod proof;

pub mod record;
pub mod refusal;
pub mod secret;
pub mod usage;

pub use call::{
    Action, Arrival, Ask, Balance, Body, Call, Credential, Dialect, Head, Plan, Routing, Target,
    Tool, ToolCall,
};
pub use clock::{Clock, SystemClock};
pub use draft::Draft;
pub use gates::Gates;
pub use money::{Bill, NanoUsd, Price, Rates};
pub use outcome::{Ending, Outcome};
pub use principal::{Certificate, Principal};
pub use proof::{Dispatch, Intended};
pub use record::{Presence, Record};
pub use refusal::{Code, Gate, Refusal};
pub use secret::Secret;
pub use usage::{Class, Tier, Usage};
