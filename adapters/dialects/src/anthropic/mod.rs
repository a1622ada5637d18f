//! What Anthropic's clients and servers say.

pub mod messages;
mod models;

pub use messages::render_error;
pub use models::{Model, list_models};
