//! Chat completions: the request that a client sends, the same request as an
//! upstream of the same dialect gets it, and the reply and stream that come back.

mod facts;
mod prompt;
mod relay;
mod reply;
mod request;
mod rewrite;
mod usage;

pub use prompt::Prompt;
pub use relay::{Asked, Price, Progress, ProviderError, Relay, Verdict, error_event};
pub use reply::usage_of;
pub use request::ChatRequest;
pub use rewrite::{CapField, OutputCap, Rewrite};
pub use usage::Usage;
