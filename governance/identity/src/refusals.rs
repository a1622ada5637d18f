//! What gate 1 says to a caller. Each sentence names the mend; none repeats the
//! credential.

use std::time::Duration;

use lattice_kernel::{Code, Gate, Refusal};

use crate::store::StoreFailure;

pub(crate) fn missing() -> Refusal {
    refusal(
        Code::IdentityMissing,
        "No API key was sent; send a Lattice key as `Authorization: Bearer lat_…`.",
    )
}

/// What was sent cannot be a key, so nobody was asked.
pub(crate) fn misspelt() -> Refusal {
    refusal(
        Code::IdentityUnknown,
        "The API key is not a Lattice key or was not copied whole; send one that begins with `lat_` and has 42 characters.",
    )
}

pub(crate) fn unknown() -> Refusal {
    refusal(
        Code::IdentityUnknown,
        "The API key is not known to this gateway; check the base URL, or ask its administrator for a key (`lattice key create`).",
    )
}

pub(crate) fn expired() -> Refusal {
    refusal(
        Code::IdentityExpired,
        "The API key has expired; ask the gateway's administrator for a new one (`lattice key rotate`).",
    )
}

pub(crate) fn revoked() -> Refusal {
    refusal(
        Code::IdentityRevoked,
        "The API key was revoked; ask the gateway's administrator for a new one (`lattice key create`).",
    )
}

/// Enabled again, the same key works: it need not be replaced.
pub(crate) fn disabled() -> Refusal {
    refusal(
        Code::IdentityRevoked,
        "The user or agent that the API key belongs to is disabled; the gateway's administrator can enable it again (`lattice user enable`, `lattice agent enable`).",
    )
}

pub(crate) fn unavailable(failure: &StoreFailure) -> Refusal {
    refusal(
        Code::StoreUnavailable,
        "The API key cannot be checked because the gateway's database does not answer; try again in a few seconds.",
    )
    .retry_after(Duration::from_secs(2))
    .because(failure.to_string())
}

fn refusal(code: Code, message: &str) -> Refusal {
    Refusal::new(Gate::Identity, code, message)
}
