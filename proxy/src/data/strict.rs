//! A client's connection that yields well-framed requests only.
//!
//! It stands below pingora's parser, because that shows neither the bytes of a
//! chunked body nor, where both are sent, the Content-Length.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::data::framing::{Framing, Violation};
use crate::data::layer::pass_on;

/// Bytes that pingora reads at once to see, while a request runs, whether its
/// client is still there. Whatever else it reads, it reads more.
const LOOK: usize = 1;

/// Reads up to the first violation; from then on every read fails with
/// [`io::ErrorKind::InvalidData`] and says what was wrong. Only a look whether the
/// client is still there goes on to tell that: the request before is served.
#[derive(Debug)]
pub struct Strict {
    inner: Stream,
    framing: Framing,
    broken: Option<&'static str>,
}

impl Strict {
    /// Over a new connection.
    pub fn new(inner: Stream) -> Self {
        Self {
            inner,
            framing: Framing::default(),
            broken: None,
        }
    }
}

impl AsyncRead for Strict {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.broken.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
            let Err(Violation { at, why }) = self.framing.advance(&buffer.filled()[before..])
            else {
                return Poll::Ready(Ok(()));
            };
            self.broken = Some(why);
            buffer.set_filled(before + at);
            // Nothing read would mean that the client has ended.
            if at > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        match self.broken {
            Some(why) if buffer.remaining() > LOOK => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)))
            }
            _ => self.poll_end(context),
        }
    }
}

impl Strict {
    /// Drops what comes until the client ends.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut dropped = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut dropped);
            ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Strict {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

pass_on!(Strict);
