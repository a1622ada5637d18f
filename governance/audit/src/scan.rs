//! Reading a segment's frames back, telling a torn tail from damage.
//!
//! A crash can leave the last batch half-written: it was never acknowledged
//! and is dropped. Anything else that is wrong is damage to acknowledged
//! leaves, and must not pass in silence.

use std::fmt;

use uuid::Uuid;

use crate::chain::LeafHash;
use crate::frame::{self, Defect, Frame};

/// The unit in which a disk writes all or nothing.
const SECTOR: usize = 512;

/// How far a chain was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub chain: Uuid,
    pub next_seq: u64,
    /// Hash of the last leaf.
    pub hash: LeafHash,
}

/// What is wrong with acknowledged leaves, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub offset: usize,
    pub seq: u64,
    pub reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Defect(Defect),
    /// A sound frame, but not the one that belongs here.
    Misplaced,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defect(defect) => defect.fmt(f),
            Self::Misplaced => f.write_str("its sequence number or hash does not fit the chain"),
        }
    }
}

/// Reads frames from `data[from..]` and moves `tip` past each.
///
/// `until`: the next segment's first sequence number, where there is one.
/// Frames up to it must be sound; what follows them is void, left by a write
/// that failed. Without it, a torn tail is left out. Returns where the sound
/// part ends.
pub(crate) fn scan(
    data: &[u8],
    from: usize,
    tip: &mut Tip,
    until: Option<u64>,
    mut each: impl FnMut(&Frame<'_>),
) -> Result<usize, Damage> {
    let mut at = from;
    while until.map_or(at < data.len(), |until| tip.next_seq < until) {
        let rest = data.get(at..).unwrap_or_default();
        let reason = match frame::decode(rest) {
            Ok(frame) if follows(&frame, tip) => {
                tip.next_seq += 1;
                tip.hash = frame.hash;
                at += frame.size();
                each(&frame);
                continue;
            }
            Ok(_) => Reason::Misplaced,
            Err(Defect::Unknown) => Reason::Defect(Defect::Unknown),
            Err(_) if until.is_none() && is_torn(data, at, tip.next_seq) => break,
            Err(defect) => Reason::Defect(defect),
        };
        return Err(Damage {
            offset: at,
            seq: tip.next_seq,
            reason,
        });
    }
    Ok(at)
}

fn follows(frame: &Frame<'_>, tip: &Tip) -> bool {
    frame.seq == tip.next_seq
        && frame.hash == LeafHash::of(tip.chain, frame.seq, &tip.hash, frame.leaf)
}

/// Whether the bytes from `at` were never acknowledged: no sound frame
/// follows, or only frames of the same batch behind sectors that never reached
/// the disk (they read as zero; no part of a frame does for that long). A
/// frame of a later batch proves that this one had been synced.
fn is_torn(data: &[u8], at: usize, seq: u64) -> bool {
    next_sound(data, at + 1)
        .is_none_or(|(next, batch)| batch <= seq && has_unwritten_sector(data, at, next))
}

/// The first sound frame from `from` on, and its batch.
pub(crate) fn next_sound(data: &[u8], from: usize) -> Option<(usize, u64)> {
    (from..data.len().saturating_sub(frame::LEAST_OVERHEAD - 1))
        .filter(|at| data[*at] == frame::MAGIC[0])
        .find_map(|at| Some((at, frame::decode(&data[at..]).ok()?.batch)))
}

fn has_unwritten_sector(data: &[u8], from: usize, to: usize) -> bool {
    (from / SECTOR..to.div_ceil(SECTOR)).any(|sector| {
        let part = &data[from.max(sector * SECTOR)..to.min((sector + 1) * SECTOR)];
        part.len() >= frame::MAGIC.len() && part.iter().all(|byte| *byte == 0)
    })
}
