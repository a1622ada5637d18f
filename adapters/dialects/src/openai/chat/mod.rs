//! Chat completions: the request that a client sends, the same request as an
//! upstream of the same dialect gets it, and the reply and stream that come back.

mod canonical;
mod decode;
mod encode;
mod facts;
mod prompt;
mod relay;
mod reply;
mod request;
mod rewrite;
mod translate;
pub mod usage;

pub use crate::canonical::Usage;
pub use decode::Decoder;
pub use encode::{Labels, ReplyEncoder, StreamEncoder};
pub use prompt::Prompt;
pub use relay::{Asked, Price, Progress, ProviderError, Relay, Verdict, error_event};
pub use reply::usage_of;
pub use request::ChatRequest;
pub use rewrite::{CapField, OutputCap, Rewrite};
pub use translate::Translator;
