//! What clients and providers say on the wire: bytes in, values out.
//!
//! A dialect reads a request once, under hostile assumptions, and hands back the
//! facts that the gates need, together with the byte spans that let a changed
//! request be written without re-serialising it. Where the upstream speaks the
//! caller's dialect, replies and streams pass as they came; only usage, errors and
//! endings are read from them.
//!
//! Where it speaks another, both ways lead through [`canonical`]: the caller's
//! dialect is read into it, the target's is written from it, and replies come back
//! as its events. What cannot be carried is refused by the name of its field or
//! noted; nothing is dropped in silence.
//!
//! Deliberately not here: sockets, clocks, configuration, prices, policy. Nothing
//! in this crate waits, allocates without bound or depends on another crate of
//! ours.
//!
//! Start with [`Inbound`], which lists what a client may ask for, and
//! [`openai::chat::ChatRequest::parse`], which shows how a body is read ([`json`])
//! and rewritten ([`splice`]); then [`reply`], the way back, which stands on
//! [`sse`]. For a target of another dialect, [`anthropic::messages`] has all there
//! is to one: `encode`, `Decoder`, `read_error`. What else can be asked for stands by
//! itself: [`count`] and [`embed`]. Between a reply and its caller stands [`tools`].

pub mod anthropic;
mod api;
pub mod canonical;
pub mod count;
pub mod embed;
pub mod error;
mod fields;
pub mod firewall;
pub mod gemini;
mod inbound;
pub mod json;
pub mod openai;
mod prompt;
pub mod reply;
mod spelling;
pub mod splice;
pub mod sse;
mod tools;

pub use api::Api;
pub use inbound::{Facts, Inbound};
pub use prompt::Prompt;
pub use tools::{Offer, ToolNeeded};
