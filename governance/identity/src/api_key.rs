//! Gate 1 for keys that Lattice issued.
//!
//! A key that the store has confirmed is believed from memory for as long as the
//! store's revision has not risen. Where it has, or where the key was never seen,
//! the store is asked, once for all requests that wait for the same key. A store
//! that does not answer is not asked again for a second; meanwhile a key that was
//! confirmed within the grace is still believed, and any other is told to come
//! back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use lattice_kernel::gates::Identity;
use lattice_kernel::{Clock, Head, Principal, Refusal};
use moka::Entry as Held;
use moka::future::Cache;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use crate::key::LatticeKey;
use crate::pepper::Pepper;
use crate::refusals::{expired, missing, misspelt, revoked, unavailable, unknown};
use crate::store::{KeyRow, KeyStore, StoreFailure};

/// How long a key is believed after the store last confirmed it.
pub const GRACE: Duration = Duration::from_secs(60 * 60);

const KNOWN: u64 = 100_000;
/// Apart from the known ones, so that a flood of made-up keys displaces none.
const UNKNOWN: u64 = 10_000;
const UNKNOWN_TTL: Duration = Duration::from_secs(5);
/// How long a store that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// The keys of one store, remembered.
pub struct ApiKeys<S, C> {
    store: S,
    pepper: Pepper,
    clock: C,
    grace: Duration,
    known: Cache<[u8; 32], Arc<Known>>,
    /// Generation in which the store did not have the key.
    unknown: Cache<[u8; 32], u64>,
    /// Revision that the store was last heard at.
    revision: AtomicI64,
    /// Rises whenever the revision was another one than before, so that what was
    /// read before a change stays stale even if an older revision is heard late.
    generation: AtomicU64,
    /// When the revision was last heard of, ms since 1970.
    refreshed_at: AtomicI64,
    /// Until when the store is left alone, ms since 1970.
    paused_until: AtomicI64,
}

impl<S: KeyStore, C: Clock> ApiKeys<S, C> {
    /// Keys of `store`, which were stored under `pepper`.
    #[must_use]
    pub fn new(store: S, pepper: Pepper, clock: C) -> Self {
        Self {
            store,
            pepper,
            clock,
            grace: GRACE,
            known: Cache::builder()
                .max_capacity(KNOWN)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            unknown: Cache::builder()
                .max_capacity(UNKNOWN)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(UNKNOWN_TTL)
                .build(),
            revision: AtomicI64::new(i64::MIN),
            generation: AtomicU64::new(0),
            refreshed_at: AtomicI64::new(i64::MIN),
            paused_until: AtomicI64::new(i64::MIN),
        }
    }

