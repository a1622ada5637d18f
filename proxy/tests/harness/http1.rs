//! Requests in HTTP/1.1, read by the letter of RFC 9112 and with none of the
//! gateway's code; and an upstream that keeps all that it is sent.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

/// A request, its body decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Bytes that are no request, and can become none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// What stands behind the whole requests of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    Nothing,
    Incomplete,
    Malformed,
}

/// All requests in `bytes`, up to one that is not whole.
pub fn requests(mut bytes: &[u8]) -> (Vec<Request>, Rest) {
    let mut whole = Vec::new();
    loop {
        match request(bytes) {
            Ok(Some((request, length))) => {
                whole.push(request);
                bytes = &bytes[length..];
            }
            Ok(None) if bytes.is_empty() => return (whole, Rest::Nothing),
            Ok(None) => return (whole, Rest::Incomplete),
            Err(Malformed) => return (whole, Rest::Malformed),
        }
    }
}

/// The first request in `bytes` and its length; `None` where more must come.
pub fn request(bytes: &[u8]) -> Result<Option<(Request, usize)>, Malformed> {
    // A server should overlook an empty line before the request line.
    let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let Some(end) = find(&bytes[skipped..], b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = latin(&bytes[skipped..skipped + end]);
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let old = request_line(line)?;
    let headers = lines.map(field).collect::<Result<Vec<_>, _>>()?;
    let of = |wanted: &str| -> Vec<&str> {
        let named = headers.iter().filter(|(name, _)| name == wanted);
        named.map(|(_, value)| value.as_str()).collect()
    };
    match of("host")[..] {
        [host] if host.chars().all(|char| !"/?#@\\ ".contains(char)) && !host.is_empty() => {}
        [] if old => {}
        _ => return Err(Malformed),
    }
    let start = skipped + end + 4;
    let body = match (&of("content-length")[..], &of("transfer-encoding")[..]) {
        ([], []) => Some((Vec::new(), start)),
        ([length], []) => {
            let digits = !length.is_empty() && length.chars().all(|char| char.is_ascii_digit());
            let length: usize = digits
                .then(|| length.parse().ok())
                .flatten()
                .ok_or(Malformed)?;
            let body = bytes[start..].get(..length);
            body.map(|body| (body.to_vec(), start + length))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && !old => chunks(bytes, start)?,
        _ => return Err(Malformed),
    };
    let whole = |(body, length)| {
        let line = line.to_owned();
        let request = Request {
            line,
            headers,
            body,
        };
        (request, length)
    };
    Ok(body.map(whole))
}

/// Whether it is of HTTP/1.0.
fn request_line(line: &str) -> Result<bool, Malformed> {
    let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(Malformed);
    };
    let visible = |char: char| ('\x21'..='\x7e').contains(&char) && char != '#';
    if !is_token(method) || target.is_empty() || !target.chars().all(visible) {
        return Err(Malformed);
    }
    match version {
        "HTTP/1.1" => Ok(false),
        "HTTP/1.0" => Ok(true),
        _ => Err(Malformed),
    }
}

fn field(line: &str) -> Result<(String, String), Malformed> {
    let (name, value) = line.split_once(':').ok_or(Malformed)?;
    let printed = |char: char| char == '\t' || (char >= ' ' && char != '\x7f');
    if !is_token(name) || !value.chars().all(printed) {
        return Err(Malformed);
    }
    let value = value.trim_matches([' ', '\t']);
    Ok((name.to_ascii_lowercase(), value.to_owned()))
}

/// The body and where it ends.
fn chunks(bytes: &[u8], mut at: usize) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let mut body = Vec::new();
    let line = |at: usize| find(&bytes[at..], b"\r\n").map(|end| latin(&bytes[at..at + end]));
    loop {
        let Some(first) = line(at) else {
            return Ok(None);
        };
        let (size, extension) = first.split_once(';').unwrap_or((&first, ""));
        let hex = !size.is_empty() && size.chars().all(|char| char.is_ascii_hexdigit());
        if !hex || extension.contains(['\r', '\n', '\0']) {
            return Err(Malformed);
        }
        let size = u32::from_str_radix(size, 16).map_err(|_| Malformed)? as usize;
        at += first.chars().count() + 2;
        if size == 0 {
            break;
        }
        if size + 2 > bytes.len() - at {
            return Ok(None);
        }
        let end = at + size;
        body.extend_from_slice(&bytes[at..end]);
        if &bytes[end..end + 2] != b"\r\n" {
            return Err(Malformed);
        }
        at = end + 2;
    }
    loop {
        let Some(trailer) = line(at) else {
            return Ok(None);
        };
        at += trailer.chars().count() + 2;
        if trailer.is_empty() {
            return Ok(Some((body, at)));
        }
        field(&trailer)?;
    }
}

fn is_token(text: &str) -> bool {
    let delimiter = |char: char| "\"(),/:;<=>?@[\\]{}".contains(char);
    !text.is_empty()
        && text
            .chars()
            .all(|char| char.is_ascii_graphic() && !delimiter(char))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// Each byte is one character.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// An upstream that answers every request alike.
pub struct Recorder {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    /// What was no request, or the beginning of one that never ended.
    scraps: Vec<Vec<u8>>,
}

impl Recorder {
    /// Answers 200 with this JSON.
    pub fn start(json: &'static str) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            json.len()
        );
        Self::answering([127, 0, 0, 1].into(), head + json)
    }

    /// Answers with these bytes, at this address.
    pub fn answering(address: IpAddr, answer: String) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let recorder = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let seen = recorder.seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.unwrap(), seen.clone());
                let answer = answer.clone();
                std::thread::spawn(move || record(stream, &seen, &answer));
            }
        });
        recorder
    }

    /// The requests until now; anything else that came fails the test.
    pub fn requests(&self) -> Vec<Request> {
        let seen = self.seen.lock();
        let scraps: Vec<_> = seen.scraps.iter().map(|scrap| latin(scrap)).collect();
        assert!(scraps.is_empty(), "sent upstream: {scraps:?}");
        seen.requests.clone()
    }
}

fn record(mut stream: TcpStream, seen: &Mutex<Seen>, answer: &str) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 64 * 1024]);
    while let Ok(read) = stream.read(&mut buffer)
        && read > 0
    {
        bytes.extend_from_slice(&buffer[..read]);
        loop {
            match request(&bytes) {
                Ok(Some((request, length))) => {
                    bytes.drain(..length);
                    seen.lock().requests.push(request);
                    drop(stream.write_all(answer.as_bytes()));
                }
                Ok(None) => break,
                Err(Malformed) => {
                    seen.lock().scraps.push(bytes);
                    return;
                }
            }
        }
    }
    if !bytes.is_empty() {
        seen.lock().scraps.push(bytes);
    }
}
