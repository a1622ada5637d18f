//! Chat completions: the request that a client sends, the same request as an
//! upstream of the same dialect gets it, and the reply and stream that come back; and
//! requests of other dialects as OpenAI and the servers like it get them.

pub(super) mod canonical;
mod compose;
mod decode;
mod encode;
mod facts;
mod reply;
mod request;
mod rewrite;
mod strip;
pub mod usage;
mod watch;

use crate::error::ErrorBody;

pub use compose::{Server, encode};
pub(crate) use decode::Arguments as Braces;
pub use decode::Decoder;
pub use encode::{ReplyEncoder, StreamEncoder};
pub use reply::usage_of;
pub use request::ChatRequest;
pub use rewrite::{CapField, OutputCap, Rewrite};
pub use watch::ChatWatch;

/// An error as the last event of a chat stream: no `[DONE]` follows.
fn error_event(error: &ErrorBody<'_>) -> String {
    format!("data: {}\n\n", super::render_error(error))
}
