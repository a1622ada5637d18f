//! Gemini's generateContent: requests to it, replies from it.

mod decode;
mod encode;
mod errors;
mod properties;
mod recordings;
mod told;
