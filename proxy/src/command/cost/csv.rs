//! Comma-separated values as spreadsheets write them (RFC 4180), row by row.

use std::io::{self, BufRead, Read as _};

/// Longest row, in bytes: far beyond any export's.
const LONGEST: u64 = 1 << 20;

/// Rows of a file, the first of which names the columns.
pub struct Rows<R> {
    reader: R,
    /// The line that was read last, from 1.
    line: u64,
}

impl<R: BufRead> Rows<R> {
    /// Of `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, line: 0 }
    }

    /// The line that the last row ended on.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next row that is not empty; `None` at the end.
    ///
    /// # Errors
    /// What the reader says, or a row that cannot be one.
    pub fn next(&mut self) -> io::Result<Option<Vec<String>>> {
        let mut row = Row::default();
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let mut limited = self.reader.by_ref().take(LONGEST + 1);
            if limited.read_until(b'\n', &mut bytes)? == 0 {
                return match row.quoted {
                    true => Err(invalid("a quote is never closed")),
                    false => Ok(None),
                };
            }
            self.line += 1;
            let text = std::str::from_utf8(&bytes).map_err(|_| invalid("it is not UTF-8"))?;
            let text = match self.line {
                1 => text.trim_start_matches('\u{feff}'),
                _ => text,
            };
            row.line(text);
            if row.length > LONGEST {
                return Err(invalid("a row is longer than 1 MiB"));
            }
            if row.quoted {
                continue;
            }
            if row.length > 0 {
                row.fields.push(row.field);
                return Ok(Some(row.fields));
            }
            row = Row::default();
        }
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A row that is being read.
#[derive(Default)]
struct Row {
    fields: Vec<String>,
    field: String,
    /// Within quotes.
    quoted: bool,
    /// Bytes so far, line ends left out.
    length: u64,
}

impl Row {
    fn line(&mut self, line: &str) {
        let text = line.trim_end_matches(['\n', '\r']);
        self.length += text.len() as u64;
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '"' if self.quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    self.field.push('"');
                }
                '"' => self.quoted = !self.quoted,
                ',' if !self.quoted => self.fields.push(std::mem::take(&mut self.field)),
                char => self.field.push(char),
            }
        }
        if self.quoted {
            self.field.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> io::Result<Vec<Vec<String>>> {
        let mut rows = Rows::new(text.as_bytes());
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(row);
        }
        Ok(all)
    }

    #[test]
    fn rows_are_read_as_spreadsheets_write_them() {
        let text = "\u{feff}a,b\r\n\r\n1,\"x, \"\"y\"\"\nz\"\n,\n2,3";
        let expected = [["a", "b"], ["1", "x, \"y\"\nz"], ["", ""], ["2", "3"]];
        assert_eq!(rows(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(rows("a,\"b\n").is_err());
        assert!(rows(&format!("a,{}", "b".repeat(3 << 20))).is_err());
        assert!(Rows::new(&b"a,\xff\n"[..]).next().is_err());
    }
}
