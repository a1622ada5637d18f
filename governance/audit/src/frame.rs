//! One leaf on disk.
//!
//! ```text
//!   0  magic       F5 4C 4A 02: F5 occurs in no UTF-8 text, so in no leaf
//!   4  length      u32, bytes after the checksum
//!   8  checksum    CRC-32C of the magic and those bytes
//!  12  seq         u64
//!  20  batch       u64, seq of the first frame that was written and synced with this one
//!  28  hash        32 bytes
//!  60  index       98 bytes, see `put_index`
//! 158  more index  80 bytes, see `put_more`
//! 238  leaf        canonical JSON
//! ```
//! All numbers are big-endian. Frames of earlier versions of Lattice end their magic in 01
//! and have no second part of the index: they are read, so that an upgrade may find a
//! journal that is not shipped yet, and never written. Their checksum leaves out the magic.

use uuid::Uuid;

use crate::chain::{LeafHash, Position};
use crate::entry::{Index, Kind};
use crate::scopes::Scopes;
use crate::timestamp::Timestamp;

pub(crate) const MAGIC: [u8; 4] = Format::Wide.magic();
/// Bytes before the checksummed part.
const PREFIX: usize = 12;
/// Bytes of a frame that are not the leaf, as it is written.
pub(crate) const OVERHEAD: usize = Format::Wide.overhead();
/// The same, of the smallest frame that is read.
pub(crate) const LEAST_OVERHEAD: usize = Format::Narrow.overhead();

const ESTIMATED: u8 = 1;
const RESERVED: u8 = 2;
const SPENT: u8 = 4;
const INTENT: u8 = 8;
const RESERVED_TOKENS: u8 = 16;
const SPENT_TOKENS: u8 = 32;

/// How much of the index a frame has; the last byte of its magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Key, team and money.
    Narrow = 1,
    /// All scopes, and tokens too.
    Wide = 2,
}

impl Format {
    const fn overhead(self) -> usize {
        match self {
            Self::Narrow => 158,
            Self::Wide => 238,
        }
    }

    const fn magic(self) -> [u8; 4] {
        [0xF5, b'L', b'J', self as u8]
    }

    fn of(magic: [u8; 4]) -> Option<Self> {
        [Self::Narrow, Self::Wide]
            .into_iter()
            .find(|format| format.magic() == magic)
    }

    /// Of a wide frame the magic is covered too, so that one flipped byte makes none of the
    /// formats into the other.
    fn checksum(self, body: &[u8]) -> u32 {
        match self {
            Self::Narrow => crc32c::crc32c(body),
            Self::Wide => crc32c::crc32c_append(crc32c::crc32c(&self.magic()), body),
        }
    }
}

/// A frame that was read and whose checksum holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub format: Format,
    pub seq: u64,
    pub batch: u64,
    pub hash: LeafHash,
    pub index: Index,
    pub leaf: &'a [u8],
}

impl Frame<'_> {
    /// Bytes on disk.
    pub fn size(&self) -> usize {
        self.format.overhead() + self.leaf.len()
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = (self.size() - PREFIX) as u32;
        out.reserve(self.size());
        out.extend_from_slice(&self.format.magic());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.batch.to_be_bytes());
        out.extend_from_slice(&self.hash.0);
        put_index(&self.index, out);
        if self.format == Format::Wide {
            put_more(&self.index, out);
        }
        out.extend_from_slice(self.leaf);
        let checksum = self.format.checksum(&out[start + PREFIX..]);
        out[start + 8..start + PREFIX].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Defect {
    #[error("the bytes end inside a frame")]
    Short,
    #[error("no frame begins here")]
    Magic,
    #[error("the checksum does not match")]
    Checksum,
    #[error("the frame is sound but of a kind that this version does not know")]
    Unknown,
}

