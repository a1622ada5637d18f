//! Where the arguments of a call end, while they come in pieces.

use crate::canonical::Garbled;

/// Follows the braces of one JSON object.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    depth: usize,
    in_string: bool,
    escaped: bool,
    complete: bool,
}

impl Arguments {
    /// Whether the object has been closed.
    pub(crate) fn complete(&self) -> bool {
        self.complete
    }

    /// Whether they end in the middle.
    pub(crate) fn cut(&self) -> bool {
        self.depth > 0
    }

    pub(crate) fn push(&mut self, piece: &str) -> Result<(), Garbled> {
        for byte in piece.bytes() {
            if self.in_string {
                self.string(byte);
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if self.complete => {
                    let why = "arguments of a tool call go on after their end";
                    return Err(Garbled(why.into()));
                }
                b'{' => self.depth += 1,
                _ if self.depth == 0 => {
                    let why = "arguments of a tool call are no object";
                    return Err(Garbled(why.into()));
                }
                b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    self.complete = self.depth == 0;
                }
                b'"' => self.in_string = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn string(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }
}
