//! Where one request ends and the next begins, told from the bytes alone.
//!
//! pingora's parser forgives: a lone LF ends a line, Content-Length gives way to
//! Transfer-Encoding, a chunk without a size is the last one. Whatever stands
//! before this gateway may forgive otherwise, and a request that two parsers cut
//! differently is how one client's bytes become another's request. So every byte
//! passes here first, and what has more than one reading is not read at all.

/// Bytes of a head: request line and fields.
const HEAD: usize = 64 * 1024;
/// Bytes of a chunk's first line, or of all trailers.
const CHUNK_LINE: usize = 8 * 1024;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    part: Part,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Bytes of whole lines since the head, the chunk's line or the trailers began.
    lines: usize,
    head: Head,
}

/// What the next bytes belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    /// One empty line may come before the request line.
    #[default]
    Between,
    RequestLine,
    Fields,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
}

/// What a head says about its body.
#[derive(Debug, Default)]
struct Head {
    old: bool,
    host: bool,
    chunked: bool,
    length: Option<u64>,
}

/// A request with no reading, or more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// How many of the bytes may be passed on: none of the line that is wrong is
    /// complete without the next one.
    pub at: usize,
    /// What is wrong.
    pub why: &'static str,
}

impl Framing {
    /// Reads on. After a violation nothing more may be read.
    ///
    /// # Errors
    /// The first violation in `bytes`.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += match self.part {
                Part::Body(left) => self.skip(left, rest.len(), Part::Body, Part::Between),
                Part::Chunk(left) => self.skip(left, rest.len(), Part::Chunk, Part::ChunkEnd),
                _ => self
                    .lines(rest)
                    .map_err(|Violation { at: here, why }| Violation { at: at + here, why })?,
            };
        }
        Ok(())
    }

    fn skip(&mut self, left: u64, here: usize, part: fn(u64) -> Part, then: Part) -> usize {
        let taken = left.min(here as u64);
        self.part = if taken < left {
            part(left - taken)
        } else {
            then
        };
        taken as usize
    }

    /// Takes the next line, or what there is of it.
    fn lines(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(bytes.len(), |end| end + 1);
        let most = match self.part {
            Part::Between | Part::RequestLine | Part::Fields => HEAD,
            _ => CHUNK_LINE,
        };
        if self.lines + self.line.len() + taken > most {
            let why = "its head, or a line between chunks, is too long";
            return Err(Violation { at: 0, why });
        }
        if end.is_none() {
            self.line.extend_from_slice(bytes);
            return Ok(taken);
        }
        let violation = |why| Violation { at: taken - 1, why };
        if self.line.is_empty() {
            self.line(&bytes[..taken]).map_err(violation)?;
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(&bytes[..taken]);
            self.line(&line).map_err(violation)?;
        }
        Ok(taken)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.lines += line.len();
        let line = line
            .strip_suffix(b"\r\n")
            .ok_or("a line ends in LF alone")?;
        let next = match (self.part, line) {
            (Part::Between, []) => Part::RequestLine,
            (Part::Between | Part::RequestLine, line) => {
                self.head = Head {
                    old: request_line(line)?,
                    ..Head::default()
                };
                Part::Fields
            }
            (Part::Fields, []) => self.head.body()?,
            (Part::Fields, line) => return self.head.field(line),
            (Part::ChunkSize, line) => match chunk_size(line)? {
                0 => Part::Trailers,
                size => Part::Chunk(size),
            },
            (Part::ChunkEnd, []) => Part::ChunkSize,
            (Part::ChunkEnd, _) => return Err("a chunk is longer than its size"),
            (Part::Trailers, []) => Part::Between,
            // Nobody reads them; they must only be what they seem.
            (Part::Trailers, line) => return field(line).map(drop),
            (Part::Body(_) | Part::Chunk(_), _) => return Err("a body is no line"),
        };
        if !matches!(next, Part::RequestLine | Part::Fields) {
            self.lines = 0;
        }
        self.part = next;
        Ok(())
    }
}

