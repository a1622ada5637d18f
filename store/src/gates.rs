//! What the governance crates ask of a store, answered with this one.

use std::future::Future;
use std::time::Duration;

use lattice_audit::{ChainInfo, Kind, ShippedLeaf, Sink, SinkError};
use lattice_identity::{Directory, Handle, Holder, KeyStore, StoreFailure, Team};
use lattice_kernel::principal::{Grant, Level, Named, Principal};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::directory::HolderRow;
use crate::{ChainRow, KeyRow, SpendDelta, Store, StoreError, StoredLeaf};

const PATIENCE: Duration = Duration::from_secs(3);
/// A batch is tried again until it is stored, so this may be long.
const BATCH_PATIENCE: Duration = Duration::from_secs(30);

impl KeyStore for Store {
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<lattice_identity::KeyRow>, StoreFailure> {
        let row = in_time(self.find_key_by_mac(mac)).await?;
        row.map(|row| key(row, mac)).transpose()
    }

    async fn revision(&self) -> Result<i64, StoreFailure> {
        in_time(self.revision()).await
    }
}

impl Directory for Store {
    async fn holder(&self, handle: &Handle) -> Result<Option<Holder>, StoreFailure> {
        let row = in_time(self.find_holder(handle)).await?;
        row.map(holder).transpose()
    }

    async fn team(&self, name: &str) -> Result<Option<Team>, StoreFailure> {
        let row = in_time(self.find_team(name)).await?;
        Ok(row.map(holder).transpose()?.and_then(|holder| holder.team))
    }

    async fn org(&self, name: &str) -> Result<Option<Named>, StoreFailure> {
        let found = in_time(self.find_org(name)).await?;
        Ok(found.map(|(id, name)| Named {
            id,
            name: name.into(),
        }))
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

/// The key as it is to whoever shows the secret of this MAC: the former one ends with the
/// overlap, or with the key.
fn key(row: KeyRow, mac: &[u8; 32]) -> Result<lattice_identity::KeyRow, StoreFailure> {
    let former = row.former_mac.as_ref() == Some(mac);
    let (mac, expires_at) = if former {
        let ends = [row.former_until, row.expires_at];
        (*mac, ends.into_iter().flatten().min())
    } else {
        (row.mac, row.expires_at)
    };
    Ok(lattice_identity::KeyRow {
        mac,
        expires_at,
        revoked_at: row.revoked_at,
        disabled: row.disabled,
        principal: principal(row)?,
    })
}

fn principal(row: KeyRow) -> Result<Principal, StoreFailure> {
    let key = Named {
        id: row.id,
        name: row.name.into(),
    };
    let holder = Holder {
        user: named(row.user_id, row.user_name),
        agent: named(row.agent_id, row.agent_name),
        disabled: row.disabled,
        org: named(row.org_id, row.org_name),
        team: named(row.team_id, row.team_name).map(|team| Team {
            named: team,
            org: None,
            classification: row.classification.map(Into::into),
            models: boxed(row.team_models),
            grants: Vec::new(),
        }),
        grants: grants(&row.grants)?,
    };
    Ok(Principal {
        models: boxed(row.models),
        ..holder.principal_of_key(key)
    })
}

fn holder(row: HolderRow) -> Result<Holder, StoreFailure> {
    let team_grants = grants(&row.team_grants)?;
    let team_org = named(row.team_org_id, row.team_org_name);
    Ok(Holder {
        user: named(row.user_id, row.user_name),
        agent: named(row.agent_id, row.agent_name),
        disabled: row.disabled,
        org: named(row.org_id, row.org_name),
        team: named(row.team_id, row.team_name).map(|team| Team {
            named: team,
            org: team_org,
            classification: row.classification.map(Into::into),
            models: boxed(row.team_models),
            grants: team_grants,
        }),
        grants: grants(&row.grants)?,
    })
}

fn named(id: Option<Uuid>, name: Option<String>) -> Option<Named> {
    let name = name?.into();
    id.map(|id| Named { id, name })
}

fn boxed(models: Option<Vec<String>>) -> Option<Vec<Box<str>>> {
    models.map(|models| models.into_iter().map(String::into_boxed_str).collect())
}

/// `LEVEL:ROLE`, as the queries write them. A level of a later version is not skipped: it
/// might deny.
fn grants(written: &[String]) -> Result<Vec<Grant>, StoreFailure> {
    let read = |text: &String| {
        let (level, role) = text.split_once(':')?;
        let level = Level::parse(level)?;
        let role = role.into();
        Some(Grant { role, level })
    };
    written
        .iter()
        .map(|text| {
            read(text).ok_or_else(|| StoreFailure {
                message: format!("the grant {text:?} is not one that this version enforces"),
            })
        })
        .collect()
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
        scopes: index.scopes,
        at: moment(index.at),
        reserved_nano: index.reserved_delta_nano.unwrap_or(0),
        spent_nano: spent,
        estimated_nano: if index.estimated { spent } else { 0 },
        reserved_tokens: index.reserved_delta_tokens.unwrap_or(0),
        spent_tokens: index.spent_delta_tokens.unwrap_or(0),
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
