//! How many tokens a request would cost, as each API tells it.

use serde::Deserialize;

use crate::Api;
use crate::canonical::Usage;

/// The count in a reply of the API that counts for `api`; `None` where there is
/// none, or none that makes sense.
#[must_use]
pub fn read(api: Api, body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Wire {
        input_tokens: Option<u64>,
        #[serde(rename = "totalTokens")]
        total_tokens: Option<u64>,
    }
    let wire: Wire = serde_json::from_slice(body).ok()?;
    let count = match api {
        Api::Chat | Api::Responses | Api::Messages => wire.input_tokens,
        Api::Generate => wire.total_tokens,
    };
    count.filter(|count| *count <= Usage::ABSURD)
}

/// The reply that [`read`] reads back.
#[must_use]
pub fn write(api: Api, tokens: u64) -> String {
    match api {
        // Chat has none of its own.
        Api::Chat | Api::Responses => {
            format!(r#"{{"object":"response.input_tokens","input_tokens":{tokens}}}"#)
        }
        Api::Messages => format!(r#"{{"input_tokens":{tokens}}}"#),
        Api::Generate => format!(r#"{{"totalTokens":{tokens}}}"#),
    }
}
