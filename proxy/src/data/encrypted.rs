//! A client's connection without its encryption.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::{IO, Shutdown, Ssl, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::data::layer::pass_on;
use crate::tls::First;

/// How long a client may take to be told that the connection ends. One that reads
/// nothing would never be.
const FAREWELL: Duration = Duration::from_secs(5);

/// Reads and writes what is encrypted below.
#[derive(Debug)]
pub struct Encrypted {
    inner: TlsStream<Stream>,
}

impl Encrypted {
    /// After the handshake.
    pub fn new(inner: TlsStream<Stream>) -> Self {
        Self { inner }
    }
}

// For a `Stream` of every lifetime: without that the compiler cannot tell that what
// shakes hands may move between threads.
impl First for Box<dyn IO + '_> {
    async fn first(&mut self) -> io::Result<u8> {
        let mut first = [0];
        if self.try_peek(&mut first).await? {
            Ok(first[0])
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        Poll::Ready(match read {
            // Many clients leave without the farewell of TLS. The framing above tells
            // whether a request was whole, as it does where nothing is encrypted.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            read => read,
        })
    }
}

impl AsyncWrite for Encrypted {
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

#[async_trait]
impl Shutdown for Encrypted {
    async fn shutdown(&mut self) {
        // What cannot be said any more is not missed.
        drop(timeout(FAREWELL, tokio::io::AsyncWriteExt::shutdown(self)).await);
    }
}

/// What a handshake told has been taken off it; pingora asks for nothing of that.
impl Ssl for Encrypted {}

pass_on!(Encrypted, |layer| layer.inner.get_ref().0);
