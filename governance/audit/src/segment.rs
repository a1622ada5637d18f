//! A segment file: a header that makes it readable on its own, then frames.
//!
//! ```text
//!   0  magic     F5 4C 53 01
//!   4  length    u32 big-endian, bytes after the checksum
//!   8  checksum  CRC-32C of those bytes
//!  12  header    JSON
//! ```
//! The header carries the intents that were open when the segment was begun.
//! So segments before it may be deleted once they are shipped, however long a
//! call from their time still runs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::chain::{ChainInfo, LeafHash};
use crate::entry::OpenIntent;

const MAGIC: [u8; 4] = [0xF5, b'L', b'S', 1];
const PREFIX: usize = 12;
const EXTENSION: &str = "journal";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Counts process starts in this folder. It orders chains, so that a
    /// clock that was set back cannot.
    pub run: u64,
    pub chain: ChainInfo,
    pub first_seq: u64,
    /// The hash before the first leaf of this segment.
    pub previous_hash: LeafHash,
    pub open: Vec<OpenIntent>,
}

impl Header {
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let json = serde_json::to_vec(self)?;
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(PREFIX + json.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&json).to_be_bytes());
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    /// The header at the beginning of `bytes` and where the frames begin.
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let json = rest.get(..u32::from_be_bytes(*length) as usize)?;
        if *magic != MAGIC || crc32c::crc32c(json) != u32::from_be_bytes(*checksum) {
            return None;
        }
        let header = serde_json::from_slice(json).ok()?;
        Some((header, PREFIX + json.len()))
    }
}

/// Names sort in the order in which segments were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub run: u64,
    pub first_seq: u64,
}

impl Name {
    pub fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!(
            "{:010}-{:016}.{EXTENSION}",
            self.run, self.first_seq
        ))
    }

    pub fn parse(path: &Path) -> Option<Self> {
        if path.extension()? != EXTENSION {
            return None;
        }
        let (run, first_seq) = path.file_stem()?.to_str()?.split_once('-')?;
        Some(Self {
            run: run.parse().ok()?,
            first_seq: first_seq.parse().ok()?,
        })
    }
}

/// Makes creations, renames and deletions in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    // Windows cannot open a folder as a file, and needs no such step.
    if cfg!(unix) {
        File::open(dir)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::chain::{ChainHead, Position};
    use crate::scopes::Scopes;
    use crate::timestamp::Timestamp;

    #[test]
    fn a_header_reads_back_and_no_flipped_byte_or_cut_does() {
        let chain = Uuid::from_u128(1);
        let header = Header {
            run: 3,
            chain: ChainInfo {
                id: chain,
                previous: Some(ChainHead {
                    chain,
                    seq: 4,
                    hash: LeafHash([7; 32]),
                }),
                node: "a".into(),
                started_at: Timestamp::from_micros(5),
            },
            first_seq: 9,
            previous_hash: LeafHash([8; 32]),
            open: vec![OpenIntent {
                position: Position { chain, seq: 2 },
                at: Timestamp::from_micros(6),
                request: None,
                scopes: Scopes {
                    key: Some(chain),
                    ..Scopes::default()
                },
                reserved_nano: Some(-1),
                reserved_tokens: Some(3),
            }],
        };
        let bytes = header.encode().unwrap();
        assert_eq!(Header::decode(&bytes), Some((header, bytes.len())));
        for place in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..place]), None);
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            assert_eq!(Header::decode(&flipped), None, "byte {place}");
        }
    }

    #[test]
    fn an_intent_that_an_earlier_version_left_open_is_read() {
        let json = r#"{"position":{"chain":"00000000-0000-0000-0000-000000000001","seq":2},
            "at":AT,"request":null,"key":"00000000-0000-0000-0000-000000000004",
            "team":null,"reserved_nano":7}"#;
        let at = serde_json::to_string(&Timestamp::from_micros(6)).unwrap();
        let open: OpenIntent = serde_json::from_str(&json.replace("AT", &at)).unwrap();
        let expected = OpenIntent {
            position: Position {
                chain: Uuid::from_u128(1),
                seq: 2,
            },
            at: Timestamp::from_micros(6),
            request: None,
            scopes: Scopes {
                key: Some(Uuid::from_u128(4)),
                ..Scopes::default()
            },
            reserved_nano: Some(7),
            reserved_tokens: None,
        };
        assert_eq!(open, expected);
    }

    #[test]
    fn names_sort_as_written_and_other_files_have_none() {
        let dir = Path::new("j");
        let name = Name {
            run: 12,
            first_seq: 345,
        };
        assert_eq!(Name::parse(&name.path(dir)), Some(name));
        assert!(
            name.path(dir)
                < Name {
                    run: 12,
                    first_seq: 1000
                }
                .path(dir)
        );
        for other in ["lock", "head", "x.journal", "1-2.tmp"] {
            assert_eq!(Name::parse(&dir.join(other)), None);
        }
    }
}
