//! Gate 1 for tokens of OpenID providers: JWTs that an issuer has signed for us.
//!
//! A token counts where its issuer is configured, one of that issuer's keys has
//! signed it, it is meant for this gateway, and its time is now. What it says about
//! its bearer is translated by tables of the configuration; what the store knows of
//! user and team is added, and a user that the store has disabled is refused.
//!
//! Only users of the store have bare names, which rules may be written for; any other
//! is `ISSUER#SUBJECT`, whatever the token says of a name or an address. A token whose
//! groups stand for teams acts in one of them or not at all, and one that names an
//! organisation, of a user of whom the store knows none, acts for one of the store's.
//!
//! What was verified is remembered for a minute at the most, by the digest of the
//! whole token, never beyond its end, and only while its issuer's keys stay the same.

mod algorithm;
mod claims;
mod discovery;
mod fault;
mod json;
mod jwk;
mod jws;
mod keyring;
mod mapping;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use lattice_kernel::principal::{Auth, Named};
use lattice_kernel::{Clock, Principal, Refusal};
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::directory::{Directory, Handle, Holder, Team};
use crate::refusals;
use crate::store::StoreFailure;

pub use algorithm::Algorithm;
pub use claims::{ClaimName, Required};
pub use discovery::{Fetch, FetchFailure, KeysAt, LONGEST_REPLY};
pub use keyring::{COOL, GRACE, REFRESH, RETRY, Standing, Turned};
pub use mapping::{ClaimNames, Mapping, Others, RoleAt, Table};

use fault::Fault;
pub(crate) use jws::is_token;
use jws::{Jws, LONGEST};
use keyring::Keyring;
use mapping::Described;

/// The most leeway that configuration may give to clocks that disagree, seconds.
pub const MOST_LEEWAY: u32 = 60;
/// Tokens that are remembered. Strangers cannot fill this: only verified ones are.
const VERIFIED: u64 = 20_000;
/// How long a token is believed without another look at its signature.
const VERIFIED_TTL: Duration = Duration::from_secs(60);
/// Of tokens that anybody can have made, one a second is explained in the log.
const EXPLAIN_EVERY: i64 = 1;

/// An issuer whose tokens count.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// What it is called, and where its keys are.
    pub keys: KeysAt,
    /// What its tokens must name in `aud`.
    pub audience: Box<str>,
    /// How its tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// How far its clock and ours may be apart; at most [`MOST_LEEWAY`].
    pub leeway: time::Duration,
    /// How its claims are read.
    pub mapping: Mapping,
}

/// The tokens of some issuers.
pub struct Tokens<D, C> {
    issuers: Vec<Trusted>,
    directory: D,
    clock: C,
    verified: Cache<[u8; 32], Arc<Verified>>,
    /// Every issuer and audience, hashed: the beginning of each digest.
    seed: Sha256,
    explained_at: AtomicI64,
}

struct Trusted {
    issuer: Issuer,
    keyring: Keyring,
}

/// A token that was found to count.
struct Verified {
    /// Which of the issuers has signed it.
    issuer: usize,
    /// Of the issuer's keys.
    edition: u64,
    at: OffsetDateTime,
    until: OffsetDateTime,
    who: Described,
}

impl<D: Directory, C: Clock> Tokens<D, C> {
    /// Tokens of `issuers`; what `directory` knows of their users and teams is added.
    #[must_use]
    pub fn new(issuers: Vec<Issuer>, directory: D, clock: C) -> Self {
        let mut seed = Sha256::new();
        for issuer in &issuers {
            for text in [&issuer.keys.issuer, &issuer.audience] {
                seed.update((text.len() as u64).to_be_bytes());
                seed.update(text.as_bytes());
            }
        }
        let issuers = issuers.into_iter().map(|issuer| Trusted {
            keyring: Keyring::new(issuer.keys.clone(), issuer.algorithms.clone()),
            issuer,
        });
        Self {
            issuers: issuers.collect(),
            directory,
            clock,
            verified: Cache::builder()
                .max_capacity(VERIFIED)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(VERIFIED_TTL)
                .build(),
            seed,
            explained_at: AtomicI64::new(i64::MIN),
        }
    }

