//! Teams: a name, the models its keys may use, and the keys it owns.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::OrConflict;
use crate::settings::commit_change;
use crate::{Store, StoreError};

/// A team as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamRow {
    /// Minted by the caller.
    pub id: Uuid,
    /// Unique.
    pub name: String,
    /// The models that its keys may use; `None`: every one that policy allows.
    pub models: Option<Vec<String>>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl Store {
    /// Stores a team; `Conflict` if the name is taken.
    pub async fn create_team(&self, team: &TeamRow) -> Result<(), StoreError> {
        let mut changes = self.pool.begin().await?;
        sqlx::query!(
            "insert into team (id, name, models, created_at) values ($1, $2, $3, $4)",
            team.id,
            team.name,
            team.models.as_deref(),
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
            "select id, name, models, created_at from team order by name"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Deletes the team of this name; `false` if there is none, `Conflict` while it owns a
    /// key that is not revoked. Its revoked keys stay, without a team.
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
            .or_conflict(|| format!("the team `{name}` still owns live keys: revoke them first"))?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        commit_change(changes).await?;
        Ok(true)
    }
}
