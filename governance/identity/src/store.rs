//! What gate 1 asks of a store.

use std::future::Future;

use lattice_kernel::Principal;
use time::OffsetDateTime;

/// The stored keys.
///
/// Both methods answer or fail within a few seconds: a request waits for them.
pub trait KeyStore: Send + Sync {
    /// The key with this MAC. Revoked and expired keys are found too: the caller
    /// of one is told so.
    fn find(
        &self,
        mac: &[u8; 32],
    ) -> impl Future<Output = Result<Option<KeyRow>, StoreFailure>> + Send;

    /// A number that rises with every change to whatever a principal is made of, in
    /// the same transaction as the change. Seen before its change is, it would let
    /// an old row pass for a new one.
    fn revision(&self) -> impl Future<Output = Result<i64, StoreFailure>> + Send;
}

/// One stored key and who holds it.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// What it was found by: the MAC of its secret, or of the one before while both count.
    pub mac: [u8; 32],
    /// Who holds it.
    pub principal: Principal,
    /// From then on the secret that was shown no longer counts; `None`: never.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was taken back; any time at all means that it was.
    pub revoked_at: Option<OffsetDateTime>,
    /// Whether the user or agent that it belongs to was disabled.
    pub disabled: bool,
}

/// The store could not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StoreFailure {
    /// For the log; no caller sees it.
    pub message: String,
}