/// Reads the frame at the beginning of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame<'_>, Defect> {
    let mut fields = Fields(bytes);
    let format = Format::of(fields.take()?).ok_or(Defect::Magic)?;
    let length = u32::from_be_bytes(fields.take()?) as usize;
    let checksum = u32::from_be_bytes(fields.take()?);
    let body = fields.0.get(..length).ok_or(Defect::Short)?;
    if format.checksum(body) != checksum {
        return Err(Defect::Checksum);
    }
    // From here on the bytes are what was written: what cannot be read was
    // written by another version.
    read_body(format, body).ok_or(Defect::Unknown)
}

fn read_body(format: Format, body: &[u8]) -> Option<Frame<'_>> {
    let mut fields = Fields(body);
    Some(Frame {
        format,
        seq: u64::from_be_bytes(fields.take().ok()?),
        batch: u64::from_be_bytes(fields.take().ok()?),
        hash: LeafHash(fields.take().ok()?),
        index: match format {
            Format::Narrow => take_index(&mut fields)?.0,
            Format::Wide => take_more(&mut fields)?,
        },
        leaf: fields.0,
    })
}

fn put_index(index: &Index, out: &mut Vec<u8>) {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags = flag(index.estimated, ESTIMATED)
        | flag(index.reserved_delta_nano.is_some(), RESERVED)
        | flag(index.spent_delta_nano.is_some(), SPENT)
        | flag(index.intent.is_some(), INTENT)
        | flag(index.reserved_delta_tokens.is_some(), RESERVED_TOKENS)
        | flag(index.spent_delta_tokens.is_some(), SPENT_TOKENS);
    let intent = index.intent.unwrap_or(Position {
        chain: Uuid::nil(),
        seq: 0,
    });
    out.extend_from_slice(&[index.kind as u8, flags]);
    out.extend_from_slice(&index.at.as_micros().to_be_bytes());
    for id in [index.request, index.scopes.key, index.scopes.team] {
        out.extend_from_slice(id.unwrap_or_default().as_bytes());
    }
    out.extend_from_slice(&index.reserved_delta_nano.unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&index.spent_delta_nano.unwrap_or(0).to_be_bytes());
    out.extend_from_slice(intent.chain.as_bytes());
    out.extend_from_slice(&intent.seq.to_be_bytes());
}

fn put_more(index: &Index, out: &mut Vec<u8>) {
    let Scopes {
        org,
        user,
        agent,
        model,
        ..
    } = index.scopes;
    for id in [org, user, agent, model] {
        out.extend_from_slice(id.unwrap_or_default().as_bytes());
    }
    out.extend_from_slice(&index.reserved_delta_tokens.unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&index.spent_delta_tokens.unwrap_or(0).to_be_bytes());
}

/// The first part of an index, and its flags.
fn take_index(fields: &mut Fields<'_>) -> Option<(Index, u8)> {
    let [kind, flags] = fields.take().ok()?;
    let at = Timestamp::from_micros(i64::from_be_bytes(fields.take().ok()?));
    let request = fields.id()?;
    let scopes = Scopes {
        key: fields.id()?,
        team: fields.id()?,
        ..Scopes::default()
    };
    let reserved = i64::from_be_bytes(fields.take().ok()?);
    let spent = i64::from_be_bytes(fields.take().ok()?);
    let chain = Uuid::from_bytes(fields.take().ok()?);
    let seq = u64::from_be_bytes(fields.take().ok()?);
    let index = Index {
        request,
        scopes,
        reserved_delta_nano: (flags & RESERVED != 0).then_some(reserved),
        spent_delta_nano: (flags & SPENT != 0).then_some(spent),
        estimated: flags & ESTIMATED != 0,
        intent: (flags & INTENT != 0).then_some(Position { chain, seq }),
        ..Index::bare(Kind::from_byte(kind)?, at)
    };
    Some((index, flags))
}

