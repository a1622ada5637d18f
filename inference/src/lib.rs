//! Models on this machine: GGUF files, the engines that run them, and the way from a
//! canonical request to a prompt and back.
//!
//! Deliberately not here: anything about HTTP, fetching models from elsewhere, or who
//! may ask; a generation needs the kernel's dispatch token, and engines cannot be had
//! from outside. Nor tools, constrained output or media yet: `chat.rs` refuses these by
//! the name of their field.
//!
//! Start at [`LocalModels::chat`]; then `engine.rs`, what a loaded model offers; then
//! `llama/worker.rs` and `llama/step.rs`, the scheduler.

#[cfg(feature = "candle")]
mod candle;
mod catalogue;
mod chat;
mod engine;
mod error;
mod generation;
mod gguf;
mod lifecycle;
#[cfg(feature = "llama")]
mod llama;
mod meter;
mod models;
mod prompt;
mod queue;
mod template;
#[cfg(test)]
mod tests;
mod text;

pub use engine::{Caps, EngineKind, LoadOptions, Rejected, Scope, Stats};
pub use error::{EngineError, LocalError};
pub use generation::Generation;
pub use lifecycle::State;
pub use models::{Loaded, LocalModels, ModelInfo, Options};
