//! What is wrong with a token, for the log alone: every caller is told the same.

/// Why a token does not count.
///
/// No text of the token is in here, so that none can reach a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it is longer than 16 KiB")]
    TooLong,
    #[error("it is not three parts in base64url, each JSON objects without a name twice")]
    Malformed,
    #[error("its `typ` is not that of an access token")]
    Type,
    #[error("it asks for extensions (`crit`), and none are known here")]
    Critical,
    #[error("its `alg` is not one that is configured for its issuer")]
    Algorithm,
    #[error("its issuer is not configured")]
    Issuer,
    #[error("it names no key (`kid`), and its issuer has several")]
    NoKeyNamed,
    #[error("its issuer has no key of that `kid`")]
    UnknownKey,
    #[error("the key of that `kid` is not for this `alg`")]
    KeyMismatch,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is not for this gateway (`aud`)")]
    Audience,
    #[error("it has no expiry (`exp`), or none that is a time")]
    NoExpiry,
    #[error("it has expired")]
    Expired,
    #[error("it does not count yet (`nbf`)")]
    Early,
    #[error("it was issued in the future (`iat`); is the clock right?")]
    Future,
    #[error("it has no subject (`sub`), or none of a usable length")]
    Subject,
    #[error("it lacks a claim that configuration requires")]
    Required,
}

impl Fault {
    /// Whether it was found before the signature was known to be good: then anybody
    /// can have sent it, as often as they like.
    pub(crate) fn is_anybodys(self) -> bool {
        match self {
            Self::TooLong
            | Self::Malformed
            | Self::Type
            | Self::Critical
            | Self::Algorithm
            | Self::Issuer
            | Self::NoKeyNamed
            | Self::UnknownKey
            | Self::KeyMismatch
            | Self::Signature => true,
            Self::Audience
            | Self::NoExpiry
            | Self::Expired
            | Self::Early
            | Self::Future
            | Self::Subject
            | Self::Required => false,
        }
    }
}
