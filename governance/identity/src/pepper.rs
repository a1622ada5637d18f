//! The pepper: the secret under which keys are stored. Whoever has the database
//! but not the pepper cannot test a guess.

use std::fmt;

use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac};
use rand::CryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::key::LatticeKey;

const LEAST: usize = 32;

/// At least 32 secret bytes. Wiped when dropped; `Debug` does not show it.
pub struct Pepper {
    bytes: Zeroizing<Vec<u8>>,
    /// Keyed once; a clone of it is cheaper than keying again.
    keyed: Hmac<Sha256>,
}

/// A pepper needs 32 bytes or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pepper has {found} bytes and needs at least {LEAST}; `openssl rand -hex 32` makes one"
)]
pub struct PepperTooShort {
    /// How many there were.
    pub found: usize,
}

impl Pepper {
    /// The pepper of these bytes, as they are: whoever reads a file decides
    /// about the newline at its end.
    ///
    /// # Errors
    /// [`PepperTooShort`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PepperTooShort> {
        let short = PepperTooShort { found: bytes.len() };
        if bytes.len() < LEAST {
            return Err(short);
        }
        let keyed = Hmac::new_from_slice(bytes).map_err(|_| short)?;
        Ok(Self {
            bytes: Zeroizing::new(bytes.to_vec()),
            keyed,
        })
    }

    /// A new pepper of 32 random bytes.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new(vec![0; LEAST]);
        rng.fill_bytes(&mut bytes);
        // HMAC fills a short key up with zeros; done here, it cannot fail.
        let mut block = Key::<Hmac<Sha256>>::default();
        block[..LEAST].copy_from_slice(&bytes);
        let keyed = Hmac::new(&block);
        block.as_mut_slice().zeroize();
        Self { bytes, keyed }
    }

    /// The bytes, for whoever writes the pepper's file.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// 16 hex digits that name the pepper without giving it away. They are kept
    /// beside the stored keys, so that a start under another pepper, which would
    /// know none of them, is refused.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let tag = self.tag(b"lattice.pepper.v1");
        tag.iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// What the store knows the key by. No key begins like the text behind
    /// [`Self::fingerprint`], so the two never meet.
    #[must_use]
    pub fn mac(&self, key: &LatticeKey) -> [u8; 32] {
        self.tag(key.as_bytes())
    }

    fn tag(&self, message: &[u8]) -> [u8; 32] {
        self.keyed
            .clone()
            .chain_update(message)
            .finalize()
            .into_bytes()
            .into()
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_short_pepper_is_refused() {
        assert_eq!(
            Pepper::from_bytes(&[1; 31]).unwrap_err(),
            PepperTooShort { found: 31 }
        );
        assert!(Pepper::from_bytes(&[1; 32]).is_ok());
        assert!(Pepper::from_bytes(&[1; 200]).is_ok());
    }

    #[test]
    fn the_fingerprint_is_hmac_sha_256() {
        // Python: hmac.new(bytes([7] * 32), b"lattice.pepper.v1", "sha256").hexdigest()[:16]
        let pepper = Pepper::from_bytes(&[7; 32]).unwrap();
        assert_eq!(pepper.fingerprint(), "cf987d26963f4e84");
    }

    #[test]
    fn what_was_generated_comes_back_from_its_bytes() {
        let rng = &mut StdRng::seed_from_u64(5);
        let (one, other) = (Pepper::generate(rng), Pepper::generate(rng));
        let again = Pepper::from_bytes(one.expose()).unwrap();
        let key = LatticeKey::generate(rng);
        assert_eq!(again.mac(&key), one.mac(&key));
        assert_eq!(again.fingerprint(), one.fingerprint());
        assert_ne!(other.mac(&key), one.mac(&key));
        assert_ne!(other.fingerprint(), one.fingerprint());
    }

    #[test]
    fn debug_shows_no_pepper() {
        let pepper = Pepper::from_bytes(&[b'p'; 40]).unwrap();
        assert_eq!(format!("{pepper:?}"), "Pepper([redacted])");
    }
}
