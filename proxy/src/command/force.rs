//! When a change is in force: the gateways that run say how far they have followed.

use std::time::Duration;

use lattice_store::{Store, StoreError};
use tokio::time::{Instant, sleep};

/// How long a gateway that listens, or only polls, may take.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until every gateway that runs has taken over what was just changed, and says where
/// it is in force. Whoever has not followed in time is named on standard error.
pub async fn in_force(store: &Store) -> String {
    wait(store).await.unwrap_or_else(|error| {
        eprintln!("lattice: the change is made; whether the gateways know is not known: {error}");
        "running gateways follow within two seconds".into()
    })
}

async fn wait(store: &Store) -> Result<String, StoreError> {
    let revision = store.revision().await?;
    let end = Instant::now() + PATIENCE;
    loop {
        let gateways = store.gateways().await?;
        let late: Vec<&str> = gateways
            .iter()
            .filter(|(_, seen)| *seen < revision)
            .map(|(node, _)| node.as_str())
            .collect();
        if late.is_empty() {
            return Ok(match gateways.len() {
                0 => "no gateway is running".into(),
                1 => "in force on 1 gateway".into(),
                many => format!("in force on {many} gateways"),
            });
        }
        if Instant::now() >= end {
            for node in &late {
                eprintln!(
                    "lattice: gateway {node} has not taken the change over within {} s; it does once it reaches the database, if it still runs",
                    PATIENCE.as_secs()
                );
            }
            let done = gateways.len() - late.len();
            return Ok(format!("in force on {done} of {} gateways", gateways.len()));
        }
        sleep(LOOK_AGAIN).await;
    }
}
