//! Replies that are not streamed, and the one body type of all replies.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;

use super::chat::error_object;
use super::ledger::{Ending, Ticket};
use super::stream::ChatStream;
use super::wire::Breaker;

pub(super) enum ReplyBody {
    Whole {
        bytes: Bytes,
        ticket: Option<Ticket>,
    },
    Torn(Torn),
    Stream(ChatStream),
}

/// The first half of a body, after which the connection breaks.
pub(super) struct Torn {
    half: Option<Bytes>,
    flushed: bool,
    reset: Option<Breaker>,
    ticket: Ticket,
}

/// Any value as JSON with this status.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<ReplyBody> {
    // These are our own plain structs: writing them as JSON does not fail.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    whole(status, Bytes::from(bytes), None)
}

/// An error in OpenAI's shape.
pub(super) fn error(status: StatusCode, message: &str) -> Response<ReplyBody> {
    let mut response = json(status, &error_object(status.as_u16(), message));
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        let second = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, second);
    }
    response
}

/// A completion; its ticket ends when the body was taken.
pub(super) fn completion(bytes: Bytes, ticket: Ticket) -> Response<ReplyBody> {
    whole(StatusCode::OK, bytes, Some(ticket))
}

/// A completion that breaks in the middle, by a reset where a breaker is given.
pub(super) fn torn(bytes: &Bytes, reset: Option<Breaker>, ticket: Ticket) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Torn(Torn {
        half: Some(bytes.slice(..bytes.len() / 2)),
        flushed: false,
        reset,
        ticket,
    }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    response
}

/// A stream of server-sent events.
pub(super) fn stream(body: ChatStream) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Stream(body));
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn whole(status: StatusCode, bytes: Bytes, ticket: Option<Ticket>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole { bytes, ticket });
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

impl Torn {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Ok(half));
        }
        if !std::mem::replace(&mut self.flushed, true) {
            // As in a stream: hyper flushes when a body has nothing to say.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(breaker) = &self.reset {
            breaker.trip();
        }
        self.ticket.end(Ending::Faulted);
        Poll::Ready(Err(io::Error::other("ordered fault")))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole { bytes, ticket } => {
                if let Some(ticket) = ticket {
                    ticket.end(Ending::Finished);
                }
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Torn(torn) => torn.poll_part(cx).map(|part| Some(part.map(Frame::data))),
            Self::Stream(stream) => Pin::new(stream).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole { bytes, .. } if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Self::Torn(_) | Self::Stream(_) => SizeHint::default(),
        }
    }
}
