//! Gate 2: Rego decisions, and the cache in front of them.
//!
//! Fail closed: a set that raises an error, takes too long, leaves the decision
//! undefined or gives it another shape denies. One struct, [`input::Input`], is
//! both what the policy sees and what the cache is keyed by, so nothing can sway
//! a decision without being in its key.
//!
//! A set serves once it has passed the load gate, which finds what would end the
//! process, swallow a refusal or differ from OPA before a request meets it.
//!
//! Deliberately absent: signatures of bundles, which nothing here verifies (a
//! signed one is refused); budgets, rates and findings in the text (gate 3, never
//! cached); and watching for changes: whoever does builds another [`PolicySet`] and
//! hands it to [`Policy::swap`].
//!
//! No other crate names regorus. Start reading at [`decide`] for a request, and
//! at [`PolicySet::load`] for a set; what helps to write one, and never serves,
//! is [`authoring`].

pub mod authoring;
pub mod authzen;
mod builtins;
mod cache;
mod counts;
mod current;
pub mod decide;
mod decision;
mod footprint;
pub mod gate;
pub mod input;
pub mod log;
mod options;
mod panics;
mod seed;
pub mod set;
mod shadow;
#[cfg(test)]
mod tests;

pub use counts::{Counts, Mismatch};
pub use decide::Policy;
pub use decision::EvaluationError;
pub use gate::fault::{Fault, Position};
pub use input::Input;
pub use options::{OnStale, Options};
pub use set::{LoadError, PolicySet, Sources, StoreData};
