//! What Google's Gemini API says.

mod error;
pub(crate) mod fields;
pub mod generate;
mod listing;

pub use error::render_error;
pub use listing::{Model, list_models};
