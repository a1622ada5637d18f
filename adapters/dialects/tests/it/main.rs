//! One binary for all tests of this crate.
#![expect(clippy::unwrap_used, reason = "tests")]

mod errors;
mod json;
mod recordings;
mod relay;
mod request;
mod rewrite;
mod sse;
mod support;
