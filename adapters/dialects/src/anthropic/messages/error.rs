//! Errors as Anthropic words them, read and written.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{ErrorFacts, ProviderError};
use crate::error::ErrorBody;
use crate::json::quote;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

/// What the body of an error reply says; `None` where it is not Anthropic's.
#[must_use]
pub fn read_error(body: &[u8]) -> Option<ErrorFacts> {
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    let error = provider_error(body.error)?;
    let kind = error.code.as_deref().unwrap_or_default();
    let message = error.message.as_deref().unwrap_or_default();
    Some(ErrorFacts {
        context_length: kind == "invalid_request_error" && is_too_long(message),
        credential: kind == "authentication_error",
        message: error.message,
        kind: error.code,
        ..ErrorFacts::default()
    })
}

/// The `error` object of a body or of an event.
pub(super) fn provider_error(error: &RawValue) -> Option<ProviderError> {
    let wire: Wire<'_> = serde_json::from_str(error.get()).ok()?;
    Some(ProviderError {
        message: wire.message.and_then(|message| text(message, 512)),
        code: wire.kind.and_then(|kind| text(kind, 64)),
    })
}

fn text(json: &RawValue, longest: usize) -> Option<String> {
    let text: String = serde_json::from_str(json.get()).ok()?;
    Some(text.chars().take(longest).collect())
}

/// Nothing but the words tells it from other bad requests. The prompt alone is
/// too long, or it is together with `max_tokens`.
fn is_too_long(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "prompt is too long",
        "exceed context limit",
        "exceeds the context",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// The body of an error reply.
#[must_use]
pub fn render_error(error: &ErrorBody<'_>) -> String {
    format!(
        r#"{{"type":"error","error":{{"type":"{}","message":{}}},"request_id":{},"lattice":{}}}"#,
        kind(error.status),
        quote(error.message),
        quote(error.mark.request_id),
        error.mark.render()
    )
}

/// An error as the last event of a stream.
pub(super) fn error_event(error: &ErrorBody<'_>) -> String {
    event(&render_error(error))
}

/// A failure of the model's own as the last event of a stream.
pub(super) fn failed_event(message: &str) -> String {
    let message = quote(message);
    event(&format!(
        r#"{{"type":"error","error":{{"type":"api_error","message":{message}}}}}"#
    ))
}

fn event(body: &str) -> String {
    format!("event: error\ndata: {body}\n\n")
}

/// Anthropic's `type` for a status. It has 529 for what others call 503.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    }
}
