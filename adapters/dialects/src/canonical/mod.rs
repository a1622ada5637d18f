//! The one form between dialects: what a request asks for, and what a reply
//! says as it streams.
//!
//! A request borrows from the body that it was read from; a reply is a sequence
//! of [`Event`]s that borrow from the bytes of one upstream event, so that text
//! is copied once, into what the caller gets. What no other dialect can carry is
//! not represented: the reader of a dialect refuses it by name ([`Unsupported`])
//! or lists it as a hint that was dropped.

mod dialogue;
mod encoded;
mod event;
mod failure;
mod kept;
mod request;
mod sealed;
mod usage;

pub(crate) use dialogue::{Dialogue, texts};
pub use encoded::{Encoded, Target};
pub use event::{Block, Decode, Delta, Ended, Event, Finish, Garbled, ProviderError, Sink};
pub use failure::ErrorFacts;
pub use kept::{Keeper, Kept, KeptCall};
pub use request::{
    Cache, Effort, Format, Maker, Media, Part, Reasoning, Request, Role, Schema, Source, Text,
    Tool, ToolCall, ToolChoice, ToolResult, Turn, Unsupported,
};
pub(crate) use sealed::PREFIX as SEAL;
pub use sealed::{Proves, Sealed};
pub use usage::{Tier, Usage};
