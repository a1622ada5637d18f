//! The text that the mock writes: one sentence, over and over.

const SENTENCE: &str = "The quick brown fox jumps over the lazy dog. ";

/// `length` bytes of a choice's text from byte `start` on. Every choice reads
/// the same, so a client that has received `n` bytes can compare them with
/// `passage(0, n)`. ASCII, and nothing in it needs an escape in JSON.
#[must_use]
pub fn passage(start: u64, length: usize) -> String {
    let period = SENTENCE.len();
    // The remainder is below the sentence's length, so it fits any integer.
    let mut skip = usize::try_from(start % period as u64).unwrap_or_default();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let rest = &SENTENCE[skip..];
        text.push_str(&rest[..rest.len().min(length - text.len())]);
        skip = 0;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::passage;

    #[test]
    fn passages_join_into_the_text_wherever_it_is_cut() {
        let whole = passage(0, 500);
        for cut in [0, 1, 44, 45, 46, 90, 499, 500] {
            assert_eq!(passage(0, cut) + &passage(cut as u64, 500 - cut), whole);
        }
    }
}