    /// Another grace than [`GRACE`].
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The store is at `revision`. Where that is news, what was read before is
    /// asked for again when it is next needed. To be called about once a second,
    /// and at once where a change was made: until then a revoked key is believed.
    pub fn refresh(&self, revision: i64) {
        self.refreshed_at
            .store(millis(self.clock.now()), Ordering::Relaxed);
        self.paused_until.store(i64::MIN, Ordering::Relaxed);
        if self.revision.swap(revision, Ordering::AcqRel) != revision {
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Asks the store for its revision and takes it over.
    ///
    /// # Errors
    /// What the store failed with; what is in memory stays as it is.
    pub async fn poll(&self) -> Result<(), StoreFailure> {
        self.refresh(self.store.revision().await?);
        Ok(())
    }

    async fn remembered(&self, mac: &[u8; 32], now: i64) -> Option<Arc<Known>> {
        self.known
            .get(mac)
            .await
            .filter(|known| self.is_current(known, now))
    }

    /// Asks the store; requests for the same key take turns, and the first
    /// answer serves them all.
    async fn ask(&self, mac: [u8; 32], now: i64) -> Result<Arc<Known>, Refusal> {
        let turn = self.known.entry(mac);
        let answer =
            turn.and_try_compute_with(|held| self.look_up(mac, held.map(Held::into_value), now));
        match answer.await? {
            CompResult::Inserted(held)
            | CompResult::ReplacedWith(held)
            | CompResult::Unchanged(held) => Ok(held.into_value()),
            CompResult::StillNone(_) | CompResult::Removed(_) => Err(unknown()),
        }
    }

    async fn look_up(
        &self,
        mac: [u8; 32],
        held: Option<Arc<Known>>,
        now: i64,
    ) -> Result<Op<Arc<Known>>, Refusal> {
        // Read before the row is: a change in between makes the row stale at the
        // next refresh, not believed.
        let generation = self.generation.load(Ordering::Acquire);
        if held
            .as_ref()
            .is_some_and(|known| self.is_current(known, now))
        {
            return Ok(Op::Nop);
        }
        if self.unknown.get(&mac).await == Some(generation) {
            return Ok(Op::Remove);
        }
        match self.find(&mac, now).await {
            Ok(Some(row)) => Ok(Op::Put(Arc::new(Known::new(row, generation, now)))),
            Ok(None) => {
                self.unknown.insert(mac, generation).await;
                Ok(Op::Remove)
            }
            Err(_) if held.is_some_and(|known| self.is_within_grace(&known, now)) => Ok(Op::Nop),
            Err(failure) => Err(unavailable(&failure)),
        }
    }

    async fn find(&self, mac: &[u8; 32], now: i64) -> Result<Option<KeyRow>, StoreFailure> {
        // The upper bound lets a clock that was set back end the pause.
        let pause = self
            .paused_until
            .load(Ordering::Relaxed)
            .saturating_sub(now);
        if (1..=whole_millis(PAUSE)).contains(&pause) {
            return Err(StoreFailure {
                message: "the store failed less than a second ago".to_owned(),
            });
        }
        match self.store.find(mac).await {
            Ok(row) => Ok(row.filter(|row| row.mac.ct_eq(mac).into())),
            Err(failure) => {
                self.paused_until
                    .store(now.saturating_add(whole_millis(PAUSE)), Ordering::Relaxed);
                Err(failure)
            }
        }
    }

    fn is_current(&self, known: &Known, now: i64) -> bool {
        if known.generation != self.generation.load(Ordering::Acquire) {
            return false;
        }
        known.confirm(self.refreshed_at.load(Ordering::Relaxed));
        self.is_within_grace(known, now)
    }

    fn is_within_grace(&self, known: &Known, now: i64) -> bool {
        now.saturating_sub(known.confirmed_at.load(Ordering::Relaxed)) <= whole_millis(self.grace)
    }
}

impl<S: KeyStore, C: Clock> Identity for ApiKeys<S, C> {
    async fn identify(&self, head: &Head) -> Result<Arc<Principal>, Refusal> {
        let credential = head.credential.as_ref().ok_or_else(missing)?;
        let key = LatticeKey::parse(credential.expose()).ok_or_else(misspelt)?;
        let mac = self.pepper.mac(&key);
        let now = self.clock.now();
        let known = match self.remembered(&mac, millis(now)).await {
            Some(known) => known,
            None => self.ask(mac, millis(now)).await?,
        };
        known.admit(now)
    }
}

/// A key as the store last showed it.
struct Known {
    principal: Arc<Principal>,
    expires_at: Option<OffsetDateTime>,
    revoked: bool,
    /// The generation when it was read, or an earlier one.
    generation: u64,
    /// When the store last stood by it, as far as this key's requests noticed.
    confirmed_at: AtomicI64,
}

impl Known {
    fn new(row: KeyRow, generation: u64, now: i64) -> Self {
        Self {
            principal: Arc::new(row.principal),
            expires_at: row.expires_at,
            revoked: row.revoked_at.is_some(),
            generation,
            confirmed_at: AtomicI64::new(now),
        }
    }

    /// Writes only when there is news, so that the requests of one key do not
    /// fight over its cache line.
    fn confirm(&self, at: i64) {
        if self.confirmed_at.load(Ordering::Relaxed) < at {
            self.confirmed_at.fetch_max(at, Ordering::Relaxed);
        }
    }

    fn admit(&self, now: OffsetDateTime) -> Result<Arc<Principal>, Refusal> {
        if self.revoked {
            Err(revoked())
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Err(expired())
        } else {
            Ok(self.principal.clone())
        }
    }
}

fn millis(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() * 1000 + i64::from(at.millisecond())
}

fn whole_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
