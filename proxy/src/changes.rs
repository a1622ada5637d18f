//! Follows the store: whatever changes there is taken over here, within milliseconds
//! where the database tells of it, within a second where it cannot.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::{Clock as _, SystemClock};
use lattice_store::StoreError;
use tokio::time::{Instant, sleep};

use crate::background::in_time;
use crate::gateway::Gateway;

/// How often the store is asked whether anything has changed.
const POLL: Duration = Duration::from_secs(1);
/// How often the store hears that this gateway lives; it believes so three times as long.
const ALIVE: Duration = Duration::from_secs(5);

/// Listens for changes and wakes [`follow`] for each. Where the connection is lost, its poll
/// does without.
pub async fn hear(gateway: Arc<Gateway>) {
    loop {
        let Err(error) = pass_on(&gateway).await;
        tracing::debug!(%error, "the store tells of no changes; they are asked for");
        sleep(POLL).await;
    }
}

async fn pass_on(gateway: &Gateway) -> Result<Infallible, StoreError> {
    let mut notices = gateway.store.listen().await?;
    loop {
        // At first too: what changed before this connection was there is not told of.
        gateway.changed.notify_one();
        notices.next().await?;
    }
}

/// Takes changes over, one after the other, and tells the store how far it has come. While
/// the store is away, what is in memory stays in force.
pub async fn follow(gateway: Arc<Gateway>) {
    let mut changes = Changes::default();
    loop {
        if let Err(error) = changes.take_over(&gateway).await {
            tracing::debug!(%error, "the store does not answer");
        }
        tokio::select! {
            () = gateway.changed.notified() => {}
            () = sleep(POLL) => {}
        }
    }
}

/// What has been taken over so far.
#[derive(Default)]
struct Changes {
    /// The revision that all of it is of.
    seen: Option<i64>,
    /// What the store was last told, and when.
    told: Option<(i64, Instant)>,
}

impl Changes {
    async fn take_over(&mut self, gateway: &Arc<Gateway>) -> Result<(), String> {
        let revision = in_time(gateway.store.revision()).await?;
        // First, since a revoked key is believed until then; and each time, since this is
        // also how memory learns that the store still stands by it.
        gateway.gates.identity.keys.refresh(revision);
        if self.seen != Some(revision) {
            // What is wrong with the one does not hold up the other.
            let budgets = in_time(gateway.books.refresh()).await;
            let roles = take_roles(gateway).await;
            let budgets =
                budgets.inspect_err(|error| tracing::error!(%error, "budgets were not taken over"));
            let roles = roles.inspect_err(|error| {
                tracing::error!(%error, "the store's roles were not taken over");
            });
            let admin = in_time(gateway.admin_key.refresh(&gateway.store)).await;
            budgets.and(roles).and(admin)?;
            self.seen = Some(revision);
        }
        gateway.gates.authorization.refreshed(SystemClock.now());
        let told = |(told, at): (i64, Instant)| told == revision && at.elapsed() < ALIVE;
        if !self.told.is_some_and(told) {
            let asked = std::time::Instant::now();
            let epoch = in_time(gateway.store.follow(&gateway.node, revision)).await?;
            gateway.books.heard(asked, epoch);
            self.told = Some((revision, Instant::now()));
        }
        Ok(())
    }
}

/// Filling a set takes as long as its data are large, so another thread does it.
async fn take_roles(gateway: &Arc<Gateway>) -> Result<(), String> {
    let roles = in_time(gateway.store.policy_data()).await?;
    let gateway = gateway.clone();
    let take = move || {
        let gates = &gateway.gates;
        let policies = &gateway.policies;
        policies.take_roles(&gates.authorization, &gates.audit, roles)
    };
    tokio::task::spawn_blocking(take)
        .await
        .map_err(|error| error.to_string())?
}
