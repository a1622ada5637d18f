//! Gate 1 for keys that Lattice issued.
//!
//! What the store says about a key is remembered as `recall.rs` does it. A key that
//! is there, one that is not and one that was revoked are looked up by the same
//! steps: one MAC, one look into memory, at most one question to the store.

use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::gates::Identity;
use lattice_kernel::{Clock, Credential, Head, Principal, Refusal};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use crate::key::LatticeKey;
use crate::pepper::Pepper;
use crate::recall::{Freshness, Recall};
use crate::refusals::{
    disabled, expired, missing, misspelt, revoked, several, unavailable, unknown,
};
use crate::store::{KeyRow, KeyStore, StoreFailure};

/// How long a key is believed after the store last confirmed it.
pub const GRACE: Duration = Duration::from_secs(60 * 60);

const KNOWN: u64 = 100_000;
const UNKNOWN: u64 = 10_000;

/// The keys of one store, remembered.
pub struct ApiKeys<S, C> {
    store: S,
    pepper: Pepper,
    clock: C,
    fresh: Arc<Freshness>,
    keys: Recall<[u8; 32], Known>,
}

impl<S: KeyStore, C: Clock> ApiKeys<S, C> {
    /// Keys of `store`, which were stored under `pepper`.
    #[must_use]
    pub fn new(store: S, pepper: Pepper, clock: C) -> Self {
        Self {
            store,
            pepper,
            clock,
            fresh: Arc::new(Freshness::new(GRACE)),
            keys: Recall::new(KNOWN, UNKNOWN),
        }
    }

    /// Another grace than [`GRACE`]; to be called before [`Self::freshness`] is.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.fresh = Arc::new(Freshness::new(grace));
        self
    }

    /// What [`Self::refresh`] moves on, for whatever else is remembered of the
    /// same store.
    #[must_use]
    pub fn freshness(&self) -> Arc<Freshness> {
        self.fresh.clone()
    }

    /// The store is at `revision`. Where that is news, what was read before is
    /// asked for again when it is next needed. To be called about once a second,
    /// and at once where a change was made: until then a revoked key is believed.
    pub fn refresh(&self, revision: i64) {
        self.fresh.refresh(revision, self.clock.now());
    }

    /// Asks the store for its revision and takes it over.
    ///
    /// # Errors
    /// What the store failed with; what is in memory stays as it is.
    pub async fn poll(&self) -> Result<(), StoreFailure> {
        self.refresh(self.store.revision().await?);
        Ok(())
    }

    async fn find(&self, mac: &[u8; 32]) -> Result<Option<Known>, StoreFailure> {
        let row = self.store.find(mac).await?;
        Ok(row.filter(|row| row.mac.ct_eq(mac).into()).map(Known::from))
    }
}

impl<S: KeyStore, C: Clock> Identity for ApiKeys<S, C> {
    async fn identify(&self, head: &Head) -> Result<Arc<Principal>, Refusal> {
        let key = match &head.credential {
            Credential::None => return Err(missing()),
            Credential::One(key) => LatticeKey::parse(key.expose()).ok_or_else(misspelt)?,
            Credential::Several => return Err(several()),
        };
        let mac = self.pepper.mac(&key);
        let now = self.clock.now();
        let known = self
            .keys
            .get(&self.fresh, &mac, now, || self.find(&mac))
            .await
            .map_err(|failure| unavailable(&failure))?;
        known.ok_or_else(unknown)?.admit(now)
    }
}

/// A key as the store last showed it.
struct Known {
    principal: Arc<Principal>,
    expires_at: Option<OffsetDateTime>,
    revoked: bool,
    disabled: bool,
}

impl From<KeyRow> for Known {
    fn from(row: KeyRow) -> Self {
        Self {
            principal: Arc::new(row.principal),
            expires_at: row.expires_at,
            revoked: row.revoked_at.is_some(),
            disabled: row.disabled,
        }
    }
}

impl Known {
    fn admit(&self, now: OffsetDateTime) -> Result<Arc<Principal>, Refusal> {
        if self.revoked {
            Err(revoked())
        } else if self.disabled {
            Err(disabled())
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Err(expired())
        } else {
            Ok(self.principal.clone())
        }
    }
}
