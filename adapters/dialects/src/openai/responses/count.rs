//! `POST /responses/input_tokens`: how many tokens a request would be.

use serde::Deserialize;

use super::encode::prompt;
use crate::canonical::{Encoded, Request, Target, Unsupported, Usage};

/// Writes the body of the question: what the model would read, and nothing else.
///
/// # Errors
/// As [`encode`](super::encode()).
pub fn encode(request: &Request<'_>, to: &Target<'_>) -> Result<Encoded, Unsupported> {
    prompt(request, to)
}

/// The count that the answer tells; `None` where it tells none.
#[must_use]
pub fn read(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Reply {
        input_tokens: u64,
    }
    let reply: Reply = serde_json::from_slice(body).ok()?;
    (reply.input_tokens <= Usage::ABSURD).then_some(reply.input_tokens)
}
