//! One packet for a request's head and its body.
//!
//! pingora flushes the head of a request before it writes the body: two packets,
//! two system calls and two wake-ups of the provider where one would do. This
//! stream leaves the first flush after a reply out, so that the head waits in
//! the buffer below for the body, whose own flush sends both.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::data::layer::pass_on;

/// A connection to a provider. For requests that have a body, and whose body
/// follows their head at once; others would wait for ever.
#[derive(Debug)]
pub struct Coalesce {
    inner: Stream,
    /// The next flush is that of a head.
    head: bool,
}

impl Coalesce {
    /// Over a new connection.
    pub fn new(inner: Stream) -> Self {
        Self { inner, head: true }
    }
}

impl AsyncRead for Coalesce {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.head = true;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Coalesce {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.head) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

pass_on!(Coalesce);
