//! Whose sums a call counts into.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Everybody and everything that a call is charged to, all at once. `None`: there is no such
/// party to this call, or no sums are kept for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
// A journal that an earlier version wrote names fewer of them.
#[serde(default)]
pub struct Scopes {
    /// The organisation.
    pub org: Option<Uuid>,
    /// The team that it is asked for.
    pub team: Option<Uuid>,
    /// The user who asks.
    pub user: Option<Uuid>,
    /// The agent that asks.
    pub agent: Option<Uuid>,
    /// The key that was shown, if it was one.
    pub key: Option<Uuid>,
    /// The model that was asked for, by the id that the books keep it under.
    pub model: Option<Uuid>,
}
