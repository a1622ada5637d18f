//! The hash chain: what a leaf's hash covers, and how chains name each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::timestamp::Timestamp;

/// Keeps a leaf's hash from ever being the hash of something else.
const DOMAIN: &[u8] = b"lattice.audit.leaf.v1\0";

/// The SHA-256 of one leaf and of everything before it in its chain.
/// Shown, parsed and serialised as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeafHash(pub [u8; 32]);

impl LeafHash {
    /// What stands before the first leaf of a chain that follows no other.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of domain, chain, sequence number, previous hash and leaf bytes.
    #[must_use]
    pub fn of(chain: Uuid, seq: u64, previous: &Self, leaf: &[u8]) -> Self {
        let digest = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(chain.as_bytes())
            .chain_update(seq.to_be_bytes())
            .chain_update(previous.0)
            .chain_update(leaf)
            .finalize();
        Self(digest.into())
    }
}

impl fmt::Display for LeafHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LeafHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("a leaf hash is 64 lower-case hexadecimal digits")]
pub struct NotAHash;

impl FromStr for LeafHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(NotAHash);
        }
        let mut hash = [0; 32];
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(hash))
    }
}

/// Upper case is refused so that one hash has one spelling.
fn nibble(digit: u8) -> Result<u8, NotAHash> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NotAHash),
    }
}

impl Serialize for LeafHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LeafHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Where a leaf stands: its chain and its sequence number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The chain: UUID version 7, one for each start of the process.
    pub chain: Uuid,
    /// The place in the chain; the `start` leaf has 0.
    pub seq: u64,
}

/// The last leaf of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// The chain.
    pub chain: Uuid,
    /// The sequence number of its last leaf.
    pub seq: u64,
    /// The hash of its last leaf.
    pub hash: LeafHash,
}

/// What a `start` leaf says of its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainInfo {
    /// The chain.
    pub id: Uuid,
    /// Where the chain before it in the same journal ended.
    pub previous: Option<ChainHead>,
    /// The gateway's name.
    pub node: String,
    /// When the chain was begun.
    pub started_at: Timestamp,
}

impl ChainInfo {
    /// What the first leaf's hash takes as the hash before it.
    #[must_use]
    pub fn root(&self) -> LeafHash {
        self.previous.map_or(LeafHash::ZERO, |head| head.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed apart from this crate, with Python's hashlib: exports must
    /// stay verifiable by others, so the recipe may never drift.
    #[test]
    fn the_recipe_is_fixed() {
        let chain = Uuid::from_u128(0x0192_f5d4_0000_7000_8000_0000_0000_0001);
        let hash = LeafHash::of(chain, 7, &LeafHash::ZERO, br#"{"kind":"stop"}"#);
        assert_eq!(
            hash.to_string(),
            "5fbe6a537280b430c829f2135ee3dd7d3ee1e6dcb9a3400b273f7c0359f3854b"
        );
    }

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = LeafHash::of(Uuid::nil(), 0, &LeafHash::ZERO, b"");
        let text = hash.to_string();
        assert_eq!(text.parse::<LeafHash>().unwrap(), hash);
        assert!(text.to_uppercase().parse::<LeafHash>().is_err());
        assert!(text[1..].parse::<LeafHash>().is_err());
    }
}
