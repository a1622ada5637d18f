//! From the bytes of tokens to text that may be shown.
//!
//! A token can end within a character, and a stop text can span tokens: what may yet
//! become either is held back.

/// The text of one generation.
#[derive(Debug)]
pub struct TextStream {
    stops: Vec<String>,
    /// Whole characters that may be the beginning of a stop text.
    held: String,
    /// The beginning of a character.
    partial: Vec<u8>,
}

/// What a token has brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// May be shown; often empty.
    pub text: String,
    /// A stop text has come: nothing follows.
    pub stopped: bool,
}

impl TextStream {
    /// Ends at the first of `stops`; empty ones are ignored.
    #[must_use]
    pub fn new(mut stops: Vec<String>) -> Self {
        stops.retain(|stop| !stop.is_empty());
        Self {
            stops,
            held: String::new(),
            partial: Vec::new(),
        }
    }

    /// Takes the bytes of one token. Bytes that are no UTF-8 become U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> Shown {
        self.partial.extend_from_slice(bytes);
        self.decode();
        if let Some(start) = self.stop() {
            self.held.truncate(start);
            self.partial.clear();
            return Shown {
                text: std::mem::take(&mut self.held),
                stopped: true,
            };
        }
        let held = self.held.split_off(self.held.len() - self.live());
        Shown {
            text: std::mem::replace(&mut self.held, held),
            stopped: false,
        }
    }

    /// What was held back and now will not become a stop text. A character that was
    /// not completed is dropped.
    pub fn finish(&mut self) -> String {
        self.partial.clear();
        std::mem::take(&mut self.held)
    }

    /// Moves whole characters to `held`.
    fn decode(&mut self) {
        let mut rest = 0;
        for chunk in self.partial.utf8_chunks() {
            self.held.push_str(chunk.valid());
            rest += chunk.valid().len();
            let invalid = chunk.invalid();
            let last = rest + invalid.len() == self.partial.len();
            if last && begins_character(invalid) {
                break;
            }
            if !invalid.is_empty() {
                self.held.push(char::REPLACEMENT_CHARACTER);
                rest += invalid.len();
            }
        }
        self.partial.drain(..rest);
    }

    /// Where the stop text starts that ends first, and of these the longest: what
    /// would have been found had the text come byte by byte.
    fn stop(&self) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop)?;
            Some((start + stop.len(), start))
        });
        found.min().map(|(_, start)| start)
    }

    /// Length of the longest end of `held` that begins a stop text.
    fn live(&self) -> usize {
        let live = |stop: &String| {
            let most = self.held.len().min(stop.len() - 1);
            let held = self.held.as_bytes();
            let stop = stop.as_bytes();
            (1..=most).rev().find(|&n| held.ends_with(&stop[..n]))
        };
        self.stops.iter().filter_map(live).max().unwrap_or(0)
    }
}

/// Whether more bytes can make a character of these.
fn begins_character(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is shown of `bytes` that come in these pieces, and whether it stopped.
    fn shown<'a>(stops: &[&str], pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, bool) {
        let mut stream = TextStream::new(stops.iter().map(ToString::to_string).collect());
        let mut all = String::new();
        for piece in pieces {
            let shown = stream.push(piece);
            all += &shown.text;
            if shown.stopped {
                return (all, true);
            }
        }
        (all + &stream.finish(), false)
    }

    #[test]
    fn a_stop_text_across_tokens_never_shows() {
        let pieces = ["Hello ST", "O", "P world"].map(str::as_bytes);
        assert_eq!(shown(&["STOP"], pieces), ("Hello ".to_owned(), true));
    }

    #[test]
    fn the_beginning_of_a_stop_text_shows_once_it_is_none() {
        let mut stream = TextStream::new(vec!["STOP".to_owned()]);
        assert_eq!(stream.push(b"a ST").text, "a ");
        assert_eq!(stream.push(b"AR").text, "STAR");
        assert_eq!(stream.push(b" STO").text, " ");
        assert_eq!(stream.finish(), "STO");
    }

    #[test]
    fn a_character_in_two_tokens_shows_whole() {
        let mut stream = TextStream::new(Vec::new());
        let crab = "🦀".as_bytes();
        assert_eq!(stream.push(&crab[..3]).text, "");
        assert_eq!(stream.push(&crab[3..]).text, "🦀");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let pieces: [&[u8]; 3] = [b"a\xff", b"b\xf0\x9f", b"c"];
        assert_eq!(shown(&[], pieces).0, "a\u{fffd}b\u{fffd}c");
        assert_eq!(shown(&[], [&b"a\xf0\x9f"[..]]).0, "a");
    }

    #[test]
    fn the_stop_text_that_ends_first_counts() {
        let pieces = ["xabcd".as_bytes()];
        assert_eq!(shown(&["abcd", "bc"], pieces), ("xa".to_owned(), true));
        assert_eq!(shown(&["bc", "abc"], pieces), ("x".to_owned(), true));
    }

    proptest! {
        #[test]
        fn any_cut_shows_the_same(
            text in "[abé🦀\u{0}]{0,40}",
            noise in proptest::collection::vec(any::<u8>(), 0..8),
            stops in proptest::collection::vec("[abé🦀]{0,4}", 0..4),
            cuts in proptest::collection::vec(0usize..80, 0..12),
        ) {
            let mut bytes = text.into_bytes();
            bytes.extend(noise);
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let whole = shown(&stops, [bytes.as_slice()]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert_eq!(shown(&stops, pieces), whole.clone());
            for stop in stops.iter().filter(|stop| !stop.is_empty()) {
                prop_assert!(!whole.0.contains(stop));
            }
        }
    }
}
