//! Gate 2: Rego decisions, and the cache in front of them.
//!
//! Fail closed: a set that raises an error, takes too long, leaves the decision
//! undefined or gives it another shape denies. One struct, [`input::Input`], is
//! both what the policy sees and what the cache is keyed by, so nothing can sway
//! a decision without being in its key.
//!
//! Deliberately absent: budgets, rates and findings in the text (gate 3, never
//! cached), and watching for changes: whoever does builds another [`PolicySet`] and
//! hands it to [`Policy::swap`].
//!
//! No other crate names regorus. Start reading at [`decide`].

pub mod authzen;
mod cache;
mod counts;
mod current;
pub mod decide;
mod decision;
mod footprint;
pub mod input;
pub mod log;
mod options;
mod seed;
pub mod set;
#[cfg(test)]
mod tests;

pub use counts::Counts;
pub use decide::{Mismatch, Policy};
pub use decision::EvaluationError;
pub use input::Input;
pub use options::Options;
pub use set::{LoadError, PolicySet};
