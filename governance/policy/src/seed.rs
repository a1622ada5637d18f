//! What the keys of one set's decisions begin with.

use sha2::{Digest, Sha256};

/// Changes with any change to how questions and sets are digested.
const DOMAIN: &[u8] = b"lattice.authz.decision.3\0";
/// Changes whenever the same question would be put to a set in another form.
pub(crate) const SCHEMA: u32 = 2;

/// Everything beside the question that a decision follows from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed<'a> {
    /// Version of the input's form.
    pub(crate) schema: u32,
    /// What the set is called.
    pub(crate) revision: &'a str,
    /// Digest of its files.
    pub(crate) files: &'a [u8; 32],
    /// What the store calls its data.
    pub(crate) data_revision: i64,
    /// Digest of those.
    pub(crate) data: &'a [u8; 32],
    /// The rule that is asked for.
    pub(crate) entry_point: &'a str,
}

impl Seed<'_> {
    /// What each key begins with.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let Self {
            schema,
            revision,
            files,
            data_revision,
            data,
            entry_point,
        } = *self;
        let mut hash = Sha256::new_with_prefix(DOMAIN);
        hash.update(schema.to_le_bytes());
        hash.update(files);
        hash.update(data_revision.to_le_bytes());
        hash.update(data);
        for text in [revision, entry_point] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }
}

/// A hash that has taken in a seed already.
///
/// The seed is filled up to a whole block, which is hashed once for a set and not for
/// each key.
#[derive(Clone)]
pub(crate) struct Seeded(Sha256);

impl Seeded {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(seed);
        Self(Sha256::new_with_prefix(block))
    }

    /// To be gone on with.
    pub(crate) fn hash(&self) -> Sha256 {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_part_is_in_the_seed() {
        let (files, data) = (&[1; 32], &[2; 32]);
        let sample = Seed {
            schema: SCHEMA,
            revision: "seven-0123",
            files,
            data_revision: 7,
            data,
            entry_point: "data.lattice.authz.decision",
        };
        let seeds = [
            sample,
            Seed {
                schema: SCHEMA + 1,
                ..sample
            },
            Seed {
                revision: "eight-0123",
                ..sample
            },
            Seed {
                revision: "",
                ..sample
            },
            Seed {
                files: data,
                ..sample
            },
            Seed {
                data_revision: 8,
                ..sample
            },
            Seed {
                data: files,
                ..sample
            },
            Seed {
                entry_point: "data.lattice.authz.allow",
                ..sample
            },
            // The same letters, cut elsewhere.
            Seed {
                revision: "seven-0123data",
                entry_point: ".lattice.authz.decision",
                ..sample
            },
        ];
        let digests: BTreeSet<[u8; 32]> = seeds.iter().map(Seed::digest).collect();
        assert_eq!(digests.len(), seeds.len());
    }
}
