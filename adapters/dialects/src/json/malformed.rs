//! Why a body was refused, in one public sentence.

use std::fmt;

/// A place in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Bytes before the place.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// Bytes of the line up to and including the offending one, so from 1.
    pub column: usize,
}

impl Position {
    pub(super) fn of(body: &[u8], offset: usize) -> Self {
        let before = &body[..offset.min(body.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        Self {
            offset,
            line: 1 + memchr::memchr_iter(b'\n', before).count(),
            column: offset - line_start,
        }
    }
}

/// A body that cannot be accepted. `Display` is a public sentence that names the
/// place, for instance `duplicate key "model" at line 1 column 52`; it quotes
/// no more of the body than a key's first 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    what: String,
    position: Option<Position>,
    field: Option<&'static str>,
}

impl Malformed {
    pub(super) fn at(position: Position, what: String, field: Option<&'static str>) -> Self {
        Self {
            what,
            position: Some(position),
            field,
        }
    }

    /// A body whose `field` is missing or wrong as a whole, so that no place in
    /// it is to blame.
    #[must_use]
    pub fn in_field(field: &'static str, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            position: None,
            field: Some(field),
        }
    }

    /// Where the pass stopped; `None` when something is missing.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The field that the caller must mend, for an error's `param`; `None` when
    /// the JSON itself is broken.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        self.field
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.position {
            Some(Position { line, column, .. }) => {
                write!(f, " at line {line} column {column}")
            }
            None => Ok(()),
        }
    }
}

impl std::error::Error for Malformed {}
