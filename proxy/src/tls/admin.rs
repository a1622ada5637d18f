//! The admin listener over TLS, as axum wants it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use crate::tls::{Accepted, Acceptor, First, Shown};

/// Connections that wait for their handshake; further ones wait to be accepted.
const MOST: usize = 1024;

/// Connections whose handshakes are done, in the order in which they were.
pub struct Handshakes {
    listener: TcpListener,
    acceptor: Acceptor,
    running: JoinSet<Option<(Watched, SocketAddr)>>,
}

impl Handshakes {
    /// Those that come to this listener.
    pub fn new(listener: TcpListener, acceptor: Acceptor) -> Self {
        Self {
            listener,
            acceptor,
            running: JoinSet::new(),
        }
    }
}

impl axum::serve::Listener for Handshakes {
    type Io = Watched;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.running.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                (stream, address) = axum::serve::Listener::accept(&mut self.listener),
                    if self.running.len() < MOST =>
                {
                    let acceptor = self.acceptor.clone();
                    self.running.spawn(async move {
                        let Accepted { stream, certificate } = acceptor.accept(stream).await?;
                        Some((Watched { stream, shown: certificate }, address))
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends before its next request where its certificate would not be let
/// in any more.
pub struct Watched {
    stream: TlsStream<TcpStream>,
    shown: Option<Shown>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        // After it has come: what is read waits for a request first.
        match self.shown.as_ref().map_or(Ok(()), Shown::stands) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_) => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl First for TcpStream {
    async fn first(&mut self) -> io::Result<u8> {
        let mut first = [0];
        match self.peek(&mut first).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(first[0]),
        }
    }
}
