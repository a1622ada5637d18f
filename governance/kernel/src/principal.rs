//! Who asks.

use uuid::Uuid;

/// A caller that gate 1 has recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The key that was shown.
    pub key: Named,
    /// The team that owns the key.
    pub team: Option<Named>,
    /// Models that the key is limited to; `None` is no limit of its own.
    pub models: Option<Vec<Box<str>>>,
    /// Models that the team is limited to; `None` is no limit of its own.
    pub team_models: Option<Vec<Box<str>>>,
}

/// A stable identifier and the name that people use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Stays the same when the name changes.
    pub id: Uuid,
    /// What people call it.
    pub name: Box<str>,
}
