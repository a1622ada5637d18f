//! What OpenAI's clients and servers say, and the many servers that follow them.

pub mod chat;
mod error;
mod failure;
mod models;
mod outbound;
pub mod responses;

pub use error::render_error;
pub use failure::read_error;
pub use models::{Model, list_models};
