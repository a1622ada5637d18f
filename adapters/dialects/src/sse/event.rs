//! One event of a stream.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

/// The bytes from one blank line to the next, the latter included. It may hold
/// comments only, or be nothing but the blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub(super) raw: Bytes,
    /// 3 where a byte order mark opens the stream, else 0.
    pub(super) bom: usize,
    pub(super) complete: bool,
}

impl Event {
    /// Exactly what came.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Whether the blank line came; only a stream's last event may lack it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether an event that lacks its blank line lacks nothing else.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.data().is_none_or(|data| {
            let data = data.trim_ascii();
            data == b"[DONE]" || serde_json::from_slice::<&RawValue>(data).is_ok()
        })
    }

    /// The `data` lines joined by newlines, borrowed when there is one only;
    /// `None` when there is none.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut lines = self.values(b"data");
        let first = &self.raw[lines.next()?];
        let mut joined = Cow::Borrowed(first);
        for line in lines {
            let joined = joined.to_mut();
            joined.push(b'\n');
            joined.extend_from_slice(&self.raw[line]);
        }
        Some(joined)
    }

    /// The event's type, of the last `event` line.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.values(b"event").last().map(|span| &self.raw[span])
    }

    /// Where in `raw` the byte at `offset` of `data` stands.
    #[must_use]
    pub fn raw_offset(&self, mut offset: usize) -> Option<usize> {
        for line in self.values(b"data") {
            if offset < line.len() {
                return Some(line.start + offset);
            }
            offset = offset.checked_sub(line.len() + 1)?;
        }
        None
    }

    /// One event, its blank line included.
    pub(crate) fn of(raw: Bytes) -> Self {
        Self {
            raw,
            bom: 0,
            complete: true,
        }
    }

    /// The same, in memory of its own: a slice keeps all of the read that it came in.
    pub(crate) fn copied(&self) -> Self {
        Self {
            raw: Bytes::copy_from_slice(&self.raw),
            ..self.clone()
        }
    }

    /// The event with other data; its other lines stay.
    pub(crate) fn with_data(&self, data: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(self.raw.len() + data.len());
        let mut data = Some(data);
        for line in self.lines().map(|line| &self.raw[line]) {
            let field = line.split(|byte| *byte == b':').next();
            match (field, data) {
                (Some(b""), _) if line.is_empty() => {}
                (Some(b"data"), Some(told)) => {
                    for line in told.split(|byte| *byte == b'\n') {
                        out.extend_from_slice(b"data: ");
                        out.extend_from_slice(line);
                        out.push(b'\n');
                    }
                    data = None;
                }
                (Some(b"data"), None) => {}
                _ => {
                    out.extend_from_slice(line);
                    out.push(b'\n');
                }
            }
        }
        out.push(b'\n');
        out.into()
    }

    /// Spans in `raw` of the values of a field.
    fn values<'a>(&'a self, field: &'a [u8]) -> impl Iterator<Item = std::ops::Range<usize>> + 'a {
        self.lines().filter_map(move |line| {
            let rest = self.raw[line.clone()].strip_prefix(field)?;
            match rest {
                [] => Some(line.end..line.end),
                [b':', b' ', ..] => Some(line.start + field.len() + 2..line.end),
                [b':', ..] => Some(line.start + field.len() + 1..line.end),
                _ => None,
            }
        })
    }

    /// Spans in `raw` of its lines without their ends. The LF of a CRLF makes an
    /// empty line of its own, which has no field.
    fn lines(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let mut start = self.bom;
        let ends = memchr::memchr2_iter(b'\n', b'\r', &self.raw[start..]);
        let ends = ends.map(move |end| end + start);
        ends.chain([self.raw.len()]).map(move |end| {
            let line = start..end;
            start = end + 1;
            line
        })
    }
}