impl Head {
    fn field(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            if std::mem::replace(&mut self.host, true) {
                return Err("Host is there twice");
            }
            if value.is_empty() || !value.iter().all(is_host) {
                return Err("Host is no host");
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.replace(length(value)?).is_some() {
                return Err("Content-Length is there twice");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err("the Transfer-Encoding is not just `chunked`");
            }
            if std::mem::replace(&mut self.chunked, true) {
                return Err("Transfer-Encoding is there twice");
            }
        }
        Ok(())
    }

    /// What follows the head.
    fn body(&self) -> Result<Part, &'static str> {
        match (self.chunked, self.length) {
            _ if !self.host && !self.old => Err("Host is missing"),
            (true, _) if self.old => Err("HTTP/1.0 knows no Transfer-Encoding"),
            (true, Some(_)) => Err("there are both Content-Length and Transfer-Encoding"),
            (true, None) => Ok(Part::ChunkSize),
            (false, None | Some(0)) => Ok(Part::Between),
            (false, Some(length)) => Ok(Part::Body(length)),
        }
    }
}

/// Whether it is of HTTP/1.0.
fn request_line(line: &[u8]) -> Result<bool, &'static str> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("the request line is not METHOD, target and version");
    };
    if !is_token(method) {
        return Err("the method has characters that none may have");
    }
    if method == b"CONNECT" {
        return Err("this gateway is no tunnel");
    }
    let begins = |scheme: &[u8]| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if !begins(b"/") && !begins(b"http://") && !begins(b"https://") {
        return Err("the target is neither a path nor an http URL");
    }
    if target
        .iter()
        .any(|byte| !byte.is_ascii_graphic() || b"#\\\"<>".contains(byte))
    {
        return Err("the target has characters that must be percent-encoded");
    }
    match version {
        b"HTTP/1.1" => Ok(false),
        b"HTTP/1.0" => Ok(true),
        _ => Err("the version is neither HTTP/1.1 nor HTTP/1.0"),
    }
}

/// Name and value, without the white space around it.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err("a header is folded over several lines");
    }
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or("a header has no colon")?);
    let value = &value[1..];
    if !is_token(name) {
        return Err("a header's name has characters that none may have");
    }
    if value
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return Err("a header's value has control characters");
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte));
    let end = value.iter().rposition(|byte| !is_space(byte));
    match (start, end) {
        (Some(start), Some(end)) => Ok((name, &value[start..=end])),
        _ => Ok((name, &[])),
    }
}

/// 18 digits are more than any body has, and cannot overflow.
fn length(value: &[u8]) -> Result<u64, &'static str> {
    let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok())
        .ok_or("Content-Length is no number")
}

fn chunk_size(line: &[u8]) -> Result<u64, &'static str> {
    let (size, extension) = match line.iter().position(|byte| *byte == b';') {
        Some(at) => line.split_at(at),
        None => (line, &[][..]),
    };
    if extension
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return Err("a chunk's extension has control characters");
    }
    let digits = (1..=15).contains(&size.len()) && size.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(size).ok().filter(|_| digits);
    text.and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or("a chunk's size is no hexadecimal number")
}

fn is_token(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_plain)
}

