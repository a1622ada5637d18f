//! API keys. A secret never comes here: only its HMAC-SHA-256 under the pepper does.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::budgets::{BudgetRow, put_budget};
use crate::error::OrConflict;
use crate::holders::{Owner, lock_owner, lock_team, one_organisation};
use crate::settings::commit_change;
use crate::{Store, StoreError};

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// Minted by the caller; spend is kept under it, also after the secret was rotated.
    pub id: Uuid,
    /// Unique among keys that are not revoked.
    pub name: &'a str,
    /// The name of the team that owns it; `None`: that of its user or agent.
    pub team: Option<&'a str>,
    /// Whose it is; `None`: nobody's in particular.
    pub owner: Option<Owner<'a>>,
    /// HMAC-SHA-256 of the secret.
    pub mac: &'a [u8; 32],
    /// The models that it may use; `None`: every one of its team.
    pub models: Option<&'a [String]>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when on it is refused.
    pub expires_at: Option<OffsetDateTime>,
    /// Stored together with the key, so that no key is ever without the limit it was made with.
    pub budget: Option<&'a BudgetRow>,
}

/// A key as it is stored, with whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the other fields are those of `NewKey` and `TeamRow`"
)]
pub struct KeyRow {
    pub id: Uuid,
    pub name: String,
    pub mac: [u8; 32],
    /// HMAC-SHA-256 of the secret before the last rotation, if that overlapped.
    pub former_mac: Option<[u8; 32]>,
    /// From when on that secret is refused.
    pub former_until: Option<OffsetDateTime>,
    pub models: Option<Vec<String>>,
    pub created_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
    /// The key's own team, else its agent's, else its user's.
    pub team_id: Option<Uuid>,
    pub team_name: Option<String>,
    pub team_models: Option<Vec<String>>,
    pub classification: Option<String>,
    /// The user that it belongs to, or the owner of its agent.
    pub user_id: Option<Uuid>,
    pub user_name: Option<String>,
    pub agent_id: Option<Uuid>,
    pub agent_name: Option<String>,
    /// Whether its user or agent is disabled.
    pub disabled: bool,
    /// That of the team, else of the user.
    pub org_id: Option<Uuid>,
    pub org_name: Option<String>,
    /// `LEVEL:ROLE` of the key, its agent, its user and its team; in no order.
    pub grants: Vec<String>,
}

/// The one place that lists a key's columns; takes the filter and its arguments.
macro_rules! select_keys {
    ($filter:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            KeyRow,
            r#"select k.id, k.name, k.mac as "mac: [u8; 32]", k.former_mac as "former_mac: [u8; 32]", k.former_until,
                      k.models, k.created_at, k.expires_at, k.revoked_at,
                      t.id as "team_id?", t.name as "team_name?", t.models as team_models, t.classification,
                      u.id as "user_id?", u.name as "user_name?", a.id as "agent_id?", a.name as "agent_name?",
                      (u.disabled_at is not null or a.disabled_at is not null) as "disabled!",
                      o.id as "org_id?", o.name as "org_name?",
                      array(select g.level || ':' || g.role from role_grant g
                            where g.holder_id in (k.id, a.id, u.id, t.id)) as "grants!"
               from api_key k
               left join agent a on a.id = k.agent_id
               left join app_user u on u.id = coalesce(k.user_id, a.owner_id)
               left join team t on t.id = coalesce(k.team_id, a.team_id, u.team_id)
               left join org o on o.id = coalesce(t.org_id, u.org_id) "# + $filter
            $(, $argument)*
        )
    };
}