fn take_more(fields: &mut Fields<'_>) -> Option<Index> {
    let (index, flags) = take_index(fields)?;
    let scopes = Scopes {
        org: fields.id()?,
        user: fields.id()?,
        agent: fields.id()?,
        model: fields.id()?,
        ..index.scopes
    };
    let reserved = i64::from_be_bytes(fields.take().ok()?);
    let spent = i64::from_be_bytes(fields.take().ok()?);
    Some(Index {
        scopes,
        reserved_delta_tokens: (flags & RESERVED_TOKENS != 0).then_some(reserved),
        spent_delta_tokens: (flags & SPENT_TOKENS != 0).then_some(spent),
        ..index
    })
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Defect> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Defect::Short)?;
        self.0 = rest;
        Ok(*field)
    }

    /// The nil id stands for none.
    fn id(&mut self) -> Option<Option<Uuid>> {
        let id = Uuid::from_bytes(self.take().ok()?);
        Some((!id.is_nil()).then_some(id))
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    /// Never the nil id: it stands for none.
    fn id() -> impl Strategy<Value = Option<Uuid>> {
        option::of((1..=u128::MAX).prop_map(Uuid::from_u128))
    }

    prop_compose! {
        fn scopes()(
            org in id(), team in id(), user in id(), agent in id(), key in id(), model in id(),
        ) -> Scopes {
            Scopes { org, team, user, agent, key, model }
        }
    }

    prop_compose! {
        fn index()(
            kind in 1..=7_u8, at in 0..=4_000_000_000_000_000_i64,
            request in id(), scopes in scopes(),
            nano in [option::of(any::<i64>()), option::of(any::<i64>())],
            tokens in [option::of(any::<i64>()), option::of(any::<i64>())],
            estimated in any::<bool>(),
            intent in option::of((any::<u128>(), any::<u64>())),
        ) -> Index {
            Index {
                kind: Kind::from_byte(kind).unwrap(),
                at: Timestamp::from_micros(at),
                request, scopes, estimated,
                reserved_delta_nano: nano[0],
                spent_delta_nano: nano[1],
                reserved_delta_tokens: tokens[0],
                spent_delta_tokens: tokens[1],
                intent: intent.map(|(chain, seq)| Position { chain: Uuid::from_u128(chain), seq }),
            }
        }
    }

    proptest! {
        #[test]
        fn a_frame_reads_back_as_it_was_written(
            seq in any::<u64>(), batch in any::<u64>(), hash in any::<[u8; 32]>(),
            index in index(), leaf in prop::collection::vec(any::<u8>(), 0..300),
            after in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let frame = Frame { format: Format::Wide, seq, batch, hash: LeafHash(hash), index, leaf: &leaf };
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), frame.size());
            bytes.extend_from_slice(&after);
            prop_assert_eq!(decode(&bytes).unwrap(), frame);
        }

        #[test]
        fn a_frame_of_an_earlier_version_reads_back_with_what_it_knew(
            index in index(), leaf in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let known = Index {
                scopes: Scopes {
                    key: index.scopes.key,
                    team: index.scopes.team,
                    ..Scopes::default()
                },
                reserved_delta_tokens: None,
                spent_delta_tokens: None,
                ..index
            };
            let frame = Frame {
                format: Format::Narrow, seq: 3, batch: 1, hash: LeafHash::ZERO, index: known, leaf: &leaf,
            };
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            prop_assert_eq!(&bytes[..4], [0xF5, b'L', b'J', 1]);
            prop_assert_eq!(bytes.len(), 158 + leaf.len());
            bytes.push(7);
            prop_assert_eq!(decode(&bytes).unwrap(), frame);
        }

        #[test]
        fn no_flipped_byte_and_no_cut_is_a_frame(
            index in index(), leaf in prop::collection::vec(any::<u8>(), 0..200),
            place in any::<prop::sample::Index>(), mask in 1..=255_u8,
        ) {
            let mut bytes = Vec::new();
            Frame { format: Format::Wide, seq: 3, batch: 1, hash: LeafHash::ZERO, index, leaf: &leaf }.encode(&mut bytes);
            let place = place.index(bytes.len());
            prop_assert_eq!(decode(&bytes[..place]), Err(Defect::Short));
            bytes[place] ^= mask;
            prop_assert!(decode(&bytes).is_err());
        }
    }
}
