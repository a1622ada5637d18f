//! Organisations, and teams: a name, the models its keys may use, what its data are
//! classified as, and the keys it owns.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::OrConflict;
use crate::holders::lock_org;
use crate::settings::{commit_change, commit_if_changed};
use crate::{Store, StoreError};

/// An organisation as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgRow {
    /// Minted by the caller.
    pub id: Uuid,
    /// Unique.
    pub name: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A team as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamRow {
    /// Minted by the caller.
    pub id: Uuid,
    /// Unique.
    pub name: String,
    /// The models that its keys may use; `None`: every one that policy allows.
    pub models: Option<Vec<String>>,
    /// The name of the organisation that it belongs to.
    pub org: Option<String>,
    /// What its data are classified as; which labels there are is the policy set's to say.
    pub classification: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl Store {
    /// Stores an organisation; `Conflict` if the name is taken.
    pub async fn create_org(&self, org: &OrgRow) -> Result<(), StoreError> {
        let mut changes = self.pool.begin().await?;
        sqlx::query!(
            "insert into org (id, name, created_at) values ($1, $2, $3)",
            org.id,
            org.name,
            org.created_at,
        )
        .execute(&mut *changes)
        .await
        .or_conflict(|| format!("there is an organisation `{}` already", org.name))?;
        commit_change(changes).await
    }

    /// All organisations, by name.
    pub async fn orgs(&self) -> Result<Vec<OrgRow>, StoreError> {
        Ok(
            sqlx::query_as!(OrgRow, "select id, name, created_at from org order by name")
                .fetch_all(&self.pool)
                .await?,
        )
    }

    /// Deletes the organisation of this name; `false` if there is none, `Conflict` while a
    /// team or user belongs to it.
    pub async fn delete_org(&self, name: &str) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        let deleted = sqlx::query!("delete from org where name = $1", name)
            .execute(&mut *changes)
            .await
            .or_conflict(|| {
                format!("teams or users belong to the organisation `{name}`: delete them first")
            })?;
        commit_if_changed(changes, &deleted).await
    }

    /// Stores a team; `Conflict` if the name is taken, `Missing` if the organisation does not
    /// exist.
    pub async fn create_team(&self, team: &TeamRow) -> Result<(), StoreError> {
        let mut changes = self.pool.begin().await?;
        let org_id = match &team.org {
            Some(name) => Some(lock_org(&mut changes, name).await?),
            None => None,
        };
        sqlx::query!(
            "insert into team (id, name, models, org_id, classification, created_at)
             values ($1, $2, $3, $4, $5, $6)",
            team.id,
            team.name,
            team.models.as_deref(),
            org_id,
            team.classification,
            team.created_at,
        )
        .execute(&mut *changes)
        .await
        .or_conflict(|| format!("there is a team `{}` already", team.name))?;
        commit_change(changes).await
    }

    /// All teams, by name.
    pub async fn teams(&self) -> Result<Vec<TeamRow>, StoreError> {
        Ok(sqlx::query_as!(
            TeamRow,
            r#"select t.id, t.name, t.models, o.name as "org?", t.classification, t.created_at
               from team t left join org o on o.id = t.org_id order by t.name"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Deletes the team of this name; `false` if there is none, `Conflict` while it owns a
    /// key that is not revoked, or a user or agent. Its revoked keys stay, without a team.
    pub async fn delete_team(&self, name: &str) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        sqlx::query!(
            "update api_key set team_id = null
             where revoked_at is not null and team_id = (select id from team where name = $1)",
            name,
        )
        .execute(&mut *changes)
        .await?;
        // The foreign key refuses for a live key, even for one that is being made right now.
        let deleted = sqlx::query!("delete from team where name = $1", name)
            .execute(&mut *changes)
            .await
            .or_conflict(|| {
                format!("the team `{name}` still has live keys, users or agents: revoke or delete them first")
            })?;
        commit_if_changed(changes, &deleted).await
    }
}
