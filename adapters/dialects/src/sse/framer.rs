//! Cuts reads into events, however the reads were cut.

use bytes::{Bytes, BytesMut};

use super::Event;

/// The longest event that is held until it is complete, in bytes, where nothing
/// else was asked for. Longer ones flow on unread, so that a stream never costs
/// more memory than this.
pub const MAX_EVENT: usize = 64 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A piece of a stream. The pieces' raw bytes, in order, are the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An event within the limit.
    Event(Event),
    /// Bytes of a longer one.
    Oversize {
        /// Exactly what came; may be empty where `last` is set.
        raw: Bytes,
        /// Whether the event ends here.
        last: bool,
    },
}

/// Cuts a stream into events. Lines may end in LF, CRLF or CR. After a blank line
/// that ends in CR the next byte decides whether an LF belongs to it, so such an
/// event is told one byte late; the way a stream was cut into reads never shows.
///
/// An event that lies within one read is a slice of it; one that does not is
/// copied.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    held: BytesMut,
    oversize: bool,
    begun: bool,
    lines: Lines,
}

impl Default for Framer {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT)
    }
}

impl Framer {
    /// Holds events of at most `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            held: BytesMut::new(),
            oversize: false,
            begun: false,
            lines: Lines::default(),
        }
    }

    /// Takes the next read and hands over what it completes.
    pub fn push(&mut self, chunk: Bytes, mut sink: impl FnMut(Frame)) {
        let mut rest = chunk;
        while let Some(end) = self.lines.event_end(&rest) {
            let piece = rest.split_to(end);
            self.complete(piece, true, &mut sink);
        }
        if !rest.is_empty() {
            self.keep(rest, &mut sink);
        }
    }

    /// The stream has ended; what is left is handed over. The framer is then as
    /// new.
    pub fn finish(&mut self, mut sink: impl FnMut(Frame)) {
        if self.oversize || !self.held.is_empty() {
            let complete = self.lines.closing;
            self.complete(Bytes::new(), complete, &mut sink);
        }
        *self = Self::with_limit(self.limit);
    }

    /// Bytes that wait for the end of their event; at most the limit.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// `piece` ends an event.
    fn complete(&mut self, piece: Bytes, complete: bool, sink: &mut impl FnMut(Frame)) {
        if !self.oversize && self.held.len() + piece.len() <= self.limit {
            let raw = if self.held.is_empty() {
                piece
            } else {
                self.held.extend_from_slice(&piece);
                self.held.split().freeze()
            };
            let first = !std::mem::replace(&mut self.begun, true);
            let bom = if first && raw.starts_with(BOM) {
                BOM.len()
            } else {
                0
            };
            return sink(Frame::Event(Event { raw, bom, complete }));
        }
        self.overflow(sink);
        self.oversize = false;
        sink(Frame::Oversize {
            raw: piece,
            last: true,
        });
    }

    /// `piece` does not end its event.
    fn keep(&mut self, piece: Bytes, sink: &mut impl FnMut(Frame)) {
        if !self.oversize && self.held.len() + piece.len() <= self.limit {
            return self.held.extend_from_slice(&piece);
        }
        self.overflow(sink);
        sink(Frame::Oversize {
            raw: piece,
            last: false,
        });
    }

    /// Gives up holding the current event.
    fn overflow(&mut self, sink: &mut impl FnMut(Frame)) {
        self.begun = true;
        self.oversize = true;
        if !self.held.is_empty() {
            let raw = self.held.split().freeze();
            sink(Frame::Oversize { raw, last: false });
        }
    }
}

/// Finds blank lines.
#[derive(Debug)]
struct Lines {
    /// No byte of the current line has come.
    fresh: bool,
    /// The last line ended in CR, so an LF now would belong to its end.
    after_cr: bool,
    /// A blank line ended in CR: the event ends here or after an LF.
    closing: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            fresh: true,
            after_cr: false,
            closing: false,
        }
    }
}

impl Lines {
    /// How many of `bytes` complete the current event; `None` when all of them
    /// belong to it and more may come. `bytes` follow those of the last call that
    /// were not part of a completed event.
    fn event_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.closing {
                *self = Self::default();
                return Some(at + usize::from(byte == b'\n'));
            }
            let after_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if after_cr => at += 1,
                b'\n' if self.fresh => {
                    *self = Self::default();
                    return Some(at + 1);
                }
                b'\r' if self.fresh => {
                    self.closing = true;
                    at += 1;
                }
                _ => match memchr::memchr2(b'\n', b'\r', &bytes[at..]) {
                    Some(line) => {
                        at += line + 1;
                        self.fresh = true;
                        self.after_cr = bytes[at - 1] == b'\r';
                    }
                    None => {
                        self.fresh = false;
                        return None;
                    }
                },
            }
        }
        None
    }
}
