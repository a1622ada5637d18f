//! A client that speaks TLS and writes HTTP/1.1 by hand.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::Reply;
use super::wire::{read_chunk, read_head, read_reply};

/// One connection after its handshake. Reads give up after a minute, so that a hang
/// fails its test.
pub struct Secure {
    replies: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Secure {
    /// Shakes hands; an error: the client has refused the gateway, or it the client.
    pub fn open(address: &str, client: &ClientConfig) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let name = "localhost".try_into().unwrap();
        let mut session =
            ClientConnection::new(Arc::new(client.clone()), name).map_err(std::io::Error::other)?;
        session.complete_io(&mut stream)?;
        Ok(Self {
            replies: BufReader::new(StreamOwned::new(session, stream)),
        })
    }

    /// What the gateway has shown.
    pub fn certificate(&self) -> CertificateDer<'static> {
        let shown = self.replies.get_ref().conn.peer_certificates().unwrap();
        shown[0].clone().into_owned()
    }

    /// Sends; whoever refuses the beginning need not read the rest.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stream = self.replies.get_mut();
        drop(
            stream
                .write_all(bytes.as_ref())
                .and_then(|()| stream.flush()),
        );
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
        let stream = self.replies.get_mut();
        stream.conn.send_close_notify();
        drop(stream.flush());
    }

    /// The next head; the body is left to [`Self::chunk`].
    pub fn head(&mut self) -> Reply {
        read_head(&mut self.replies).expect("a reply")
    }

    /// The next chunk of a chunked body; empty: the last one.
    pub fn chunk(&mut self) -> Vec<u8> {
        read_chunk(&mut self.replies)
    }

    /// The chunks up to the last one.
    pub fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            match self.chunk() {
                chunk if chunk.is_empty() => return body,
                chunk => body.extend(chunk),
            }
        }
    }

    /// The next reply, whole.
    pub fn reply(&mut self) -> Reply {
        self.reply_or_close().expect("a reply")
    }

    /// The next reply, or `None` where the connection was ended instead.
    pub fn reply_or_close(&mut self) -> Option<Reply> {
        read_reply(&mut self.replies)
    }
}

/// A request without a body.
pub fn get(path: &str, key: Option<&str>) -> String {
    let credential = key.map(|key| format!("authorization: Bearer {key}\r\n"));
    format!(
        "GET {path} HTTP/1.1\r\nhost: gateway\r\n{}\r\n",
        credential.unwrap_or_default()
    )
}
