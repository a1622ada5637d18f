//! What a reply cost in tokens.

/// Tokens of one reply, all choices together. Every dialect's reader brings its
/// provider's counts into this form, whatever includes what there.
///
/// Every count is at most 2^53, `cached_input` and `cache_write` are each at most
/// `input`, and `reasoning` is at most `output`. A provider may write and read
/// the same tokens in one request, so `cached_input + cache_write` may exceed
/// `input` (recorded from OpenRouter): subtract with saturation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Read by the model, cached ones included.
    pub input: u64,
    /// Of `input`, read from the provider's cache.
    pub cached_input: u64,
    /// Of `input`, written to the provider's cache.
    pub cache_write: u64,
    /// Made by the model, reasoning included.
    pub output: u64,
    /// Of `output`, not shown to the caller.
    pub reasoning: u64,
}

impl Usage {
    /// The largest count that every JSON reader keeps exact. No reply is as long.
    pub const ABSURD: u64 = 1 << 53;
}
