//! Text that came in base64, which Anthropic takes as text only.

/// The text that `data` stands for; `None` where it is no base64, with or without
/// padding, or no UTF-8.
pub(super) fn decode(data: &str) -> Option<String> {
    let data = data.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(data.len() / 4 * 3 + 2);
    for group in data.chunks(4) {
        let mut bits = 0;
        for byte in group {
            bits = bits << 6 | sextet(*byte)?;
        }
        // Four characters hold three bytes, three hold two, two hold one.
        let whole = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=whole]);
    }
    String::from_utf8(bytes).ok()
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn texts_of_every_length_come_back() {
        for (data, text) in [
            ("", ""),
            ("aA==", "h"),
            ("aGk=", "hi"),
            ("aGk", "hi"),
            ("aGnDqQ==", "hié"),
            ("8J+mgA==", "🦀"),
            ("8J-mgA", "🦀"),
        ] {
            assert_eq!(decode(data).as_deref(), Some(text), "{data}");
        }
        for data in ["a", "aGk=a", "a b=", "/w==", "é"] {
            assert_eq!(decode(data), None, "{data}");
        }
    }
}
