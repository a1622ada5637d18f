//! A request on its way to a target.

use bytes::Bytes;

/// What a request is encoded for, beside the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The provider's name of the model.
    pub model: &'a str,
    /// Output tokens of one choice, reasoning included, in place of what the
    /// caller asked for; at least 1.
    pub output_cap: Option<u64>,
}

/// A request as a target gets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// JSON.
    pub body: Bytes,
    /// What was dropped or changed, for `x-lattice-noted`: the caller's field by
    /// itself where it was left out, else `field: what became of it`. None comes
    /// twice, and none holds a comma.
    pub noted: Vec<String>,
}
