//! The admin listener over TLS, as axum wants it.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use crate::tls::{Accepted, Acceptor, First};

/// Connections that wait for their handshake; further ones wait to be accepted.
const MOST: usize = 1024;

/// Connections whose handshakes are done, in the order in which they were.
pub struct Handshakes {
    listener: TcpListener,
    acceptor: Acceptor,
    running: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
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
    type Io = TlsStream<TcpStream>;
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
                        let Accepted { stream, .. } = acceptor.accept(stream).await?;
                        Some((stream, address))
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
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
