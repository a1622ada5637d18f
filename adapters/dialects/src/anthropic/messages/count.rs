//! What `POST /v1/messages/count_tokens` answers.

use serde::Deserialize;

use crate::canonical::Usage;

/// The body of the answer.
#[must_use]
pub fn render_count(input_tokens: u64) -> String {
    format!(r#"{{"input_tokens":{input_tokens}}}"#)
}

/// The number in an answer; `None` where there is none that can be true.
#[must_use]
pub fn read_count(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Wire {
        input_tokens: u64,
    }
    let Wire { input_tokens } = serde_json::from_slice(body).ok()?;
    (input_tokens <= Usage::ABSURD).then_some(input_tokens)
}
