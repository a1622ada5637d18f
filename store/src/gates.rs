//! What the governance crates ask of a store, answered with this one.

use std::future::Future;
use std::time::Duration;

use lattice_audit::{ChainInfo, Kind, ShippedLeaf, Sink, SinkError};
use lattice_identity::{KeyStore, StoreFailure};
use lattice_kernel::principal::{Named, Principal};
use time::OffsetDateTime;

use crate::{ChainRow, KeyRow, SpendDelta, Store, StoreError, StoredLeaf};

const PATIENCE: Duration = Duration::from_secs(3);
/// A batch is tried again until it is stored, so this may be long.
const BATCH_PATIENCE: Duration = Duration::from_secs(30);

impl KeyStore for Store {
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<lattice_identity::KeyRow>, StoreFailure> {
        let row = in_time(self.find_key_by_mac(mac)).await?;
        Ok(row.map(|row| lattice_identity::KeyRow {
            mac: row.mac,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            principal: principal(row),
        }))
    }

    async fn revision(&self) -> Result<i64, StoreFailure> {
        in_time(self.revision()).await
    }
}

/// A request waits for this, and a server that hangs does not even fail.
async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreFailure> {
    let failure = |message: String| StoreFailure { message };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| failure(error.to_string())),
        Err(_) => Err(failure(format!(
            "the database did not answer within {PATIENCE:?}"
        ))),
    }
}

fn principal(row: KeyRow) -> Principal {
    let boxed = |models: Option<Vec<String>>| {
        models.map(|models| models.into_iter().map(String::into_boxed_str).collect())
    };
    let key = Named {
        id: row.id,
        name: row.name.into(),
    };
    Principal {
        team: row.team_id.zip(row.team_name).map(|(id, name)| Named {
            id,
            name: name.into(),
        }),
        models: boxed(row.models),
        team_models: boxed(row.team_models),
        ..Principal::of_key(key)
    }
}

impl Sink for Store {
    async fn append(&self, chain: &ChainInfo, leaves: &[ShippedLeaf<'_>]) -> Result<(), SinkError> {
        let row = ChainRow {
            id: chain.id,
            node: chain.node.clone(),
            started_at: moment(chain.started_at),
            previous: chain.previous.map(|head| head.chain),
        };
        let leaves = leaves.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        let stored = tokio::time::timeout(BATCH_PATIENCE, Store::append(self, &row, &leaves));
        let hangs = |_| SinkError {
            unavailable: true,
            message: format!("the database did not answer within {BATCH_PATIENCE:?}"),
        };
        stored.await.map_err(hangs)?.map_err(|error| SinkError {
            unavailable: matches!(error, StoreError::Unavailable { .. }),
            message: error.to_string(),
        })
    }
}

fn stored(leaf: &ShippedLeaf<'_>) -> Result<StoredLeaf, SinkError> {
    let damaged = |what: &str| SinkError {
        unavailable: false,
        message: format!("leaf {}: {what}", leaf.seq),
    };
    let text = std::str::from_utf8(leaf.leaf).map_err(|_| damaged("is not UTF-8"))?;
    Ok(StoredLeaf {
        seq: i64::try_from(leaf.seq).map_err(|_| damaged("has a sequence number out of range"))?,
        leaf: text.into(),
        hash: leaf.hash.0,
        delta: delta(leaf),
    })
}

/// What a leaf changes in the books: an intent holds, its outcome gives the hold
/// back and charges. Both count in the hour of the intent.
fn delta(leaf: &ShippedLeaf<'_>) -> Option<SpendDelta> {
    let index = &leaf.index;
    let spent = index.spent_delta_nano.unwrap_or(0);
    Some(SpendDelta {
        key: index.key,
        team: index.team,
        at: moment(index.at),
        reserved_nano: index.reserved_delta_nano.unwrap_or(0),
        spent_nano: spent,
        estimated_nano: if index.estimated { spent } else { 0 },
        requests: match index.kind {
            Kind::Intent => 1,
            Kind::Outcome => 0,
            Kind::Start | Kind::Refusal | Kind::Gap | Kind::Stop | Kind::Policy => return None,
        },
    })
}

fn moment(at: lattice_audit::Timestamp) -> OffsetDateTime {
    let nanos = i128::from(at.as_micros()) * 1000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
