//! What is limited, and to how much.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use time::OffsetDateTime;

use lattice_kernel::NanoUsd;
use lattice_kernel::allowance::Allowance;

use crate::window::Period;

/// Whose spending a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScopeKind {
    /// An organisation and all its teams.
    Org,
    /// A team and all its keys, users and agents.
    Team,
    /// A user, by whatever credential.
    User,
    /// One key.
    Key,
    /// An agent, by whatever credential.
    Agent,
    /// A model, by the name that clients ask for, whoever asks.
    Model,
}

impl ScopeKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Org,
        Self::Team,
        Self::User,
        Self::Key,
        Self::Agent,
        Self::Model,
    ];

    /// The name in configuration, the store and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Team => "team",
            Self::User => "user",
            Self::Key => "key",
            Self::Agent => "agent",
            Self::Model => "model",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What a model's spending is kept under: models have names only, and the books are kept
/// by identifier.
#[must_use]
pub fn model_id(name: &str) -> Uuid {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(b"model\0")
        .chain_update(name)
        .finalize()
        .into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(id).into_uuid()
}

/// One spender that a request falls under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Whose.
    pub kind: ScopeKind,
    /// What the books are kept under; outlives a change of name.
    pub id: Uuid,
    /// What limits are written for.
    pub name: Box<str>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Nano-US-dollars.
    Usd,
    /// Input and output tokens together.
    Tokens,
    /// Requests that reach a target.
    Requests,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 3] = [Self::Usd, Self::Tokens, Self::Requests];

    /// The name in the store and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        }
    }

    /// The unit with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == name)
    }
}

/// How much of each unit a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts {
    /// Its cost.
    pub usd: NanoUsd,
    /// Its tokens.
    pub tokens: u64,
    /// Itself: 1, or 0 where it never left.
    pub requests: u64,
}

impl Amounts {
    /// The amount in `unit`; never above what PostgreSQL's `bigint` holds.
    #[must_use]
    pub fn of(&self, unit: Unit) -> i64 {
        match unit {
            Unit::Usd => self.usd.as_i64(),
            Unit::Tokens => i64::try_from(self.tokens).unwrap_or(i64::MAX),
            Unit::Requests => i64::try_from(self.requests).unwrap_or(i64::MAX),
        }
    }
}

/// What happens where a limit has no room.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The request is refused.
    Hard,
    /// The request is served and noted.
    Soft,
    /// From then on the model of this name is served in place of the one that was asked
    /// for.
    Downgrade(Box<str>),
}

impl Mode {
    /// The name in configuration and listings.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Downgrade(_) => "downgrade",
        }
    }

    /// The mode with this name, and the model that `downgrade` goes with and no other.
    #[must_use]
    pub fn parse(name: &str, downgrade_to: Option<&str>) -> Option<Self> {
        match (name, downgrade_to) {
            ("hard", None) => Some(Self::Hard),
            ("soft", None) => Some(Self::Soft),
            ("downgrade", Some(model)) => Some(Self::Downgrade(model.into())),
            _ => None,
        }
    }
}

/// The most that one spender may take within one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Whose.
    pub kind: ScopeKind,
    /// Its name.
    pub name: Box<str>,
    /// Of what.
    pub unit: Unit,
    /// The period.
    pub period: Period,
    /// The most that may be taken in it, in `unit`.
    pub amount: i64,
    /// What happens then.
    pub mode: Mode,
}

impl Limit {
    /// What is left of a rate, with `used` of it used; `None` of other limits.
    pub(crate) fn allowance(
        &self,
        used: i64,
        ends: Option<OffsetDateTime>,
        at: OffsetDateTime,
    ) -> Option<Allowance> {
        let reset = ends.and_then(|ends| (ends - at).try_into().ok());
        self.is_rate().then(|| Allowance {
            limit: self.amount.try_into().unwrap_or(0),
            remaining: self.amount.saturating_sub(used).try_into().unwrap_or(0),
            reset: reset.unwrap_or_default(),
        })
    }

    /// Whether it is a rate rather than a budget.
    #[must_use]
    pub fn is_rate(&self) -> bool {
        self.period.window == crate::Window::Minute
    }
}

/// What the books are kept by: a limit of one spender. Several limits never share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// Whose.
    pub kind: ScopeKind,
    /// Its identifier.
    pub id: Uuid,
    /// Of what.
    pub unit: Unit,
    /// Over which period.
    pub period: Period,
}
