//! The audit as JSON Lines: one leaf a line, its bytes kept as they are.
//!
//! ```text
//! {"chain":"0192…","seq":0,"hash":"9f2c…","leaf":{"kind":"start",…}}
//! ```

use std::io::{self, BufRead, Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::chain::LeafHash;
use crate::verify::{Report, Verifier};

/// Longest line that is read, in bytes: far beyond any leaf.
const LONGEST_LINE: u64 = 16 << 20;

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line<'a> {
    /// The leaf's chain.
    pub chain: Uuid,
    /// Its place in the chain.
    pub seq: u64,
    /// Its hash.
    pub hash: LeafHash,
    #[serde(borrow)]
    leaf: &'a RawValue,
}

impl<'a> Line<'a> {
    /// The canonical bytes, exactly as they were hashed.
    #[must_use]
    pub fn leaf(&self) -> &'a [u8] {
        self.leaf.get().as_bytes()
    }
}

/// Writes one leaf and a line feed.
///
/// # Errors
/// `InvalidData`, where the leaf is not JSON on one line and so cannot be one
/// of ours; else what the writer says.
pub fn write_line(
    mut out: impl Write,
    chain: Uuid,
    seq: u64,
    hash: &LeafHash,
    leaf: &[u8],
) -> io::Result<()> {
    if leaf.contains(&b'\n') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a leaf holds a line feed",
        ));
    }
    let leaf = serde_json::from_slice::<&RawValue>(leaf)?;
    serde_json::to_writer(
        &mut out,
        &Line {
            chain,
            seq,
            hash: *hash,
            leaf,
        },
    )?;
    out.write_all(b"\n")
}

/// Reads one line, with or without its line feed.
///
/// # Errors
/// The line is not what [`write_line`] writes.
pub fn read_line(line: &[u8]) -> serde_json::Result<Line<'_>> {
    serde_json::from_slice(line)
}

/// Verifies an export line by line, in bounded memory. `verifier` may know
/// heads already.
///
/// # Errors
/// Only what the reader says: a line that cannot be read is a finding.
pub fn verify_export(mut reader: impl BufRead, mut verifier: Verifier) -> io::Result<Report> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut bytes)?
            == 0
        {
            break;
        }
        match read_line(&bytes) {
            Ok(line) => verifier.leaf(line.chain, line.seq, line.leaf(), &line.hash),
            Err(error) => verifier.unreadable(number, error.to_string()),
        }
    }
    Ok(verifier.finish())
}
