//! One record on its way into the journal: canonical leaf bytes beside the
//! fixed-size index that recovery and the store read instead of the JSON.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chain::Position;
use crate::leaf::{self, Ending, Leaf, Outcome};
use crate::scopes::Scopes;
use crate::timestamp::Timestamp;

/// What a leaf records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A chain begins.
    Start = 1,
    /// A governed action is about to leave the house.
    Intent = 2,
    /// How it ended.
    Outcome = 3,
    /// A gate said no.
    Refusal = 4,
    /// Actions were served without a record.
    Gap = 5,
    /// The chain ends in good order.
    Stop = 6,
    /// The policy set was to be changed.
    Policy = 7,
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Start,
            Self::Intent,
            Self::Outcome,
            Self::Refusal,
            Self::Gap,
            Self::Stop,
            Self::Policy,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }

    /// The leaf's `kind` member.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Refusal => "refusal",
            Self::Gap => "gap",
            Self::Stop => "stop",
            Self::Policy => "policy",
        }
    }
}

/// The index of a leaf. It repeats what the leaf says, is covered by the
/// frame's checksum and not by the hash; the leaf is what counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// What the leaf records.
    pub kind: Kind,
    /// When it was; for an outcome, when its intent was, whose hour it is charged to.
    pub at: Timestamp,
    /// The request's id.
    pub request: Option<Uuid>,
    /// Whose sums it changes.
    pub scopes: Scopes,
    /// Change of the reserved sum, nano-USD: up at an intent, down by as much
    /// at its outcome. `None` at an intent that has no price.
    pub reserved_delta_nano: Option<i64>,
    /// Change of the spent sum, nano-USD; `None` where the cost is unknown.
    pub spent_delta_nano: Option<i64>,
    /// As `reserved_delta_nano`, in tokens; `None` where none were reserved.
    pub reserved_delta_tokens: Option<i64>,
    /// As `spent_delta_nano`, in tokens; `None` where nobody counted.
    pub spent_delta_tokens: Option<i64>,
    /// The spent sum is an upper bound, not a count.
    pub estimated: bool,
    /// At an outcome, the intent that it ends.
    pub intent: Option<Position>,
}

impl Index {
    pub(crate) fn bare(kind: Kind, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            request: None,
            scopes: Scopes::default(),
            reserved_delta_nano: None,
            spent_delta_nano: None,
            reserved_delta_tokens: None,
            spent_delta_tokens: None,
            estimated: false,
            intent: None,
        }
    }
}

/// A leaf's canonical bytes and its index; made from the types of [`leaf`].
#[derive(Clone, Debug)]
pub struct Entry {
    pub(crate) index: Index,
    pub(crate) leaf: Vec<u8>,
}

impl Entry {
    pub(crate) fn new(index: Index, leaf: &Leaf<'_>) -> Self {
        Self {
            index,
            leaf: leaf.canonical(),
        }
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The canonical bytes: compact JSON, members in a fixed order.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }
}

/// Who an outcome's sums belong to: copied from the intent, because the
/// outcome's leaf names its intent instead of repeating it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// When the intent was made: its outcome is charged to the same hour.
    pub at: Timestamp,
    /// Whose sums they are.
    pub scopes: Scopes,
    /// What the intent reserved, nano-USD; `None` where it had no price.
    pub reserved_nano: Option<i64>,
    /// What the intent reserved, tokens; `None` where it reserved none.
    pub reserved_tokens: Option<i64>,
}

/// An intent whose outcome is not on disk: the process died in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIntent {
    /// Where the intent stands.
    pub position: Position,
    /// When it was written.
    pub at: Timestamp,
    /// The request's id.
    pub request: Option<Uuid>,
    /// Whose sums it changed.
    #[serde(flatten)]
    pub scopes: Scopes,
    /// What it reserved, nano-USD; `None` where it had no price.
    pub reserved_nano: Option<i64>,
    /// What it reserved, tokens; `None` where it reserved none.
    #[serde(default)]
    pub reserved_tokens: Option<i64>,
}

