//! What a caller is told of a failure, before its dialect gives it a shape: the
//! gateway's own refusals, and what providers say.

use std::time::Duration;

use bytes::Bytes;

use crate::Api;
use crate::canonical::ErrorFacts;
use crate::json::{self, quote};
use crate::splice::Edits;

/// Who refused and how to find the record of it: the `lattice` object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark<'a> {
    /// intake, identity, authorization, constraints, execution or audit.
    pub gate: &'a str,
    /// One of the closed list of codes.
    pub code: &'a str,
    /// The same as in `x-request-id`.
    pub request_id: &'a str,
}

/// An error of the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    /// The HTTP status that it goes with, or would.
    pub status: u16,
    /// A public sentence that names what to do next.
    pub message: &'a str,
    /// The field of the request to mend.
    pub param: Option<&'a str>,
    /// OpenAI's own word for it, where its clients look for one; `None`: the gateway's.
    pub code: Option<&'a str>,
    /// How long to wait before the next try, where the dialect tells it in the body
    /// too.
    pub retry_after: Option<Duration>,
    /// Who refused.
    pub mark: Mark<'a>,
}

impl Mark<'_> {
    /// The object itself.
    pub(crate) fn render(&self) -> String {
        format!(
            r#"{{"gate":{},"code":{},"request_id":{}}}"#,
            quote(self.gate),
            quote(self.code),
            quote(self.request_id)
        )
    }
}

/// The error of a provider of another dialect: its status goes with it, and its
/// words are the message.
#[must_use]
pub fn translate(api: Api, facts: &ErrorFacts, status: u16, mark: Mark<'_>) -> Bytes {
    let silent = format!("The provider answered with status {status} and no text.");
    let error = ErrorBody {
        status,
        message: facts.message.as_deref().unwrap_or(&silent),
        param: facts.context_length.then_some(api.conversation()),
        code: facts.context_length.then_some("context_length_exceeded"),
        retry_after: facts.retry_after,
        mark,
    };
    api.render_error(&error).into()
}

/// How much of a provider's text an error quotes, in bytes: pages of HTML come.
const QUOTED: usize = 8 * 1024;

/// A provider's own error with our mark. A JSON object keeps every byte and gets
/// a last member `lattice` (another gateway's there is replaced); any other text
/// becomes the message of an error of the caller's dialect.
#[must_use]
pub fn annotate(api: Api, body: &Bytes, status: u16, mark: &Mark<'_>) -> Bytes {
    let members = std::str::from_utf8(body).ok().and_then(json::members);
    let Some(members) = members else {
        return wrap(api, body, status, mark);
    };
    let mut edits = Edits::default();
    if let Some(theirs) = members.get("lattice") {
        let start = theirs.as_ptr().addr() - body.as_ptr().addr();
        edits.replace(start..start + theirs.len(), mark.render());
    } else {
        let comma = if members.is_empty() { "" } else { "," };
        let closing_brace = body.trim_ascii_end().len() - 1;
        edits.insert(
            closing_brace,
            format!(r#"{comma}"lattice":{}"#, mark.render()),
        );
    }
    edits.apply(body)
}

fn wrap(api: Api, body: &[u8], status: u16, mark: &Mark<'_>) -> Bytes {
    let text = String::from_utf8_lossy(&body[..body.len().min(QUOTED)]);
    let message = match text.trim() {
        "" => format!("The provider answered with status {status} and no text."),
        text => text.to_owned(),
    };
    let error = ErrorBody {
        status,
        message: &message,
        param: None,
        code: None,
        retry_after: None,
        mark: *mark,
    };
    api.render_error(&error).into()
}
