//! Is the record whole? Works on rows from the store and on an export alike.
//!
//! Finds: an altered leaf, a missing one, one out of place, a chain that does
//! not begin where the one before it ended, two chains that claim the same
//! place, and, where heads are known from elsewhere ([`Verifier::expect`]), a
//! tail that was cut off. Without such a head the last leaves of the last
//! chain can be removed unseen, as can be a history that was rewritten whole:
//! that takes a witness outside the database.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use uuid::Uuid;

use crate::chain::{ChainHead, LeafHash};

/// Most findings that a report spells out; the rest are counted.
const MOST_FINDINGS: usize = 1000;

/// Something that is wrong with the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The leaf's hash is not what its bytes and the leaf before it give.
    Altered {
        /// The chain.
        chain: Uuid,
        /// The leaf.
        seq: u64,
    },
    /// Leaves are missing.
    Missing {
        /// The chain.
        chain: Uuid,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// A leaf comes after one that it stands before, or twice.
    OutOfOrder {
        /// The chain.
        chain: Uuid,
        /// The leaf.
        seq: u64,
    },
    /// The end of a chain is cut off or is another than is known elsewhere.
    HeadDiffers {
        /// The end that is known: from the next chain's `start`, or from the store.
        expected: ChainHead,
        /// The last leaf that is there, `None` where the whole chain is missing.
        found: Option<u64>,
    },
    /// Two chains both say that they follow `previous`.
    Forked {
        /// The chain that came second.
        chain: Uuid,
        /// The chain that both claim to follow.
        previous: Uuid,
    },
    /// A line of an export is not a leaf.
    Unreadable {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { chain, seq } => write!(
                f,
                "chain {chain}, leaf {seq}: its hash does not match: it was changed, or the leaf \
                 before it was replaced; compare both with an earlier export"
            ),
            Self::Missing { chain, from, to } if from == to => write!(
                f,
                "chain {chain}, leaf {from}: missing; look for it in an earlier export and in \
                 the gateway's journal"
            ),
            Self::Missing { chain, from, to } => write!(
                f,
                "chain {chain}, leaves {from} to {to}: missing; look for them in an earlier \
                 export and in the gateway's journal"
            ),
            Self::OutOfOrder { chain, seq } => write!(
                f,
                "chain {chain}, leaf {seq}: out of order or twice; if this is a hand-made export, \
                 export again"
            ),
            Self::HeadDiffers {
                expected: ChainHead { chain, seq, .. },
                found: None,
            } => write!(
                f,
                "chain {chain}, leaf {seq}: the whole chain is missing though it is known to end \
                 there; an export must hold all chains from its first on"
            ),
            Self::HeadDiffers {
                expected: ChainHead { chain, seq, .. },
                found: Some(found),
            } => {
                write!(
                    f,
                    "chain {chain}, leaf {seq}: the chain is known to end there with another \
                     hash, and ends at leaf {found}; its tail was cut off or replaced"
                )
            }
            Self::Forked { chain, previous } => write!(
                f,
                "chain {chain}, leaf 0: another chain follows {previous} too; find out which \
                 gateway ran on a copied data_dir"
            ),
            Self::Unreadable { line, reason } => write!(
                f,
                "line {line}: not an exported leaf ({reason}); export again, and compare"
            ),
        }
    }
}

/// What a verification saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Leaves that were read.
    pub leaves: u64,
    /// Chains that were read.
    pub chains: u64,
    /// What is wrong, in the order of reading; at most 1,000.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub more: u64,
}

impl Report {
    /// True where nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            leaves,
            chains,
            findings,
            more,
        } = self;
        if findings.is_empty() {
            let plural = if *chains == 1 { "" } else { "s" };
            return write!(f, "sound: {leaves} leaves in {chains} chain{plural}");
        }
        let count = findings.len() as u64 + more;
        write!(
            f,
            "NOT sound: {count} findings in {leaves} leaves of {chains} chains"
        )?;
        findings
            .iter()
            .try_for_each(|finding| write!(f, "\n  {finding}"))?;
        if *more > 0 {
            write!(f, "\n  and {more} more")?;
        }
        Ok(())
    }
}

/// Checks leaves one by one; chains may come in any order and interleaved,
/// the leaves of each in order. Memory grows with chains, not with leaves.
#[derive(Debug, Default)]
pub struct Verifier {
    chains: HashMap<Uuid, Seen>,
    /// Heads that chains must have, in the order in which they became known.
    expected: Vec<ChainHead>,
    /// Which chain follows which.
    followers: HashMap<Uuid, Uuid>,
    report: Report,
}

/// How far a chain was read.
#[derive(Debug)]
struct Seen {
    next_seq: u64,
    hash: LeafHash,
}

/// The one member that verification reads.
#[derive(Deserialize)]
struct Start {
    previous: Option<ChainHead>,
}

impl Verifier {
    /// A verifier that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says where a chain ends: from the store's list of chains, read in one
    /// snapshot with the leaves, or from a witness.
    pub fn expect(&mut self, head: ChainHead) {
        self.expected.push(head);
    }

    /// Takes chains before this one on trust: for an export that begins in
    /// the middle of the history, right after `head`.
    pub fn trust(&mut self, head: ChainHead) {
        self.chains.insert(
            head.chain,
            Seen {
                next_seq: head.seq + 1,
                hash: head.hash,
            },
        );
    }

    /// Checks the next leaf.
    pub fn leaf(&mut self, chain: Uuid, seq: u64, leaf: &[u8], hash: &LeafHash) {
        self.report.leaves += 1;
        let next = self.chains.get(&chain).map_or(0, |seen| seen.next_seq);
        if seq < next {
            return self.report.add(Finding::OutOfOrder { chain, seq });
        }
        if seq > next {
            // What the hash stands on is gone; the chain is taken up from here.
            self.report.add(Finding::Missing {
                chain,
                from: next,
                to: seq - 1,
            });
        } else if LeafHash::of(chain, seq, &self.previous_hash(chain, seq, leaf), leaf) != *hash {
            self.report.add(Finding::Altered { chain, seq });
        }
        let seen = self.chains.insert(
            chain,
            Seen {
                next_seq: seq + 1,
                hash: *hash,
            },
        );
        self.report.chains += u64::from(seen.is_none());
    }

    fn previous_hash(&mut self, chain: Uuid, seq: u64, leaf: &[u8]) -> LeafHash {
        if seq > 0 {
            return self
                .chains
                .get(&chain)
                .map_or(LeafHash::ZERO, |seen| seen.hash);
        }
        // A first leaf that is no `start` cannot match its hash either.
        let start = serde_json::from_slice::<Start>(leaf).ok();
        let Some(previous) = start.and_then(|start| start.previous) else {
            return LeafHash::ZERO;
        };
        self.expected.push(previous);
        if self.followers.insert(previous.chain, chain).is_some() {
            self.report.add(Finding::Forked {
                chain,
                previous: previous.chain,
            });
        }
        previous.hash
    }

    pub(crate) fn unreadable(&mut self, line: u64, reason: String) {
        self.report.add(Finding::Unreadable { line, reason });
    }

    /// Checks how the chains hang together and reports.
    #[must_use]
    pub fn finish(mut self) -> Report {
        for expected in self.expected {
            let seen = self.chains.get(&expected.chain);
            let found = seen.map(|seen| seen.next_seq - 1);
            if found != Some(expected.seq) || seen.is_none_or(|seen| seen.hash != expected.hash) {
                self.report.add(Finding::HeadDiffers { expected, found });
            }
        }
        self.report
    }
}
