//! OpenAI's Responses: requests for it, and replies to them.

mod canonical;
mod order;
mod recordings;
mod request;
mod rewrite;
mod watch;
mod write;
