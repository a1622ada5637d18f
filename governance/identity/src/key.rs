//! The format of a key: `lat_`, 32 random base62 characters, and the CRC-32 of
//! those 32 in six base62 digits.
//!
//! The checksum keeps typing errors and made-up strings away from the store, and
//! lets secret scanners tell a key from a look-alike. It proves nothing.

use std::fmt;

use lattice_kernel::Secret;
use rand::distr::Alphanumeric;
use rand::{CryptoRng, RngExt};
use zeroize::Zeroizing;

pub(crate) const PREFIX: &str = "lat_";
const RANDOM: usize = 32;
const CHECKSUM: usize = 6;
const LENGTH: usize = PREFIX.len() + RANDOM + CHECKSUM;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A well-formed key, which may or may not be known to anybody. Wiped when
/// dropped; `Debug` does not show it.
pub struct LatticeKey(Zeroizing<[u8; LENGTH]>);

impl LatticeKey {
    /// A new key with 190 bits from `rng`.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut random = Zeroizing::new([0; RANDOM]);
        random.fill_with(|| rng.sample(Alphanumeric));
        let mut text = Zeroizing::new([0; LENGTH]);
        let parts = PREFIX.bytes().chain(*random).chain(checksum(&random));
        text.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        Self(text)
    }

    /// The key that `text` spells, exactly; `None` where it spells none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (random, check) = text
            .strip_prefix(PREFIX)?
            .as_bytes()
            .split_first_chunk::<RANDOM>()?;
        let sound = random.iter().all(u8::is_ascii_alphanumeric) && *check == checksum(random);
        let text = text.as_bytes().try_into().ok().filter(|_| sound)?;
        Some(Self(Zeroizing::new(text)))
    }

    /// The key's text, for the one time that it is shown.
    #[must_use]
    pub fn text(&self) -> Secret {
        Secret::new(self.0.iter().copied().map(char::from).collect::<String>())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for LatticeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LatticeKey([redacted])")
    }
}

/// CRC-32 (IEEE) in base62, most significant digit first.
fn checksum(random: &[u8; RANDOM]) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(random);
    let mut digits = [BASE62[0]; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn key(seed: u64) -> String {
        let key = LatticeKey::generate(&mut StdRng::seed_from_u64(seed));
        key.text().expose().to_owned()
    }

    #[test]
    fn a_generated_key_is_what_parse_reads() {
        for seed in 0..500 {
            let text = key(seed);
            assert_eq!(text.len(), 42);
            assert!(text.starts_with("lat_"));
            assert_eq!(LatticeKey::parse(&text).unwrap().text().expose(), text);
        }
    }

    #[test]
    fn the_checksum_is_fixed() {
        // Python: zlib.crc32(b"0" * 32), then base62 with digits 0-9A-Za-z.
        assert_eq!(checksum(&[b'0'; RANDOM]), *b"2wjyrI");
    }

    #[test]
    fn every_single_character_corruption_is_refused() {
        let text = key(7);
        let mut tried = 0;
        for at in 0..text.len() {
            for wrong in (0x20..0x7f).map(char::from).chain(['é', '\0']) {
                if text[at..].starts_with(wrong) {
                    continue;
                }
                let mut corrupt = text.clone();
                corrupt.replace_range(at..=at, wrong.encode_utf8(&mut [0; 4]));
                assert!(LatticeKey::parse(&corrupt).is_none(), "{corrupt}");
                tried += 1;
            }
        }
        assert_eq!(tried, 42 * 96);
    }

    #[test]
    fn what_is_cut_or_padded_is_refused() {
        let text = key(1);
        for end in 0..text.len() {
            assert!(LatticeKey::parse(&text[..end]).is_none());
        }
        for padded in [
            format!("{text}0"),
            format!(" {text}"),
            format!("{text}\n"),
            format!("lat_{text}"),
        ] {
            assert!(LatticeKey::parse(&padded).is_none());
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let text = key(3);
        let shown = format!("{:?}", LatticeKey::parse(&text).unwrap());
        assert_eq!(shown, "LatticeKey([redacted])");
    }
}
