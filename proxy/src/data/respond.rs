//! What the gateway itself says to a client: refusals, errors and short bodies.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue};
use lattice_dialects::Api;
use lattice_dialects::error::{ErrorBody, Mark};
use lattice_kernel::{Code, Dialect, Draft, Gate, Refusal};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use uuid::Uuid;

use crate::data::ratelimits;

/// `x-request-id`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A head with the request's name on it.
pub fn head(status: u16, request_id: Uuid) -> pingora::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(12))?;
    let mut id = Uuid::encode_buffer();
    head.insert_header(
        REQUEST_ID,
        &*request_id.as_hyphenated().encode_lower(&mut id),
    )?;
    Ok(head)
}

/// Writes a whole JSON reply.
pub async fn json(
    session: &mut ServerSession,
    mut head: ResponseHeader,
    body: Bytes,
) -> pingora::Result<()> {
    head.insert_header(CONTENT_TYPE, "application/json")?;
    head.insert_header(CONTENT_LENGTH, body.len())?;
    session.write_response_header(Box::new(head)).await?;
    session.write_response_body(body, true).await
}

/// Writes a refusal in the caller's dialect.
pub async fn refusal(
    session: &mut ServerSession,
    draft: &Draft,
    refusal: &Refusal,
) -> pingora::Result<()> {
    let status = refusal.code.status();
    let mut head = head(status, draft.request_id)?;
    if let Some(after) = refusal.retry_after {
        // Rounded up: coming back a little late beats coming back too early.
        head.insert_header(
            RETRY_AFTER,
            after.as_secs() + u64::from(after.subsec_nanos() > 0),
        )?;
    }
    for (name, value) in ratelimits::own(&refusal.told_allowances(), draft.dialect, draft.at) {
        head.insert_header(name, value)?;
    }
    if status == 401 {
        head.insert_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))?;
    }
    let id = draft.request_id.to_string();
    let body = api_of(draft.dialect).render_error(&error_body(refusal, status, &id));
    json(session, head, body.into()).await
}

/// An API with the errors of this dialect.
pub fn api_of(dialect: Dialect) -> Api {
    match dialect {
        Dialect::OpenAi => Api::Chat,
        Dialect::Anthropic => Api::Messages,
        Dialect::Gemini => Api::Generate,
    }
}

/// What a client is told whose reply outlives the gateway.
pub fn stopping() -> Refusal {
    Refusal::new(
        Gate::Execution,
        Code::LatticeStopping,
        "The gateway is stopping and could not wait for the end of this reply; send the request again.",
    )
    .retry_after(Duration::from_secs(1))
}

/// What a refusal says, for the dialect to write.
pub fn error_body<'a>(refusal: &'a Refusal, status: u16, request_id: &'a str) -> ErrorBody<'a> {
    ErrorBody {
        status,
        message: &refusal.message,
        param: refusal.param.as_deref(),
        code: None,
        retry_after: refusal.retry_after,
        mark: Mark {
            gate: refusal.gate.as_str(),
            code: refusal.code.as_str(),
            request_id,
        },
    }
}
