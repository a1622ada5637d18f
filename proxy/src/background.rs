//! What runs beside the requests: shipping, following the store, the watch over
//! the managed database.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lattice_identity::token::Turned;
use lattice_kernel::{Clock as _, SystemClock};
use lattice_policy::log::{Lines, Sink as _};
use lattice_policy::{Counts, Policy};
use lattice_store::managed::Managed;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::changes;
use crate::gateway::Gateway;
use crate::policies;
use crate::prices;
use crate::watch::Watch;

/// How often the house is kept, and the database looked after.
const POLL: Duration = Duration::from_secs(1);
/// How long the store may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How often slices that do not count any more are deleted.
const SWEEP: Duration = Duration::from_secs(3600);
/// How long a store that refuses a batch is left alone.
const SHIP_AGAIN: Duration = Duration::from_secs(5);

/// The tasks; dropping it ends them.
pub struct Background {
    periodic: JoinSet<()>,
    shipping: JoinSet<()>,
}

/// Starts them.
pub fn start(
    gateway: &Arc<Gateway>,
    managed: Option<&Arc<Managed>>,
    policy_files: Watch,
    price_file: Option<Watch>,
) -> Background {
    let mut periodic = JoinSet::new();
    periodic.spawn(changes::hear(gateway.clone()));
    periodic.spawn(changes::follow(gateway.clone()));
    periodic.spawn(keep_house(gateway.clone()));
    periodic.spawn(keep_books(gateway.clone()));
    periodic.spawn(policies::follow(gateway.clone(), policy_files));
    if let Some(price_file) = price_file {
        periodic.spawn(prices::follow(gateway.clone(), price_file));
    }
    for (index, issuer) in gateway.gates.identity.tokens.issuers().enumerate() {
        periodic.spawn(keep_keys(gateway.clone(), index, issuer.to_owned()));
    }
    #[cfg(unix)]
    if let Some(log) = &gateway.decision_log {
        periodic.spawn(follow_the_log(log.clone()));
    }
    if let Some(managed) = managed {
        periodic.spawn(keep_alive(gateway.clone(), managed.clone()));
    }
    let mut shipping = JoinSet::new();
    shipping.spawn(ship(gateway.clone()));
    Background { periodic, shipping }
}

impl Background {
    /// Ends all but the shipping, and lets go of the managed database.
    pub async fn stop_periodic(&mut self) {
        self.periodic.shutdown().await;
    }

    /// Resolves once the journal has ended and all of it is in the store.
    pub async fn shipped(&mut self) {
        // Only one task is in the set, and how it ended has been logged.
        drop(self.shipping.join_next().await);
    }
}

/// A database that hangs does not even fail; whoever asks it gives up in the end.
pub async fn in_time<T, E: std::fmt::Display>(
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

/// Writes the counted identity refusals of each minute, keeps the metrics small
/// and lets go of stale connections.
async fn keep_house(gateway: Arc<Gateway>) {
    let (mut counted, mut unlogged) = (Counts::default(), 0);
    loop {
        sleep(POLL).await;
        let policy = &gateway.gates.authorization;
        let counts = policy.counts();
        tell_of_decisions(policy, counted, counts);
        counted = counts;
        if let Some(log) = &gateway.decision_log {
            let dropped = log.dropped();
            if dropped > unlogged {
                let error = log
                    .last_error()
                    .unwrap_or_else(|| "decisions come faster than they are written".into());
                tracing::error!(
                    error,
                    count = dropped - unlogged,
                    "decisions are missing from the decision log"
                );
            }
            unlogged = dropped;
        }
        gateway.metrics.upkeep();
        gateway.pool.sweep();
        gateway.gates.audit.write_aggregates(SystemClock.now());
    }
}

/// Gives back what is not needed of the shared books.
async fn keep_books(gateway: Arc<Gateway>) {
    let mut swept = Instant::now();
    loop {
        sleep(POLL).await;
        let now = SystemClock.now();
        if let Err(error) = gateway.books.give_back(now, false).await {
            tracing::debug!(%error, "nothing is given back to the shared books");
        }
        if swept.elapsed() > SWEEP {
            swept = Instant::now();
            // Long ago, also by a clock that is ahead.
            let old = now - 40 * time::Duration::DAY;
            if let Err(error) = in_time(gateway.store.sweep_slices(old)).await {
                tracing::debug!(%error, "slices that do not count any more stay in the store");
            }
        }
    }
}

/// Keeps the keys of an OpenID provider current. Says when it is away and when it is
/// back, not how often it was tried in between.
async fn keep_keys(gateway: Arc<Gateway>, index: usize, issuer: String) {
    let mut away = false;
    loop {
        let turned = gateway
            .gates
            .identity
            .tokens
            .turn(index, &gateway.documents);
        match turned.await {
            Ok(Turned {
                keys: 0, skipped, ..
            }) => {
                tracing::warn!(
                    issuer,
                    skipped,
                    "the provider has no key that could verify a token"
                );
            }
            Ok(Turned {
                keys,
                skipped,
                changed,
            }) if changed || away => {
                tracing::info!(issuer, keys, skipped, "keys of the provider taken over");
            }
            Ok(_) => {}
            Err(error) if !away => {
                tracing::warn!(issuer, %error, "the provider's keys cannot be had; those that are known count for an hour");
                away = true;
                continue;
            }
            Err(_) => continue,
        }
        away = false;
    }
}

/// What went wrong with decisions since `before`.
fn tell_of_decisions(policy: &Policy, before: Counts, now: Counts) {
    if now.failures > before.failures
        && let Some(error) = policy.last_failure()
    {
        // Its text may quote what was asked.
        tracing::error!(
            error = error.code(),
            count = now.failures - before.failures,
            "policy gave no decision; the requests were refused"
        );
    }
    if now.shadow_mismatches > before.shadow_mismatches
        && let Some(mismatch) = policy.last_mismatch()
    {
        tracing::error!(
            revision = %mismatch.revision,
            allowed = mismatch.allowed,
            count = now.shadow_mismatches - before.shadow_mismatches,
            "a kept decision came out otherwise when it was made again, and is kept no longer; set policy.cache to off, and tell whoever makes Lattice"
        );
    }
}

/// Opens the decision log again at SIGHUP, after whoever rotates logs has renamed it.
#[cfg(unix)]
async fn follow_the_log(log: Arc<Lines>) {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::hangup()) {
        Ok(mut hangups) => {
            while hangups.recv().await.is_some() {
                log.reopen();
            }
        }
        Err(error) => tracing::warn!(%error, "the decision log is not opened again at SIGHUP"),
    }
}

/// Starts the managed database again should it have died.
async fn keep_alive(gateway: Arc<Gateway>, managed: Arc<Managed>) {
    loop {
        sleep(POLL).await;
        if in_time(gateway.store.ping()).await.is_ok() {
            continue;
        }
        let managed = managed.clone();
        match tokio::task::spawn_blocking(move || managed.revive()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the managed database does not start"),
            Err(error) => tracing::warn!(%error, "the managed database does not start"),
        }
    }
}

/// Ships until the journal has ended. A batch that the store refuses is tried
/// again: nothing is skipped, and the journal holds what waits.
async fn ship(gateway: Arc<Gateway>) {
    loop {
        match gateway
            .journal
            .ship(gateway.store.clone(), std::future::pending())
            .await
        {
            Ok(()) => return,
            Err(error) => tracing::error!(%error, "audit leaves are not shipped"),
        }
        sleep(SHIP_AGAIN).await;
    }
}
