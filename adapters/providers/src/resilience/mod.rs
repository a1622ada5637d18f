//! What keeps one provider's bad hour from being the callers': the health of
//! every target, who is asked first, how long to wait, and when to stop waiting.
//!
//! Everything here is told what time it is and never asks, so that a test can live
//! through an hour in a microsecond.

pub(crate) mod backoff;
pub(crate) mod balance;
mod breaker;
mod deadline;
mod dice;
mod health;

pub use breaker::Condition;
pub use deadline::Bounded;
pub use health::{Attempted, Health, TargetHealth};

pub(crate) use health::{Flight, Vital};
