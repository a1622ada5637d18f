//! Text that came in base64, which Anthropic takes as text only.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// As people write it: with or without padding, and whatever is left over in the
/// last character.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The text that `data` stands for, in either alphabet; `None` where it is no
/// base64 or no UTF-8.
pub(super) fn decode(data: &str) -> Option<String> {
    let standard = data
        .trim_end_matches('=')
        .replace('-', "+")
        .replace('_', "/");
    String::from_utf8(LENIENT.decode(standard).ok()?).ok()
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
