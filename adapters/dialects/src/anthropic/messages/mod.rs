//! The Messages API, both ways: the request that a client sends, the same request
//! as an upstream of the same dialect gets it, and the reply and stream that it is
//! answered with; and a canonical request as Claude gets it, and Claude's replies
//! as canonical events.

mod canonical;
mod decode;
mod encode;
mod error;
mod facts;
mod ids;
mod media;
mod models;
mod request;
mod rewrite;
mod strip;
pub mod usage;
mod watch;
mod write;

pub use decode::Decoder;
pub use encode::{encode, encode_count};
pub use error::{read_error, render_error};
pub use request::MessagesRequest;
pub use rewrite::Rewrite;
pub use watch::{MessagesWatch, usage_of};
pub use write::{ReplyWriter, StreamWriter};
