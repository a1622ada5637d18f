//! Errors in Google's shape.

use crate::error::ErrorBody;
use crate::json::Writer;

/// The body of an error reply. Google's own client looks in a stream for events that
/// begin with the member `error`, so it is the first.
#[must_use]
pub fn render_error(error: &ErrorBody<'_>) -> String {
    let ErrorBody {
        status,
        message,
        param,
        code: _,
        retry_after,
        mark,
    } = error;
    let mut out = Writer::default();
    out.open(b'{');
    out.key("error");
    out.open(b'{');
    out.key("code");
    out.scalar(status);
    out.member("message", message);
    out.member("status", word(*status));
    if param.is_some() || retry_after.is_some() {
        out.key("details");
        out.open(b'[');
        if let Some(field) = param {
            out.open(b'{');
            out.member("@type", "type.googleapis.com/google.rpc.BadRequest");
            out.key("fieldViolations");
            out.open(b'[');
            out.open(b'{');
            out.member("field", field);
            out.member("description", message);
            out.close(b'}');
            out.close(b']');
            out.close(b'}');
        }
        if let Some(wait) = retry_after {
            out.open(b'{');
            out.member("@type", "type.googleapis.com/google.rpc.RetryInfo");
            out.member("retryDelay", &format!("{}s", wait.as_secs_f64()));
            out.close(b'}');
        }
        out.close(b']');
    }
    out.close(b'}');
    out.key("lattice");
    out.raw(&mark.render());
    out.close(b'}');
    String::from_utf8(out.into_bytes()).unwrap_or_default()
}

/// Google's word for a status: that of its remote procedure calls.
fn word(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        // What one may spend is a matter of permission there.
        402 | 403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        400..=499 => "INVALID_ARGUMENT",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}
