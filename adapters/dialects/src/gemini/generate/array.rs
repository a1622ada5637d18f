//! Streams as one JSON array: what `streamGenerateContent` answers where nobody asks
//! for server-sent events.

use bytes::Bytes;
use memchr::memchr2;

/// Turns a stream of server-sent events into an array of their data, piece by piece:
/// nothing is held, however long an event is, and the way a stream was cut into
/// reads does not show in the bytes.
#[derive(Debug, Default)]
pub struct ArrayFraming {
    /// Whether there is an element before the next.
    follows: bool,
    /// Whether something of this event's data has been written.
    in_element: bool,
    /// Whether this event has had a line of data.
    has_data: bool,
    after_cr: bool,
    line: Line,
}

/// What has come of the current line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// So many bytes of `data:`.
    Field(usize),
    /// The field's name and its colon: a space may follow.
    Colon,
    Data,
    /// A comment, or a field that is not data.
    Other,
}

impl Default for Line {
    fn default() -> Self {
        Self::Field(0)
    }
}

const FIELD: &[u8] = b"data:";

impl ArrayFraming {
    /// Takes a piece of the stream, and appends to `out` what becomes of it.
    pub fn push(&mut self, piece: Bytes, out: &mut Vec<Bytes>) {
        let mut at = 0;
        while at < piece.len() {
            at += match self.line {
                Line::Data => self.data(&piece, at, out),
                _ => self.byte(piece[at]),
            };
        }
    }

    /// The stream has ended, with its error event if it had one.
    pub fn finish(&mut self, out: &mut Vec<Bytes>) {
        out.push(Bytes::from_static(if self.follows { b"]" } else { b"[]" }));
        *self = Self::default();
    }

    /// A byte that is not data.
    fn byte(&mut self, byte: u8) -> usize {
        let after_cr = std::mem::take(&mut self.after_cr);
        if byte == b'\n' && after_cr {
            return 1;
        }
        if matches!(byte, b'\n' | b'\r') {
            if self.line == Line::Field(0) {
                self.in_element = false;
                self.has_data = false;
            }
            self.end_line(byte);
            return 1;
        }
        self.line = match self.line {
            Line::Field(read) if byte == FIELD[read] => match read + 1 {
                5 => Line::Colon,
                read => Line::Field(read),
            },
            Line::Field(_) | Line::Other => Line::Other,
            Line::Colon | Line::Data => {
                self.line = Line::Data;
                return usize::from(byte == b' ');
            }
        };
        1
    }

    fn end_line(&mut self, end: u8) {
        self.after_cr = end == b'\r';
        self.line = Line::Field(0);
    }

    /// Data, from `at` on; how many bytes of it.
    fn data(&mut self, piece: &Bytes, mut at: usize, out: &mut Vec<Bytes>) -> usize {
        let start = at;
        let end = memchr2(b'\n', b'\r', &piece[at..]).map(|end| at + end);
        let line = &piece[at..end.unwrap_or(piece.len())];
        if !self.in_element {
            // An element of nothing but space would be none.
            at += line.len() - line.trim_ascii_start().len();
        }
        let line = at..start + line.len();
        if !line.is_empty() {
            if !self.in_element {
                let before: &'static [u8] = if self.follows { b",\r\n" } else { b"[" };
                out.push(Bytes::from_static(before));
                self.follows = true;
                self.in_element = true;
            } else if self.has_data {
                // Between two lines of one event.
                out.push(Bytes::from_static(b"\n"));
            }
            self.has_data = false;
            out.push(piece.slice(line.clone()));
        }
        let Some(end) = end else {
            return piece.len() - start;
        };
        self.has_data = self.in_element;
        self.end_line(piece[end]);
        end + 1 - start
    }
}
