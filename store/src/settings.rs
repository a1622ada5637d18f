//! Settings of the whole installation, and the revision that tells replicas to look again.

use sqlx::postgres::PgQueryResult;
use sqlx::{PgConnection, Postgres};

use crate::{Store, StoreError};

impl Store {
    /// The number that every change raises: of organisations, teams, users, agents, keys,
    /// roles, grants, certificates or budgets. Compare it with the one seen last;
    /// [`Store::listen`] tells of each new one.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        Ok(
            sqlx::query_scalar!("select value from revision where name = 'identity'")
                .fetch_one(&self.pool)
                .await?,
        )
    }

    /// The setting of this name, if it was ever set.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(
            sqlx::query_scalar!("select value from setting where name = $1", name)
                .fetch_optional(&self.pool)
                .await?,
        )
    }

    /// Sets the setting unless it is set, and returns what is stored: of several processes
    /// that try at once, one wins and all learn its value.
    pub async fn set_if_absent(&self, name: &str, value: &str) -> Result<String, StoreError> {
        // The empty update makes the existing row visible to `returning`.
        Ok(sqlx::query_scalar!(
            "insert into setting (name, value) values ($1, $2)
             on conflict (name) do update set value = setting.value
             returning value",
            name,
            value,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Sets the setting to `value`, and has the gateways look again.
    pub async fn set_for_all(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let mut changes = self.pool.begin().await?;
        sqlx::query!(
            "insert into setting (name, value) values ($1, $2)
             on conflict (name) do update set value = excluded.value",
            name,
            value,
        )
        .execute(&mut *changes)
        .await?;
        commit_change(changes).await
    }
}

/// To be called last in every transaction that changes what identity, policy or budgets
/// depend on: it locks the row that all such transactions share until the commit.
pub(crate) async fn bump_revision(changes: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!(
        "with bumped as (update revision set value = value + 1 where name = 'identity' returning value)
         select pg_notify('lattice', value::text) from bumped"
    )
    .execute(changes)
    .await?;
    Ok(())
}

/// As [`commit_change`], where `done` is what the change was; `false`, and nothing is
/// changed, where it touched no row.
pub(crate) async fn commit_if_changed(
    changes: sqlx::Transaction<'_, Postgres>,
    done: &PgQueryResult,
) -> Result<bool, StoreError> {
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    commit_change(changes).await?;
    Ok(true)
}

/// Ends a transaction that changed what identity, policy or budgets depend on.
pub(crate) async fn commit_change(
    mut changes: sqlx::Transaction<'_, Postgres>,
) -> Result<(), StoreError> {
    bump_revision(&mut changes).await?;
    Ok(changes.commit().await?)
}
