//! One binary for all tests of this crate.
#![expect(clippy::unwrap_used, reason = "tests")]

mod anthropic;
mod canonical;
mod cuts;
mod decoded;
mod embed;
mod encoded;
mod errors;
mod firewall;
mod gemini;
mod governed;
mod json;
mod messages;
mod offered;
mod order;
mod peers;
mod recorded;
mod recordings;
mod relay;
mod replay;
mod request;
mod responses;
mod rewrite;
mod served;
mod sse;
mod support;
mod to_openai;
mod tools_removed;
mod translated;
mod usage;
