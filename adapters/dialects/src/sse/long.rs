//! An event that is too long to be held, read as its pieces pass.

use crate::json::{Path, Sift};

/// What is in a few places of the JSON that such an event's data are. Line ends and
/// field names are told from the data however the event is cut.
#[derive(Debug)]
pub(crate) struct LongEvent {
    sift: Sift,
    line: Line,
}

/// Where in a line the next byte is.
#[derive(Debug)]
enum Line {
    /// In the field's name, of which this much is like `data`.
    Name(usize),
    /// After the colon, where one space is no part of the value.
    Colon,
    /// In the value.
    Data,
    /// In another field's.
    Other,
}

const NAME: &[u8] = b"data";

impl LongEvent {
    /// Looks for the values at `paths` of the data.
    pub(crate) fn new(paths: &'static [Path]) -> Self {
        Self {
            sift: Sift::new(paths),
            line: Line::Name(0),
        }
    }

    /// As [`Sift::get`].
    pub(crate) fn get(&self, path: usize) -> Option<&str> {
        self.sift.get(path)
    }

    /// As [`Sift::is_done`]: the event was not cut.
    pub(crate) fn is_done(&self) -> bool {
        self.sift.is_done()
    }

    /// Takes the next piece of the event as it came.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(&byte) = rest.first() {
            let mut taken = 1;
            self.line = match (&self.line, byte) {
                (_, b'\n' | b'\r') => {
                    // Data lines are joined by newlines, which end a number.
                    self.sift.push(b"\n");
                    Line::Name(0)
                }
                (Line::Name(like), b':') if *like == NAME.len() => Line::Colon,
                (Line::Name(like), _) if NAME.get(*like) == Some(&byte) => Line::Name(like + 1),
                (Line::Colon, b' ') => Line::Data,
                (Line::Colon | Line::Data, _) => {
                    taken = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    self.sift.push(&rest[..taken]);
                    Line::Data
                }
                (Line::Name(_) | Line::Other, _) => {
                    taken = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    Line::Other
                }
            };
            rest = &rest[taken..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Step;

    const PATHS: &[Path] = &[&[Step::Key("type")], &[Step::Key("n")]];

    #[test]
    fn data_are_found_however_the_event_is_cut() {
        let event = b": \"n\"\r\nevent: x\r\ndatum: {\"n\":1}\r\ndata: {\"type\":\"a\\n\",\r\ndata:\"n\"\r\ndata: :2\r\ndata:}\r\n\r\n";
        for length in 1..=event.len() {
            let mut long = LongEvent::new(PATHS);
            for piece in event.chunks(length) {
                long.push(piece);
            }
            assert_eq!(long.get(0), Some(r#""a\n""#), "pieces of {length}");
            assert_eq!(long.get(1), Some("2"), "pieces of {length}");
        }
    }
}
