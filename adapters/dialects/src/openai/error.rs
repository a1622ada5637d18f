//! Errors in OpenAI's shape.

use crate::error::ErrorBody;
use crate::json::quote;

/// The body of an error reply.
#[must_use]
pub fn render_error(error: &ErrorBody<'_>) -> String {
    let ErrorBody {
        status,
        message,
        param,
        code,
        retry_after: _,
        mark,
    } = error;
    format!(
        r#"{{"error":{{"message":{},"type":"{}","param":{},"code":{}}},"lattice":{}}}"#,
        quote(message),
        kind(*status),
        param.map_or_else(|| "null".to_owned(), quote),
        quote(code.unwrap_or(mark.code)),
        mark.render()
    )
}

/// OpenAI's `type` for a status. A bad key is an `invalid_request_error` there;
/// clients tell it by the status.
fn kind(status: u16) -> &'static str {
    match status {
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}
