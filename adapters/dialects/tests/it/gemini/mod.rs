//! Gemini's generateContent: requests to it, replies from it.

mod decode;
mod encode;
mod errors;
mod inbound;
mod properties;
mod recordings;
pub mod told;
