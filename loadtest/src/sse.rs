//! What the load generator must know of a stream: that an event came, when the
//! first text came, and how the stream ended. It keeps no text.

/// Bytes of a line that are looked at; a delta's text begins well before.
const LOOKED_AT: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Scanner {
    line: Vec<u8>,
    /// `data:` lines other than `[DONE]`.
    pub(crate) events: u64,
    /// An event with text was seen.
    pub(crate) content: bool,
    /// `data: [DONE]` was seen.
    pub(crate) done: bool,
    /// An event with an error object was seen.
    pub(crate) error: bool,
}

impl Scanner {
    /// Takes the next bytes, wherever they were cut.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = LOOKED_AT - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        if let Some(data) = self.line.strip_prefix(b"data:") {
            match data.trim_ascii() {
                b"[DONE]" => self.done = true,
                event => {
                    self.events += 1;
                    self.error |= event.starts_with(br#"{"error""#);
                    self.content = self.content || has_text(event);
                }
            }
        }
        self.line.clear();
    }
}

/// Whether a delta's content is there and not empty.
fn has_text(event: &[u8]) -> bool {
    const KEY: &[u8] = br#""content":""#;
    event
        .windows(KEY.len() + 1)
        .any(|window| window.starts_with(KEY) && window[KEY.len()] != b'"')
}

#[cfg(test)]
mod tests {
    use super::Scanner;

    const STREAM: &str = concat!(
        ": comment\n\n",
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn a_stream_reads_the_same_wherever_it_is_cut() {
        for cut in 0..STREAM.len() {
            let mut scanner = Scanner::default();
            scanner.push(&STREAM.as_bytes()[..cut]);
            scanner.push(&STREAM.as_bytes()[cut..]);
            let seen = (scanner.events, scanner.content, scanner.done, scanner.error);
            assert_eq!(seen, (2, true, true, false), "cut at {cut}");
        }
    }

    #[test]
    fn the_role_is_no_text_and_an_error_is_no_end() {
        let mut scanner = Scanner::default();
        scanner.push(b"data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n");
        assert!(!scanner.content);
        scanner.push(b"data: {\"error\":{\"message\":\"m\"}}\n\n");
        assert!(scanner.error && !scanner.done);
    }
}
