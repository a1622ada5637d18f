//! A reply that came whole.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage;
use crate::canonical::Usage;

/// The usage that a JSON reply reports; `None` when it does not, or when the body is
/// anything else.
#[must_use]
pub fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply<'a> {
        #[serde(borrow)]
        usage_metadata: &'a RawValue,
    }
    let reply: Reply<'_> = serde_json::from_slice(body).ok()?;
    usage::read(reply.usage_metadata.get())
}
