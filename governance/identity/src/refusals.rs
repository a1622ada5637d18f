//! What gate 1 says to a caller. Each sentence names the mend; none repeats the
//! credential.

use std::time::Duration;

use lattice_kernel::principal::Distrust;
use lattice_kernel::{Code, Gate, Refusal};

use crate::store::StoreFailure;
use crate::token::COOL;

pub(crate) fn missing() -> Refusal {
    refusal(
        Code::IdentityMissing,
        "No API key was sent; send a Lattice key as `Authorization: Bearer lat_…`.",
    )
}

/// Whichever counted, the other one may have been what the caller meant.
pub(crate) fn several() -> Refusal {
    refusal(
        Code::IdentityUnknown,
        "Several different credentials were sent; send one alone, in `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` or `api-key`.",
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

/// In the same words whatever is wrong with it: nobody learns how near they came.
pub(crate) fn token_unknown() -> Refusal {
    refusal(
        Code::IdentityUnknown,
        "The token does not count here; get a new one for this gateway's audience from the identity provider, or ask the gateway's administrator which one that is.",
    )
}

/// `first` of the teams that its groups stand for; those behind it are in the same way.
pub(crate) fn token_without_team(issuer: &str, first: &str) -> Refusal {
    token_unknown().because(format!(
        "a token of {issuer} was refused: its groups stand for teams, {first:?} before all, and none of them is in the store and of the bearer's organisation; make it with `lattice team create`, or change `teams` of the issuer"
    ))
}

/// What the token says of an organisation is a name that the store does not know.
pub(crate) fn token_without_org(issuer: &str, org: &str) -> Refusal {
    token_unknown().because(format!(
        "a token of {issuer} was refused: its organisation {org:?} is not in the store; make it with `lattice org create`, or leave `claims.org` of the issuer out"
    ))
}

pub(crate) fn token_expired() -> Refusal {
    refusal(
        Code::IdentityExpired,
        "The token has expired; get a new one from the identity provider.",
    )
}

pub(crate) fn keys_unavailable(issuer: &str) -> Refusal {
    refusal(
        Code::StoreUnavailable,
        "The token cannot be checked because its identity provider does not answer; try again in a few seconds.",
    )
    .retry_after(COOL)
    .because(format!("the keys of issuer {issuer} cannot be had"))
}

pub(crate) fn holder_disabled() -> Refusal {
    refusal(
        Code::IdentityRevoked,
        "The user or agent behind this token or certificate is disabled; the gateway's administrator can enable it again.",
    )
}

pub(crate) fn holder_deleted() -> Refusal {
    refusal(
        Code::IdentityRevoked,
        "The user behind this token was deleted; the gateway's administrator can make it anew (`lattice user create`).",
    )
}

pub(crate) fn directory_unavailable(failure: &StoreFailure) -> Refusal {
    refusal(
        Code::StoreUnavailable,
        "The caller cannot be looked up because the gateway's database does not answer; try again in a few seconds.",
    )
    .retry_after(Duration::from_secs(2))
    .because(failure.to_string())
}

/// Neither a key nor a token.
pub(crate) fn unrecognisable() -> Refusal {
    refusal(
        Code::IdentityUnknown,
        "What was sent is neither a Lattice key, which begins with `lat_`, nor a token of an identity provider; send one of these, never a provider's key.",
    )
}

pub(crate) fn certificate_missing() -> Refusal {
    refusal(
        Code::IdentityMissing,
        "This gateway asks for a client certificate; connect with one that its administrator's authority has signed.",
    )
}

pub(crate) fn certificate_unknown() -> Refusal {
    refusal(
        Code::IdentityUnknown,
        "No user or agent has this client certificate; ask the gateway's administrator to assign one of its names, or send a Lattice key.",
    )
}

pub(crate) fn certificate_expired() -> Refusal {
    refusal(
        Code::IdentityExpired,
        "The client certificate has expired since the connection was made; connect again with a new one.",
    )
}

pub(crate) fn certificate_distrusted(why: Distrust) -> Refusal {
    match why {
        Distrust::Expired => certificate_expired(),
        Distrust::Revoked => refusal(
            Code::IdentityRevoked,
            "The client certificate has been revoked since the connection was made; ask whoever issued it for a new one, and connect again with that.",
        ),
        Distrust::Untrusted => refusal(
            Code::IdentityUnknown,
            "The gateway does not trust the client certificate any more; connect again with one that its administrator's authority has signed, or tell the administrator, whose list of revoked certificates may be out of date.",
        ),
    }
}

fn refusal(code: Code, message: &str) -> Refusal {
    Refusal::new(Gate::Identity, code, message)
}
