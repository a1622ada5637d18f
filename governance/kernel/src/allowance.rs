//! What is left of a caller's rates, for the headers of a reply.

use std::time::Duration;

/// The tightest rate of each kind that a request falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowances {
    /// Of requests.
    pub requests: Option<Allowance>,
    /// Of tokens.
    pub tokens: Option<Allowance>,
}

/// How much of a rate is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// A minute's worth.
    pub limit: u64,
    /// Of it, what is left, with this request counted.
    pub remaining: u64,
    /// Until all of it is there again.
    pub reset: Duration,
}

impl Allowances {
    /// Whether no rate applies.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