impl Store {
    /// Stores a key, and its budget if it has one. `Conflict` if a live key has this name or
    /// its team is of another organisation than its user, `Missing` if the team, user or
    /// agent does not exist.
    pub async fn create_key(&self, key: &NewKey<'_>) -> Result<KeyRow, StoreError> {
        let mut changes = self.pool.begin().await?;
        let team_id = match key.team {
            Some(name) => Some(lock_team(&mut changes, name).await?),
            None => None,
        };
        let (user_id, agent_id) = match key.owner {
            Some(owner) => lock_owner(&mut changes, owner).await?,
            None => (None, None),
        };
        sqlx::query!(
            "insert into api_key (id, name, team_id, user_id, agent_id, mac, models, created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            key.id,
            key.name,
            team_id,
            user_id,
            agent_id,
            key.mac.as_slice(),
            key.models,
            key.created_at,
            key.expires_at,
        )
        .execute(&mut *changes)
        .await
        .or_conflict(|| {
            format!(
                "there is a live key `{}` already: revoke or rotate it",
                key.name
            )
        })?;
        if let Some(budget) = key.budget {
            put_budget(&mut changes, budget).await?;
        }
        let row = key_by_id(&mut changes, key.id).await?;
        one_organisation(&mut changes, row.user_id, row.team_id).await?;
        commit_change(changes).await?;
        Ok(row)
    }

    /// All keys, by name, with the revoked ones.
    pub async fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        Ok(select_keys!("order by k.name, k.created_at")
            .fetch_all(&self.pool)
            .await?)
    }

    /// The key whose secret, or the one before it, has this HMAC, also if it is expired or
    /// revoked: the caller tells the two apart from a key that never was.
    pub async fn find_key_by_mac(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, StoreError> {
        Ok(
            select_keys!("where k.mac = $1 or k.former_mac = $1", mac.as_slice())
                .fetch_optional(&self.pool)
                .await?,
        )
    }

    /// Revokes the live key of this id or name, with both its secrets; `None` if there is
    /// none.
    pub async fn revoke_key(
        &self,
        id_or_name: &str,
        now: OffsetDateTime,
    ) -> Result<Option<KeyRow>, StoreError> {
        let mut changes = self.pool.begin().await?;
        let Some(id) = lock_live_key(&mut changes, id_or_name).await? else {
            return Ok(None);
        };
        sqlx::query!("update api_key set revoked_at = $2 where id = $1", id, now)
            .execute(&mut *changes)
            .await?;
        let row = key_by_id(&mut changes, id).await?;
        commit_change(changes).await?;
        Ok(Some(row))
    }

    /// Gives the live key of this id or name a new secret. The old one counts until
    /// `former_until`, and is unknown from now on if that is `None`; one that was replaced
    /// earlier is unknown in any case. Everything else stays, also its spend. `None` if there
    /// is no such key.
    pub async fn rotate_key(
        &self,
        id_or_name: &str,
        mac: &[u8; 32],
        former_until: Option<OffsetDateTime>,
    ) -> Result<Option<KeyRow>, StoreError> {
        let mut changes = self.pool.begin().await?;
        let Some(id) = lock_live_key(&mut changes, id_or_name).await? else {
            return Ok(None);
        };
        sqlx::query!(
            "update api_key
             set mac = $2, former_mac = case when $3::timestamptz is null then null else mac end, former_until = $3
             where id = $1",
            id,
            mac.as_slice(),
            former_until,
        )
        .execute(&mut *changes)
        .await
        .or_conflict(|| "this secret is in use already".to_owned())?;
        let row = key_by_id(&mut changes, id).await?;
        commit_change(changes).await?;
        Ok(Some(row))
    }
}

/// What looks like an id is taken as one: a name of that shape is reached by its id only.
pub(crate) async fn lock_live_key(
    changes: &mut PgConnection,
    id_or_name: &str,
) -> Result<Option<Uuid>, StoreError> {
    let found = match Uuid::parse_str(id_or_name) {
        Ok(id) => {
            sqlx::query_scalar!(
                "select id from api_key where id = $1 and revoked_at is null for update",
                id
            )
            .fetch_optional(changes)
            .await?
        }
        Err(_) => {
            sqlx::query_scalar!(
                "select id from api_key where name = $1 and revoked_at is null for update",
                id_or_name
            )
            .fetch_optional(changes)
            .await?
        }
    };
    Ok(found)
}

async fn key_by_id(changes: &mut PgConnection, id: Uuid) -> Result<KeyRow, StoreError> {
    Ok(select_keys!("where k.id = $1", id)
        .fetch_one(changes)
        .await?)
}
