//! The Responses API: a canonical request as OpenAI gets it, and its replies, whole
//! or streamed, as canonical events.

pub mod count;
mod decode;
mod encode;
mod models;
pub mod usage;

pub use decode::Decoder;
pub use encode::encode;
