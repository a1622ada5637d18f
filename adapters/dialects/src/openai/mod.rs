//! What OpenAI's clients and servers say, and the many servers that follow them.

pub mod chat;
mod error;
mod models;

pub use error::render_error;
pub use models::{Model, list_models};
