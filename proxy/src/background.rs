//! What runs beside the requests: shipping, the revision poll, the watch over
//! the managed database.

use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::{Clock as _, SystemClock};
use lattice_store::managed::Managed;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::gateway::Gateway;

/// How often the store is asked whether keys, teams or budgets have changed.
const POLL: Duration = Duration::from_secs(1);
/// How long a store that refuses a batch is left alone.
const SHIP_AGAIN: Duration = Duration::from_secs(5);

/// The tasks; dropping it ends them.
pub struct Background {
    periodic: JoinSet<()>,
    shipping: JoinSet<()>,
}

/// Starts them.
pub fn start(gateway: &Arc<Gateway>, managed: Option<&Arc<Managed>>) -> Background {
    let mut periodic = JoinSet::new();
    periodic.spawn(follow_changes(gateway.clone()));
    periodic.spawn(keep_house(gateway.clone()));
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

/// Takes over changes to keys, teams and budgets. While the store is away, what
/// is in memory stays in force.
async fn follow_changes(gateway: Arc<Gateway>) {
    let mut seen = None;
    loop {
        match gateway.store.revision().await {
            Ok(revision) => {
                if seen != Some(revision) {
                    match gateway.books.refresh().await {
                        Ok(()) => seen = Some(revision),
                        Err(error) => tracing::error!(%error, "budgets were not taken over"),
                    }
                }
                gateway.gates.identity.refresh(revision);
            }
            Err(error) => tracing::debug!(%error, "the store does not answer"),
        }
        sleep(POLL).await;
    }
}

/// Writes the counted identity refusals of each minute, keeps the metrics small
/// and lets go of stale connections.
async fn keep_house(gateway: Arc<Gateway>) {
    loop {
        sleep(POLL).await;
        gateway.metrics.upkeep();
        gateway.pool.sweep();
        gateway.gates.audit.write_aggregates(SystemClock.now());
    }
}

/// Starts the managed database again should it have died.
async fn keep_alive(gateway: Arc<Gateway>, managed: Arc<Managed>) {
    loop {
        sleep(POLL).await;
        if gateway.store.ping().await.is_ok() {
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
