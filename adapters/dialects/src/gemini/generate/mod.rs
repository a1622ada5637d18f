//! `generateContent` and `streamGenerateContent`: the request that a client sends and
//! a canonical one as the API takes it, and its replies, streams and errors, read and
//! written.

mod array;
mod canonical;
mod count;
mod decode;
mod encode;
mod error;
pub(crate) mod facts;
mod models;
pub(crate) mod path;
mod reply;
mod request;
mod rewrite;
mod seals;
mod strip;
pub mod usage;
mod watch;
mod write;

pub use array::ArrayFraming;
pub use count::{CountRequest, count_path};
pub(crate) use decode::Partial;
pub use decode::{Decoder, MADE_ID};

pub use encode::{encode, encode_count};
pub use error::read_error;

pub use path::path;
pub use reply::usage_of;
pub use request::GenerateRequest;
pub use watch::GenerateWatch;
pub use write::{ReplyWriter, StreamWriter};