    /// The issuers, each at the index that [`Self::turn`] knows it by.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|trusted| trusted.keyring.issuer())
    }

    /// How the keys of each issuer stand, for readiness.
    pub fn standings(&self) -> impl Iterator<Item = (&str, Standing)> {
        self.issuers
            .iter()
            .map(|trusted| (trusted.keyring.issuer(), trusted.keyring.standing()))
    }

    /// Waits until the keys of issuer number `index` are due, at once the first time,
    /// and fetches them. To be called in a loop by one task for each issuer, for as
    /// long as tokens are to be verified; there being no such issuer never ends.
    ///
    /// # Errors
    /// Why they could not be had; those in memory count for [`GRACE`] more.
    pub async fn turn(&self, index: usize, fetch: &impl Fetch) -> Result<Turned, FetchFailure> {
        match self.issuers.get(index) {
            Some(trusted) => trusted.keyring.turn(fetch).await,
            None => std::future::pending().await,
        }
    }

    /// Who bears `token`.
    ///
    /// # Errors
    /// `identity_unknown`, in the same words whatever is wrong, also where its groups
    /// stand for teams of which none is the bearer's or its organisation is unknown to
    /// the store, `identity_expired`, `identity_revoked` where the store has disabled the
    /// user or it was deleted there, and
    /// `store_unavailable` where the issuer's keys cannot be had or the store does
    /// not answer.
    pub async fn identify(&self, token: &str) -> Result<Arc<Principal>, Refusal> {
        let now = self.clock.now();
        if token.len() > LONGEST {
            return Err(self.refusal(Fault::TooLong, now));
        }
        let digest = self.seed.clone().chain_update(token).finalize().into();
        let verified = match self.remembered(&digest, now).await {
            Some(verified) => verified,
            None => {
                let verified = Arc::new(self.verify(token, now).await?);
                self.verified.insert(digest, verified.clone()).await;
                verified
            }
        };
        self.principal(&verified).await
    }

    async fn remembered(&self, digest: &[u8; 32], now: OffsetDateTime) -> Option<Arc<Verified>> {
        let verified = self.verified.get(digest).await?;
        let keyring = &self.issuers.get(verified.issuer)?.keyring;
        let holds = keyring.edition() == Some(verified.edition)
            && (verified.at..verified.until).contains(&now);
        holds.then_some(verified)
    }

    async fn verify(&self, token: &str, now: OffsetDateTime) -> Result<Verified, Refusal> {
        let refused = |fault| self.refusal(fault, now);
        let token = Jws::parse(token).map_err(refused)?;
        let named = self
            .issuers
            .iter()
            .position(|trusted| token.issuer() == Some(trusted.keyring.issuer()));
        let index = named.ok_or_else(|| refused(Fault::Issuer))?;
        let Trusted { issuer, keyring } = &self.issuers[index];
        if !issuer.algorithms.contains(&token.algorithm) {
            return Err(refused(Fault::Algorithm));
        }
        let keys = keyring
            .keys_for(token.key_id.as_deref())
            .await
            .map_err(|_| refusals::keys_unavailable(keyring.issuer()))?;
        keys.set.verify(&token).map_err(refused)?;
        let ends =
            claims::check(&token.claims, &issuer.audience, issuer.leeway, now).map_err(refused)?;
        Ok(Verified {
            issuer: index,
            edition: keys.edition,
            at: now,
            until: ends.min(now + VERIFIED_TTL),
            who: issuer.mapping.describe(&token.claims).map_err(refused)?,
        })
    }

    async fn principal(&self, verified: &Verified) -> Result<Arc<Principal>, Refusal> {
        let issuer = self.issuers[verified.issuer].keyring.issuer();
        let who = &verified.who;
        let unavailable = |failure: StoreFailure| refusals::directory_unavailable(&failure);
        let handle = Handle::Token {
            issuer: issuer.into(),
            subject: who.subject.clone(),
        };
        let stored = self.directory.holder(&handle).await.map_err(unavailable)?;
        match &stored {
            Some(holder) if holder.disabled => return Err(refusals::holder_disabled()),
            Some(Holder { user: None, .. }) => return Err(refusals::holder_deleted()),
            _ => {}
        }
        let mut holder = stored.unwrap_or_else(|| Holder::of_user(stranger(issuer, &who.subject)));
        if let (None, Some(claimed)) = (holder.home(), &who.org) {
            let org = self.directory.org(claimed).await.map_err(unavailable)?;
            // A name that anybody may have written is not one that rules are written for.
            holder.org = Some(org.ok_or_else(|| refusals::token_without_org(issuer, claimed))?);
        }
        if let Some(first) = who.teams.first() {
            let team = self
                .team(&who.teams, holder.home())
                .await
                .map_err(unavailable)?;
            // Without a team it would escape the team's limits.
            holder.team = Some(team.ok_or_else(|| refusals::token_without_team(issuer, first))?);
        }
        holder.grants.extend_from_slice(&who.grants);
        let principal = holder.principal(Auth::Token);
        principal.map(Arc::new).ok_or_else(refusals::token_unknown)
    }

    /// The first of the teams that the store knows and that somebody of the
    /// organisation `home` may be put into.
    async fn team(
        &self,
        names: &[Box<str>],
        home: Option<&str>,
    ) -> Result<Option<Team>, StoreFailure> {
        for name in names {
            let team = self.directory.team(name).await?;
            if let Some(team) = team.filter(|team| team.admits(home)) {
                return Ok(Some(team));
            }
        }
        Ok(None)
    }

    /// What the bearer is told, and, where strangers cannot flood it, the log.
    fn refusal(&self, fault: Fault, now: OffsetDateTime) -> Refusal {
        let refusal = match fault {
            Fault::Expired => refusals::token_expired(),
            _ => refusals::token_unknown(),
        };
        if fault.is_anybodys() {
            let now = now.unix_timestamp();
            let last = self.explained_at.load(Ordering::Relaxed);
            if (last..last.saturating_add(EXPLAIN_EVERY)).contains(&now) {
                return refusal;
            }
            self.explained_at.store(now, Ordering::Relaxed);
        }
        refusal.because(format!("a token was refused: {fault}"))
    }
}

/// A user of whom only the issuer knows. The name is as long as configuration's name of
/// the issuer and a claim may be, no more.
fn stranger(issuer: &str, subject: &str) -> Named {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, issuer.as_bytes());
    let users = Uuid::new_v5(&namespace, b"user");
    Named {
        id: Uuid::new_v5(&users, subject.as_bytes()),
        name: format!("{issuer}#{subject}").into(),
    }
}
