//! The Messages API: a canonical request as Claude gets it, and Claude's replies,
//! whole or streamed, as canonical events.

mod decode;
mod encode;
mod error;
mod models;
pub mod usage;

pub use decode::Decoder;
pub use encode::encode;
pub use error::read_error;
