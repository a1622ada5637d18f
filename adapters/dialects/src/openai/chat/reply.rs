//! A reply that came whole.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::Usage;

/// The usage that a JSON reply reports; `None` when it does not, or when the
/// body is anything else.
#[must_use]
pub fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        #[serde(borrow)]
        usage: &'a RawValue,
        #[serde(borrow)]
        service_tier: Option<&'a RawValue>,
    }
    let reply: Reply<'_> = serde_json::from_slice(body).ok()?;
    Usage::served(reply.usage.get(), reply.service_tier)
}
