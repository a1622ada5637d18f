//! What a store has said, believed until its revision rises.
//!
//! An answer that the store has confirmed is believed from memory for as long as
//! the store's revision has not risen. Where it has, or where nobody asked
//! before, the store is asked, once for all requests that wait for the same
//! answer. A store that does not answer is not asked again for a second;
//! meanwhile what was confirmed within the grace is still believed.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use moka::Entry as Held;
use moka::future::Cache;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use time::OffsetDateTime;

use crate::store::StoreFailure;

const UNKNOWN_TTL: Duration = Duration::from_secs(5);
/// How long a store that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How current everything is that is remembered of one store.
pub struct Freshness {
    grace: Duration,
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

impl Freshness {
    pub(crate) fn new(grace: Duration) -> Self {
        Self {
            grace,
            revision: AtomicI64::new(i64::MIN),
            generation: AtomicU64::new(0),
            refreshed_at: AtomicI64::new(i64::MIN),
            paused_until: AtomicI64::new(i64::MIN),
        }
    }

    /// The store is at `revision`. Where that is news, what was read before is
    /// asked for again when it is next needed.
    pub fn refresh(&self, revision: i64, now: OffsetDateTime) {
        self.refreshed_at.store(millis(now), Ordering::Relaxed);
        self.paused_until.store(i64::MIN, Ordering::Relaxed);
        if self.revision.swap(revision, Ordering::AcqRel) != revision {
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    fn is_within_grace<V>(&self, answer: &Answer<V>, now: i64) -> bool {
        now.saturating_sub(answer.confirmed_at.load(Ordering::Relaxed)) <= whole_millis(self.grace)
    }

    fn is_current<V>(&self, answer: &Answer<V>, now: i64) -> bool {
        if answer.generation != self.generation.load(Ordering::Acquire) {
            return false;
        }
        if answer.found.is_none() {
            let age = now.saturating_sub(answer.confirmed_at.load(Ordering::Relaxed));
            return (0..whole_millis(UNKNOWN_TTL)).contains(&age);
        }
        answer.confirm(self.refreshed_at.load(Ordering::Relaxed));
        self.is_within_grace(answer, now)
    }

    async fn ask<T>(
        &self,
        now: i64,
        asked: impl Future<Output = Result<T, StoreFailure>>,
    ) -> Result<T, StoreFailure> {
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
        let answer = asked.await;
        if answer.is_err() {
            self.paused_until
                .store(now.saturating_add(whole_millis(PAUSE)), Ordering::Relaxed);
        }
        answer
    }
}

/// Answers of one kind, by what was asked.
pub(crate) struct Recall<K, V> {
    known: Cache<K, Arc<Answer<V>>>,
    /// Apart from the known ones, so that a flood of made-up questions displaces none.
    unknown: Cache<K, Arc<Answer<V>>>,
}

impl<K, V> Recall<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Memory for this many answers, and for this many times that there is none.
    pub(crate) fn new(known: u64, unknown: u64) -> Self {
        let cache = |capacity| {
            Cache::builder()
                .max_capacity(capacity)
                .eviction_policy(EvictionPolicy::lru())
                .build()
        };
        Self {
            known: cache(known),
            unknown: cache(unknown),
        }
    }

    /// The store's answer to `key`, which `asked` gets where it is not in memory. What is
    /// there and what is known not to be there take the same way: one of two equal caches
    /// has it, and both are looked at.
    pub(crate) async fn get<F>(
        &self,
        fresh: &Freshness,
        key: &K,
        now: OffsetDateTime,
        asked: impl FnOnce() -> F + Send,
    ) -> Result<Option<Arc<V>>, StoreFailure>
    where
        F: Future<Output = Result<Option<V>, StoreFailure>> + Send,
    {
        let now = millis(now);
        let (known, unknown) = (self.known.get(key).await, self.unknown.get(key).await);
        match known.or(unknown) {
            Some(answer) if fresh.is_current(&answer, now) => Ok(answer.found.clone()),
            _ => self.ask(fresh, key, now, asked).await,
        }
    }

    /// Asks the store; requests for the same key take turns, and the first answer serves
    /// them all.
    async fn ask<F>(
        &self,
        fresh: &Freshness,
        key: &K,
        now: i64,
        asked: impl FnOnce() -> F + Send,
    ) -> Result<Option<Arc<V>>, StoreFailure>
    where
        F: Future<Output = Result<Option<V>, StoreFailure>> + Send,
    {
        let turn = self.known.entry(key.clone());
        let answered = turn.and_try_compute_with(|held| {
            self.look_up(fresh, key, held.map(Held::into_value), now, asked)
        });
        Ok(match answered.await? {
            CompResult::Inserted(held)
            | CompResult::ReplacedWith(held)
            | CompResult::Unchanged(held) => held.into_value().found.clone(),
            CompResult::StillNone(_) | CompResult::Removed(_) => None,
        })
    }

    async fn look_up<F>(
        &self,
        fresh: &Freshness,
        key: &K,
        held: Option<Arc<Answer<V>>>,
        now: i64,
        asked: impl FnOnce() -> F + Send,
    ) -> Result<Op<Arc<Answer<V>>>, StoreFailure>
    where
        F: Future<Output = Result<Option<V>, StoreFailure>> + Send,
    {
        // Read before the store is asked: a change in between makes the answer stale
        // at the next refresh, not believed.
        let generation = fresh.generation.load(Ordering::Acquire);
        if held
            .as_ref()
            .is_some_and(|known| fresh.is_current(known, now))
        {
            return Ok(Op::Nop);
        }
        let unknown = self.unknown.get(key).await;
        if unknown.is_some_and(|unknown| fresh.is_current(&unknown, now)) {
            return Ok(Op::Remove);
        }
        let found = match fresh.ask(now, asked()).await {
            Ok(found) => found.map(Arc::new),
            Err(_) if held.is_some_and(|known| fresh.is_within_grace(&known, now)) => {
                return Ok(Op::Nop);
            }
            Err(failure) => return Err(failure),
        };
        let answer = Arc::new(Answer {
            found,
            generation,
            confirmed_at: AtomicI64::new(now),
        });
        if answer.found.is_some() {
            self.unknown.invalidate(key).await;
            return Ok(Op::Put(answer));
        }
        self.unknown.insert(key.clone(), answer).await;
        Ok(Op::Remove)
    }
}

/// An answer as the store last gave it.
struct Answer<V> {
    found: Option<Arc<V>>,
    /// The generation when it was read, or an earlier one.
    generation: u64,
    /// When the store last stood by it, as far as its requests noticed.
    confirmed_at: AtomicI64,
}

impl<V> Answer<V> {
    /// Writes only when there is news, so that the requests of one key do not
    /// fight over its cache line.
    fn confirm(&self, at: i64) {
        if self.confirmed_at.load(Ordering::Relaxed) < at {
            self.confirmed_at.fetch_max(at, Ordering::Relaxed);
        }
    }
}

fn millis(at: OffsetDateTime) -> i64 {
    at.unix_timestamp() * 1000 + i64::from(at.millisecond())
}

fn whole_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
