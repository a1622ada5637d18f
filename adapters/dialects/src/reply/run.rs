//! What is passed on of one read, in as few pieces as can be.

use bytes::Bytes;

/// Joins neighbouring slices of one read again.
pub(crate) struct Run<'a> {
    chunk: &'a Bytes,
    start: usize,
    end: usize,
    out: &'a mut Vec<Bytes>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(chunk: &'a Bytes, out: &'a mut Vec<Bytes>) -> Self {
        Self {
            chunk,
            start: 0,
            end: 0,
            out,
        }
    }

    /// Passes a slice of the read, or something else.
    pub(crate) fn pass(&mut self, raw: Bytes) {
        if raw.is_empty() {
            return;
        }
        let offset = raw.as_ptr().addr().wrapping_sub(self.chunk.as_ptr().addr());
        if offset >= self.chunk.len() {
            self.flush();
            return self.out.push(raw);
        }
        if offset != self.end {
            self.flush();
            self.start = offset;
        }
        self.end = offset + raw.len();
    }

    /// The read has been dealt with.
    pub(crate) fn flush(&mut self) {
        if self.start < self.end {
            self.out.push(self.chunk.slice(self.start..self.end));
        }
        self.start = self.end;
    }
}
