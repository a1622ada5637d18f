//! Errors as Gemini reports them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{ErrorFacts, ProviderError};
use crate::error::ErrorBody;
use crate::gemini::render_error;

/// `{"error": …}`, or an array of one where a stream was asked for without SSE.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

#[derive(Deserialize, Default)]
struct Wire<'a> {
    code: Option<i64>,
    message: Option<String>,
    status: Option<String>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
}

/// An entry of `details`; of which type it is shows in what it has.
#[derive(Deserialize)]
struct Detail {
    reason: Option<String>,
    #[serde(rename = "retryDelay")]
    retry_delay: Option<String>,
}

/// What the body of an error reply says; `None` where it is not Gemini's. A key that is not valid comes with status
/// 400, as if the request were at fault, and the wait after a 429 only in here.
#[must_use]
pub fn read_error(body: &[u8]) -> Option<ErrorFacts> {
    let body: Body<'_> = match body.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice::<Vec<_>>(body).ok()?.pop()?,
        _ => serde_json::from_slice(body).ok()?,
    };
    let wire = Wire::read(body.error);
    let details = wire.details();
    let context_length = wire.message.as_deref().is_some_and(is_context_length);
    Some(ErrorFacts {
        context_length,
        credential: wire.status.as_deref() == Some("UNAUTHENTICATED")
            || details.iter().any(Detail::blames_the_credential),
        retry_after: details.iter().find_map(Detail::delay),
        message: wire.message.map(|message| first(&message, 512)),
        kind: wire.status.map(|status| first(&status, 64)),
    })
}

/// What an `error` in the middle of a stream says.
pub(super) fn in_stream(error: &RawValue) -> ProviderError {
    let wire = Wire::read(error);
    let code = wire.code.map(|code| code.to_string());
    ProviderError {
        message: wire.message.map(|message| first(&message, 512)),
        code: wire.status.map(|status| first(&status, 64)).or(code),
    }
}

/// An error as the last event of a stream.
pub(super) fn event(error: &ErrorBody<'_>) -> String {
    format!("data: {}\r\n\r\n", render_error(error))
}

impl<'a> Wire<'a> {
    /// What is not an object is the message itself.
    fn read(error: &'a RawValue) -> Self {
        let text = || serde_json::from_str(error.get()).unwrap_or_else(|_| error.get().to_owned());
        serde_json::from_str(error.get()).unwrap_or_else(|_| Self {
            message: Some(text()),
            ..Self::default()
        })
    }

    fn details(&self) -> Vec<Detail> {
        let read = |details: &RawValue| serde_json::from_str(details.get()).ok();
        self.details.and_then(read).unwrap_or_default()
    }
}

impl Detail {
    fn blames_the_credential(&self) -> bool {
        let reasons = ["API_KEY_", "ACCESS_TOKEN_", "CREDENTIALS_MISSING"];
        let reason = self.reason.as_deref().unwrap_or_default();
        reasons.iter().any(|known| reason.starts_with(known))
    }

    /// Seconds, perhaps with a fraction, and an `s`.
    fn delay(&self) -> Option<Duration> {
        let seconds = self.retry_delay.as_deref()?.strip_suffix('s')?;
        Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
    }
}

/// There is no code for it: the API and Vertex word it in two ways.
fn is_context_length(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("input token count")
        && ["exceeds the maximum", "only supports up to"]
            .iter()
            .any(|limit| message.contains(limit))
}

fn first(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}
