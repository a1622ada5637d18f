//! What is limited, and to how much.

use uuid::Uuid;

use lattice_kernel::NanoUsd;

use crate::window::Window;

/// Whose spending a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScopeKind {
    /// A team and all its keys.
    Team,
    /// One key.
    Key,
}

impl ScopeKind {
    /// The name in configuration, the store and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Key => "key",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Team, Self::Key]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// One spender that a request falls under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Team or key.
    pub kind: ScopeKind,
    /// What the books are kept under; outlives a change of name.
    pub id: Uuid,
    /// What budgets are written for.
    pub name: Box<str>,
}

/// What happens where a budget has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The request is refused.
    Hard,
    /// The request is served and noted.
    Soft,
}

impl Mode {
    /// The name in configuration and listings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }

    /// The mode with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Hard, Self::Soft]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

/// A limit on what one spender may cost within one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Team or key.
    pub kind: ScopeKind,
    /// Its name.
    pub name: Box<str>,
    /// The span.
    pub window: Window,
    /// The most that may be spent in it.
    pub limit: NanoUsd,
    /// What happens at the limit.
    pub mode: Mode,
}
