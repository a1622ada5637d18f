//! generateContent as clients send it, and what they get for it.

mod array;
mod canonical;
mod count;
mod facts;
mod listing;
mod peers;
mod properties;
mod recordings;
mod relay;
mod rewrite;
mod write;

use bytes::Bytes;
use lattice_dialects::gemini::generate::GenerateRequest;

/// A request to `gemini-x`.
#[track_caller]
pub fn parse(body: &str) -> GenerateRequest {
    let body = Bytes::copy_from_slice(body.as_bytes());
    GenerateRequest::parse(body, "models/gemini-x", false).unwrap()
}

/// A body of this one content of the model's and a question before it.
pub fn with_model(parts: &str) -> String {
    format!(
        r#"{{"contents":[{{"role":"user","parts":[{{"text":"q"}}]}},{{"role":"model","parts":[{parts}]}}]}}"#
    )
}

/// A body of one question and more members.
pub fn with(members: &str) -> String {
    format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"q"}}]}}],{members}}}"#)
}
