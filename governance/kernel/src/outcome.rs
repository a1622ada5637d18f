//! How a call ended: what the second leaf of the audit chain records.

use std::sync::Arc;
use std::time::Duration;

use crate::gates::Ruling;
use crate::money::{Bill, NanoUsd};
use crate::refusal::Code;
use crate::usage::Usage;

/// The ways in which a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The whole reply reached the client's socket.
    Finished,
    /// The provider answered with an error status of its own.
    Rejected,
    /// Execution failed before or during the reply.
    Failed(Code),
    /// The client left; the upstream was cancelled.
    ClientGone,
    /// The upstream ended in the middle of its reply.
    Cut,
    /// The record was dropped: a panic, or the process is stopping.
    Dropped,
}

impl Ending {
    /// The name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Rejected => "rejected",
            Self::Failed(_) => "failed",
            Self::ClientGone => "client_gone",
            Self::Cut => "cut",
            Self::Dropped => "dropped",
        }
    }
}

/// What is known once a call has ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The target's status, where it answered.
    pub status: Option<u16>,
    /// The target that was called last.
    pub provider: Option<Arc<str>>,
    /// Its model.
    pub model: Option<Arc<str>>,
    /// Calls that may have reached a target.
    pub attempts: u32,
    /// Of these, the ones that were given up although they may have been billed. The
    /// cost holds their bound; where nothing was reckoned they have none, and the
    /// cost is that of the last attempt alone.
    pub abandoned: u32,
    /// As the target reported it.
    pub usage: Option<Usage>,
    /// How the cost of the last attempt came about; `None` where it was not reckoned
    /// from a usage.
    pub bill: Option<Bill>,
    /// What of the cost is for the attempts that were given up.
    pub given_up: Option<NanoUsd>,
    /// `None`: unknown, because the target is unpriced or nothing was reckoned.
    pub cost: Option<NanoUsd>,
    /// The cost is not a count: for an attempt that reported no usage it holds the
    /// most that it can have cost, and for a tier whose rates are not known dearer ones.
    pub estimated: bool,
    /// What the lease held.
    pub reserved: Option<NanoUsd>,
    /// From arrival to the first byte of the reply.
    pub first_byte: Option<Duration>,
    /// From arrival to the end.
    pub duration: Duration,
    /// What became of the tool calls of the reply.
    pub rulings: Rulings,
}

impl Outcome {
    /// The tokens of all attempts; `None` where an attempt may have been billed and did
    /// not report them.
    #[must_use]
    pub fn tokens(&self) -> Option<u64> {
        if self.abandoned > 0 {
            return None;
        }
        match &self.usage {
            Some(usage) => Some(usage.input.saturating_add(usage.output)),
            None => (self.cost == Some(NanoUsd::ZERO) && !self.estimated).then_some(0),
        }
    }
}

/// What became of the tool calls of one reply. A model chooses how many there are and
/// what they are called, so names are kept of some only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rulings {
    /// Passed on as they were.
    pub released: u32,
    /// Passed on with other arguments.
    pub rewritten: u32,
    /// Kept from the caller.
    pub refused: u32,
    /// The tools of the first of these, at most [`Self::NAMES`], each cut to
    /// [`Self::NAME`] bytes.
    pub refused_names: Vec<Box<str>>,
}

impl Rulings {
    /// How many names are kept.
    pub const NAMES: usize = 16;
    /// How many bytes of each.
    pub const NAME: usize = 64;

    /// Whether any call was judged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many calls were judged.
    #[must_use]
    pub fn total(&self) -> u32 {
        let passed = self.released.saturating_add(self.rewritten);
        passed.saturating_add(self.refused)
    }

    pub(crate) fn count(&mut self, name: &str, ruling: &Ruling) {
        let counter = match ruling {
            Ruling::Release => &mut self.released,
            Ruling::Rewrite(_) => &mut self.rewritten,
            Ruling::Refuse(_) => &mut self.refused,
        };
        *counter = counter.saturating_add(1);
        if matches!(ruling, Ruling::Refuse(_)) && self.refused_names.len() < Self::NAMES {
            let end = name.floor_char_boundary(Self::NAME);
            self.refused_names.push(name[..end].into());
        }
    }
}
