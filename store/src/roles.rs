//! Roles, and to whom they are granted. What a role permits was checked by the identity
//! crate before it comes here, and is given to policy as it is.

use lattice_identity::Permissions;
use lattice_kernel::principal::Level;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::OrConflict;
use crate::holders::{Owner, lock_owner, lock_team, missing};
use crate::keys::lock_live_key;
use crate::settings::{commit_change, commit_if_changed};
use crate::{Store, StoreError};

/// A role as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRow {
    /// Unique. A role of the policy set's files with the same name wins.
    pub name: String,
    /// A JSON array, as [`Permissions::json`] writes it.
    pub permissions: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Whom a role is granted to, by name; a key by name or id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Grantee<'a> {
    User(&'a str),
    Agent(&'a str),
    Key(&'a str),
    Team(&'a str),
}

/// A grant as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// The role's name.
    pub role: String,
    /// `org`, `team` or `own`.
    pub level: String,
    /// `user`, `agent`, `key` or `team`.
    pub kind: String,
    /// The holder's name.
    pub name: String,
}

/// What policy is to know of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyData {
    /// [`Store::revision`] at which it was read.
    pub revision: i64,
    /// `{"roles": {NAME: {"permissions": […]}}}`, for `data.lattice.store`.
    pub json: String,
}

/// The grantee's id in the one column that is its kind's: user, agent, key, team.
type Holder = [Option<Uuid>; 4];

impl Store {
    /// Stores a role; `Conflict` if the name is taken.
    pub async fn create_role(
        &self,
        name: &str,
        permissions: &Permissions,
        created_at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut changes = self.pool.begin().await?;
        sqlx::query!(
            "insert into role (name, permissions, created_at) values ($1, $2, $3)",
            name,
            permissions.json(),
            created_at,
        )
        .execute(&mut *changes)
        .await
        .or_conflict(|| format!("there is a role `{name}` already"))?;
        commit_change(changes).await
    }

    /// All roles, by name.
    pub async fn roles(&self) -> Result<Vec<RoleRow>, StoreError> {
        Ok(sqlx::query_as!(
            RoleRow,
            "select name, permissions, created_at from role order by name"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Deletes the role of this name; `false` if there is none, `Conflict` while somebody
    /// holds it.
    pub async fn delete_role(&self, name: &str) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        let deleted = sqlx::query!("delete from role where name = $1", name)
            .execute(&mut *changes)
            .await?;
        if deleted.rows_affected() == 0 {
            return Ok(false);
        }
        // Looked up behind the lock that the deletion waits for: a grant that is being made
        // holds the role until it is there to be seen.
        let is_held = sqlx::query_scalar!(
            r#"select exists (select from role_grant where role = $1) as "is_held!""#,
            name
        )
        .fetch_one(&mut *changes)
        .await?;
        if is_held {
            return Err(StoreError::Conflict {
                what: format!("the role `{name}` is granted to somebody: revoke it first"),
            });
        }
        commit_change(changes).await?;
        Ok(true)
    }

    /// Grants a role at a level; `false` if it was granted before, `Missing` if there is
    /// nobody of this name. The role need not be stored: the policy set's files have roles
    /// of their own.
    pub async fn grant_role(
        &self,
        role: &str,
        level: Level,
        to: Grantee<'_>,
    ) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        // One that is stored is not deleted before this is through.
        sqlx::query_scalar!("select name from role where name = $1 for key share", role)
            .fetch_optional(&mut *changes)
            .await?;
        let [user, agent, key, team] = lock_grantee(&mut changes, to).await?;
        let granted = sqlx::query!(
            "insert into role_grant (role, level, user_id, agent_id, key_id, team_id)
             values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
            role,
            level.as_str(),
            user,
            agent,
            key,
            team,
        )
        .execute(&mut *changes)
        .await?;
        commit_if_changed(changes, &granted).await
    }

    /// Takes a grant back; `false` if there was none, `Missing` if there is nobody of this
    /// name.
    pub async fn revoke_role(
        &self,
        role: &str,
        level: Level,
        from: Grantee<'_>,
    ) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        let holder = lock_grantee(&mut changes, from).await?;
        let revoked = sqlx::query!(
            "delete from role_grant where role = $1 and level = $2 and holder_id = $3",
            role,
            level.as_str(),
            holder.into_iter().flatten().next(),
        )
        .execute(&mut *changes)
        .await?;
        commit_if_changed(changes, &revoked).await
    }

    /// All grants but those of revoked keys, by role, level and holder.
    pub async fn grants(&self) -> Result<Vec<GrantRow>, StoreError> {
        Ok(sqlx::query_as!(
            GrantRow,
            r#"select g.role, g.level,
                      case when u.id is not null then 'user' when a.id is not null then 'agent'
                           when k.id is not null then 'key' else 'team' end as "kind!",
                      coalesce(u.name, a.name, k.name, t.name) as "name!"
               from role_grant g
               left join app_user u on u.id = g.user_id
               left join agent a on a.id = g.agent_id
               left join api_key k on k.id = g.key_id
               left join team t on t.id = g.team_id
               where k.revoked_at is null
               order by g.role, g.level, 3, 4"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// What policy is to know, with the revision that it is of.
    pub async fn policy_data(&self) -> Result<PolicyData, StoreError> {
        // One statement, so both are of the same instant.
        Ok(sqlx::query_as!(
            PolicyData,
            r#"select value as revision,
                      json_build_object('roles', coalesce(
                          (select json_object_agg(name, json_build_object('permissions', permissions::json) order by name) from role),
                          '{}'::json))::text as "json!"
               from revision where name = 'identity'"#
        )
        .fetch_one(&self.pool)
        .await?)
    }
}

async fn lock_grantee(changes: &mut PgConnection, to: Grantee<'_>) -> Result<Holder, StoreError> {
    Ok(match to {
        Grantee::User(name) => [
            lock_owner(changes, Owner::User(name)).await?.0,
            None,
            None,
            None,
        ],
        Grantee::Agent(name) => [
            None,
            lock_owner(changes, Owner::Agent(name)).await?.1,
            None,
            None,
        ],
        Grantee::Key(key) => {
            let found = lock_live_key(changes, key).await?;
            [
                None,
                None,
                Some(found.ok_or_else(|| missing("live key", key))?),
                None,
            ]
        }
        Grantee::Team(name) => [None, None, None, Some(lock_team(changes, name).await?)],
    })
}
