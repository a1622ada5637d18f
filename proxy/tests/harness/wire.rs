//! A client that writes HTTP/1.1 by hand: it can be slow, leave in the middle and
//! send what no library would.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::Reply;

/// One connection. Reads give up after a minute, so that a hang fails its test.
pub struct Connection {
    replies: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            replies: BufReader::new(stream),
        }
    }

    pub fn socket(&self) -> &TcpStream {
        self.replies.get_ref()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.replies.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Reads the next head; the body is left to [`Self::chunk`].
    pub fn head(&mut self) -> Reply {
        read_head(&mut self.replies).expect("a reply")
    }

    /// The next chunk of a chunked body; empty: the last one.
    pub fn chunk(&mut self) -> Vec<u8> {
        read_chunk(&mut self.replies)
    }

    /// The next reply, whole.
    pub fn reply(&mut self) -> Reply {
        read_reply(&mut self.replies).expect("a reply")
    }

    /// The next reply; what its upstream broke may be no text.
    pub fn broken_reply(&mut self) -> Reply {
        let (mut reply, body) = read_raw(&mut self.replies).expect("a reply");
        reply.body = String::from_utf8_lossy(&body).into_owned();
        reply
    }

    /// The next reply, or `None` where the connection was closed instead.
    pub fn reply_or_close(&mut self) -> Option<Reply> {
        read_reply(&mut self.replies)
    }

    /// All that still comes until the other side ends the connection.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end too.
        drop(self.replies.read_to_end(&mut rest));
        String::from_utf8(rest).unwrap()
    }

    /// Whether the other side ends the connection, with nothing before the end.
    pub fn is_ended(&mut self) -> bool {
        self.rest().is_empty()
    }
}

/// A chat request as it stands on the wire.
pub fn chat_request(key: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A head with no body yet; `None` where there is nothing to read.
pub fn read_head(from: &mut impl BufRead) -> Option<Reply> {
    let mut line = String::new();
    // A connection that is reset has no head either.
    if !matches!(from.read_line(&mut line), Ok(read) if read > 0) {
        return None;
    }
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("not a status line: {line:?}"));
    let mut headers = Vec::new();
    loop {
        line.clear();
        from.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => {
                return Some(Reply {
                    status,
                    headers,
                    body: String::new(),
                });
            }
        }
    }
}

/// The next chunk; empty: the last one.
pub fn read_chunk(from: &mut impl BufRead) -> Vec<u8> {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    let size = usize::from_str_radix(line.trim_end(), 16)
        .unwrap_or_else(|_| panic!("not a chunk: {line:?}"));
    let mut chunk = vec![0; size + 2];
    from.read_exact(&mut chunk).unwrap();
    assert!(
        chunk.ends_with(b"\r\n"),
        "a chunk of {size} bytes has no end"
    );
    chunk.truncate(size);
    chunk
}

/// A reply with its body, however its length is told.
pub fn read_reply(from: &mut impl BufRead) -> Option<Reply> {
    let (mut reply, body) = read_raw(from)?;
    reply.body = String::from_utf8(body).unwrap();
    Some(reply)
}

/// A reply and the bytes of its body.
fn read_raw(from: &mut impl BufRead) -> Option<(Reply, Vec<u8>)> {
    let reply = read_head(from)?;
    if (100..200).contains(&reply.status) {
        return Some((reply, Vec::new()));
    }
    let mut body = Vec::new();
    if let Some(length) = reply.header("content-length") {
        body.resize(length.parse().unwrap(), 0);
        from.read_exact(&mut body).unwrap();
    } else if reply.header("transfer-encoding") == Some("chunked") {
        loop {
            match read_chunk(from) {
                chunk if chunk.is_empty() => break,
                chunk => body.extend(chunk),
            }
        }
    } else {
        from.read_to_end(&mut body).unwrap();
    }
    Some((reply, body))
}

/// What the events of a stream hold, in order.
pub fn events(stream: &str) -> Vec<&str> {
    let blocks = stream.split_terminator("\n\n");
    blocks
        .map(|block| {
            block
                .strip_prefix("data: ")
                .unwrap_or_else(|| panic!("not an event: {block:?}"))
        })
        .collect()
}

/// The text of the first choice of a stream, which must end with `[DONE]`.
pub fn text_of(stream: &str) -> String {
    let events = events(stream);
    let (done, chunks) = events.split_last().expect("events");
    assert_eq!(*done, "[DONE]");
    let text = chunks.iter().map(|chunk| {
        let chunk: Value = serde_json::from_str(chunk).unwrap();
        chunk["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    text.collect()
}