fn is_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with these bytes, read in pieces of this size; whether they end
    /// between two requests.
    fn read(bytes: &[u8], size: usize) -> Result<bool, (usize, &'static str)> {
        let mut framing = Framing::default();
        for (nth, piece) in bytes.chunks(size).enumerate() {
            framing
                .advance(piece)
                .map_err(|Violation { at, why }| (nth * size + at, why))?;
        }
        Ok(framing.part == Part::Between && framing.line.is_empty())
    }

    const WELL: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nGET /v1/models?x=%0d%0a HTTP/1.1\r\nhost:\t[::1]:80 \r\nX-Empty:\r\nx: \u{e4}\r\n\r\n",
        "GET http://a/v1/models HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA;x=\"y\"\r\n0\r\n\r\nGET /\r\n0\r\nx: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ];

    /// Each is refused at the last byte.
    const ILL: &[(&str, &str)] = &[
        ("\r\n\r\n", "METHOD"),
        ("GET / HTTP/1.1\n", "LF alone"),
        ("GET  / HTTP/1.1\r\n", "METHOD"),
        ("GET /\r\n", "METHOD"),
        ("G\u{0}T / HTTP/1.1\r\n", "method"),
        ("GET / HTTP/1.1\r\r\n", "version"),
        ("GET / HTTP/2.0\r\n", "version"),
        ("GET /#x HTTP/1.1\r\n", "percent-encoded"),
        ("GET /\u{e4} HTTP/1.1\r\n", "percent-encoded"),
        ("GET * HTTP/1.1\r\n", "neither a path"),
        ("CONNECT a:80 HTTP/1.1\r\n", "tunnel"),
        ("GET / HTTP/1.1\r\n x: y\r\n", "folded"),
        ("GET / HTTP/1.1\r\nx : y\r\n", "name"),
        ("GET / HTTP/1.1\r\n: y\r\n", "name"),
        ("GET / HTTP/1.1\r\nxy\r\n", "colon"),
        ("GET / HTTP/1.1\r\nx: a\rb: c\r\n", "control"),
        ("GET / HTTP/1.1\r\nx: a\u{0}\r\n", "control"),
        ("GET / HTTP/1.1\r\nx: a\u{7f}\r\n", "control"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", "twice"),
        ("GET / HTTP/1.1\r\nHost: a/#@x\r\n", "no host"),
        ("GET / HTTP/1.1\r\nHost:\r\n", "no host"),
        ("GET / HTTP/1.1\r\n\r\n", "missing"),
        ("GET / HTTP/1.1\r\nContent-Length: +2\r\n", "number"),
        ("GET / HTTP/1.1\r\nContent-Length: 2, 2\r\n", "number"),
        ("GET / HTTP/1.1\r\nContent-Length:\r\n", "number"),
        (
            "GET / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n",
            "number",
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 2\r\ncontent-length: 2\r\n",
            "twice",
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n",
            "chunked",
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "twice",
        ),
        (
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.0",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            "both",
        ),
    ];

    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    const ILL_CHUNKS: &[(&str, &str)] = &[
        ("\r\n", "size"),
        (";x\r\n", "size"),
        ("0x5\r\n", "size"),
        ("5 \r\n", "size"),
        (" 5\r\n", "size"),
        ("-5\r\n", "size"),
        ("10000000000000000\r\n", "size"),
        ("5\n", "LF alone"),
        ("5;x\nhello\r\n", "LF alone"),
        ("5;\r\r\n", "control"),
        ("5\r\nhelloXX0\r\n", "longer"),
        ("5\r\nhello\n", "LF alone"),
        ("0\r\nx y\r\n", "colon"),
        ("0\r\n\n", "LF alone"),
    ];

    #[test]
    fn requests_that_have_one_reading_pass_however_they_are_cut() {
        for bytes in WELL {
            for size in 1..=bytes.len() {
                assert_eq!(
                    read(bytes.as_bytes(), size),
                    Ok(true),
                    "{bytes:?} by {size}"
                );
            }
        }
    }

    #[test]
    fn others_are_withheld_before_their_line_is_complete() {
        let heads = ILL.iter().map(|(head, why)| (head.to_string(), why));
        let chunks = ILL_CHUNKS
            .iter()
            .map(|(chunks, why)| (format!("{CHUNKED}{chunks}"), why));
        for (bytes, expected) in heads.chain(chunks) {
            // In `5;x\nhello` the line ends before the last byte.
            let end = bytes.rfind("\nhello").unwrap_or(bytes.len() - 1);
            for size in 1..=bytes.len() {
                let (at, why) = read(bytes.as_bytes(), size).unwrap_err();
                assert!(why.contains(expected), "{bytes:?} by {size}: {why}");
                assert!(
                    at == end || bytes[at..].starts_with('\n'),
                    "{bytes:?}: {at}"
                );
            }
        }
    }

    #[test]
    fn lines_that_do_not_end_are_not_kept() {
        let endless = [
            format!("GET /{}", "x".repeat(HEAD)),
            format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(HEAD / 6)),
            format!("{CHUNKED}5;{}", "x".repeat(CHUNK_LINE)),
            format!("{CHUNKED}0\r\n{}", "x: y\r\n".repeat(CHUNK_LINE / 6 + 1)),
        ];
        for bytes in endless {
            let (_, why) = read(bytes.as_bytes(), 1000).unwrap_err();
            assert!(why.contains("too long"), "{why}");
        }
    }
}