impl OpenIntent {
    pub(crate) fn of(position: Position, index: &Index) -> Self {
        Self {
            position,
            at: index.at,
            request: index.request,
            scopes: index.scopes,
            reserved_nano: index.reserved_delta_nano,
            reserved_tokens: index.reserved_delta_tokens,
        }
    }

    /// Who its outcome is charged to.
    #[must_use]
    pub fn account(&self) -> Account {
        Account {
            at: self.at,
            scopes: self.scopes,
            reserved_nano: self.reserved_nano,
            reserved_tokens: self.reserved_tokens,
        }
    }

    /// The outcome that a crash leaves: the call may have reached its
    /// provider, so the reservation is spent in full, marked estimated.
    #[must_use]
    pub fn crashed(&self, at: Timestamp) -> Entry {
        Outcome {
            at,
            request_id: self.request.unwrap_or_default(),
            intent: self.position,
            ending: Ending::Crashed,
            code: None,
            status: None,
            provider: None,
            model: None,
            attempts: 0,
            abandoned: 0,
            usage: None,
            bill: None,
            abandoned_nano_usd: None,
            reserved_nano_usd: self.reserved_nano,
            cost_nano_usd: self.reserved_nano,
            estimated: true,
            ttft_us: None,
            duration_us: at.micros_since(self.at),
            tools: None,
        }
        .entry(&self.account(), self.reserved_tokens)
    }
}

impl leaf::Intent<'_> {
    /// The record to append before the call is made.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let index = Index {
            request: Some(self.request_id),
            scopes: Scopes {
                model: self.model_id,
                ..named(self.org, self.team, self.user, self.agent, self.key)
            },
            reserved_delta_nano: self.reserved_nano_usd,
            reserved_delta_tokens: self.reserved_tokens,
            ..Index::bare(Kind::Intent, self.at)
        };
        Entry::new(index, &Leaf::Intent(self))
    }
}

impl Outcome<'_> {
    /// The record to append at the end of the call that `account` paid for. `spent_tokens`:
    /// what it counts for where tokens are limited; `None` where nobody counted.
    #[must_use]
    pub fn entry(&self, account: &Account, spent_tokens: Option<i64>) -> Entry {
        let index = Index {
            request: Some(self.request_id),
            scopes: account.scopes,
            reserved_delta_nano: account.reserved_nano.map(i64::wrapping_neg),
            spent_delta_nano: self.cost_nano_usd,
            reserved_delta_tokens: account.reserved_tokens.map(i64::wrapping_neg),
            spent_delta_tokens: spent_tokens,
            estimated: self.estimated,
            intent: Some(self.intent),
            ..Index::bare(Kind::Outcome, account.at)
        };
        Entry::new(index, &Leaf::Outcome(self))
    }
}

impl leaf::PolicySwap<'_> {
    /// The record of a policy set that took over, or was refused.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry::new(Index::bare(Kind::Policy, self.at), &Leaf::Policy(self))
    }
}

impl leaf::Refusal<'_> {
    /// The record of a gate's no.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let index = Index {
            request: self.request_id,
            scopes: named(self.org, self.team, self.user, self.agent, self.key),
            ..Index::bare(Kind::Refusal, self.at)
        };
        Entry::new(index, &Leaf::Refusal(self))
    }
}

fn named(
    org: Option<leaf::Named<'_>>,
    team: Option<leaf::Named<'_>>,
    user: Option<leaf::Named<'_>>,
    agent: Option<leaf::Named<'_>>,
    key: Option<leaf::Named<'_>>,
) -> Scopes {
    let id = |named: Option<leaf::Named<'_>>| named.map(|named| named.id);
    Scopes {
        org: id(org),
        team: id(team),
        user: id(user),
        agent: id(agent),
        key: id(key),
        model: None,
    }
}
