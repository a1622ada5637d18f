//! What clients and providers say on the wire: bytes in, values out.
//!
//! A dialect reads a request once, under hostile assumptions, and hands back the
//! facts that the gates need, together with the byte spans that let a changed
//! request be written without re-serialising it. Replies and streams pass as they
//! came; only usage, errors and endings are read from them.
//!
//! Deliberately not here: sockets, clocks, configuration, prices, policy. Nothing
//! in this crate waits, allocates without bound or depends on another crate of
//! ours. Translation between dialects is a later issue's.
//!
//! Start with [`openai::chat::ChatRequest::parse`], which shows how a body is
//! read ([`json`]) and rewritten ([`splice`]); then [`openai::chat::Relay`], the
//! way back, which stands on [`sse`].

pub mod json;
pub mod openai;
pub mod splice;
pub mod sse;
