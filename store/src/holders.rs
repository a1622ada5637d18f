//! Users and agents: whoever may hold a key, a certificate or a role.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::OrConflict;
use crate::settings::{commit_change, commit_if_changed};
use crate::{Store, StoreError};

/// A user as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// Minted by the caller.
    pub id: Uuid,
    /// Unique among users.
    pub name: String,
    /// The name of the organisation that it belongs to.
    pub org: Option<String>,
    /// The name of the team that it acts for where its key or token names none.
    pub team: Option<String>,
    /// Who names it in tokens (`iss`, exactly), and how; either both or neither.
    pub issuer: Option<String>,
    /// See `issuer`.
    pub subject: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Since when it is refused.
    pub disabled_at: Option<OffsetDateTime>,
}

/// An agent as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRow {
    /// Minted by the caller.
    pub id: Uuid,
    /// Unique among agents.
    pub name: String,
    /// The name of the team that it acts for; `None`: that of its owner.
    pub team: Option<String>,
    /// The name of the user that it acts for, with whose roles and as long as that one may.
    pub owner: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Since when it is refused.
    pub disabled_at: Option<OffsetDateTime>,
}

/// Whose a key or a certificate is, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A user.
    User(&'a str),
    /// An agent.
    Agent(&'a str),
}

impl Store {
    /// Stores a user; `Conflict` if the name, or the pair of issuer and subject, is taken
    /// or the team is of another organisation, `Missing` if the organisation or team does not exist.
    pub async fn create_user(&self, user: &UserRow) -> Result<(), StoreError> {
        let mut changes = self.pool.begin().await?;
        let org_id = match &user.org {
            Some(name) => Some(lock_org(&mut changes, name).await?),
            None => None,
        };
        let team_id = match &user.team {
            Some(name) => Some(lock_team(&mut changes, name).await?),
            None => None,
        };
        sqlx::query!(
            "insert into app_user (id, name, org_id, team_id, issuer, subject, created_at, disabled_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
            user.id,
            user.name,
            org_id,
            team_id,
            user.issuer,
            user.subject,
            user.created_at,
            user.disabled_at,
        )
        .execute(&mut *changes)
        .await
        .or_conflict(|| {
            format!(
                "there is a user `{}` already, or one of this issuer and subject",
                user.name
            )
        })?;
        sqlx::query!(
            "delete from deleted_subject where issuer = $1 and subject = $2",
            user.issuer,
            user.subject,
        )
        .execute(&mut *changes)
        .await?;
        one_organisation(&mut changes, Some(user.id), team_id).await?;
        commit_change(changes).await
    }

    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<UserRow>, StoreError> {
        Ok(sqlx::query_as!(
            UserRow,
            r#"select u.id, u.name, o.name as "org?", t.name as "team?", u.issuer, u.subject, u.created_at, u.disabled_at
               from app_user u left join org o on o.id = u.org_id left join team t on t.id = u.team_id
               order by u.name"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Refuses the user of this name, with all its keys, certificates and agents, from now
    /// on (`Some`), or no longer (`None`). `false` if there is no such user.
    pub async fn disable_user(
        &self,
        name: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        let changed = sqlx::query!(
            "update app_user set disabled_at = $2 where name = $1",
            name,
            at
        )
        .execute(&mut *changes)
        .await?;
        commit_if_changed(changes, &changed).await
    }

    /// Deletes the user of this name with what it was granted and its certificates; `false`
    /// if there is none, `Conflict` while it has a key that is not revoked, or an agent. Its
    /// revoked keys stay, as nobody's. Tokens that named it are refused from then on, until
    /// a user is made for them again.
    pub async fn delete_user(&self, name: &str) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        // Their tokens are not to be served as those of somebody unknown.
        sqlx::query!(
            "insert into deleted_subject (issuer, subject)
             select issuer, subject from app_user where name = $1 and issuer is not null
             on conflict do nothing",
            name,
        )
        .execute(&mut *changes)
        .await?;
        sqlx::query!(
            "update api_key set user_id = null
             where revoked_at is not null and user_id = (select id from app_user where name = $1)",
            name,
        )
        .execute(&mut *changes)
        .await?;
        let deleted = sqlx::query!("delete from app_user where name = $1", name)
            .execute(&mut *changes)
            .await
            .or_conflict(|| {
                format!("the user `{name}` still has live keys or agents: revoke or delete them first, or disable the user")
            })?;
        commit_if_changed(changes, &deleted).await
    }

    /// Stores an agent; `Conflict` if the name is taken or its team and its owner are of two
    /// organisations, `Missing` if one of these does not exist.
    pub async fn create_agent(&self, agent: &AgentRow) -> Result<(), StoreError> {
        let mut changes = self.pool.begin().await?;
        let team_id = match &agent.team {
            Some(name) => Some(lock_team(&mut changes, name).await?),
            None => None,
        };
        let owner_id = match &agent.owner {
            Some(name) => lock_owner(&mut changes, Owner::User(name)).await?.0,
            None => None,
        };
        sqlx::query!(
            "insert into agent (id, name, team_id, owner_id, created_at, disabled_at)
             values ($1, $2, $3, $4, $5, $6)",
            agent.id,
            agent.name,
            team_id,
            owner_id,
            agent.created_at,
            agent.disabled_at,
        )
        .execute(&mut *changes)
        .await
        .or_conflict(|| format!("there is an agent `{}` already", agent.name))?;
        one_organisation(&mut changes, owner_id, team_id).await?;
        commit_change(changes).await
    }

    /// All agents, by name.
    pub async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        Ok(sqlx::query_as!(
            AgentRow,
            r#"select a.id, a.name, t.name as "team?", u.name as "owner?", a.created_at, a.disabled_at
               from agent a left join team t on t.id = a.team_id left join app_user u on u.id = a.owner_id
               order by a.name"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// As [`Store::disable_user`], for an agent.
    pub async fn disable_agent(
        &self,
        name: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        let changed = sqlx::query!(
            "update agent set disabled_at = $2 where name = $1",
            name,
            at
        )
        .execute(&mut *changes)
        .await?;
        commit_if_changed(changes, &changed).await
    }

    /// As [`Store::delete_user`], for an agent.
    pub async fn delete_agent(&self, name: &str) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        sqlx::query!(
            "update api_key set agent_id = null
             where revoked_at is not null and agent_id = (select id from agent where name = $1)",
            name,
        )
        .execute(&mut *changes)
        .await?;
        let deleted = sqlx::query!("delete from agent where name = $1", name)
            .execute(&mut *changes)
            .await
            .or_conflict(|| {
                format!("the agent `{name}` still has live keys: revoke them first, or disable the agent")
            })?;
        commit_if_changed(changes, &deleted).await
    }
}

/// Finds the organisation and keeps it from being deleted until the transaction ends.
pub(crate) async fn lock_org(changes: &mut PgConnection, name: &str) -> Result<Uuid, StoreError> {
    sqlx::query_scalar!("select id from org where name = $1 for key share", name)
        .fetch_optional(changes)
        .await?
        .ok_or_else(|| missing("organisation", name))
}

/// Finds the team and keeps it from being deleted until the transaction ends.
pub(crate) async fn lock_team(changes: &mut PgConnection, name: &str) -> Result<Uuid, StoreError> {
    sqlx::query_scalar!("select id from team where name = $1 for key share", name)
        .fetch_optional(changes)
        .await?
        .ok_or_else(|| missing("team", name))
}

/// Finds the user or the agent, of which the other is `None`, and keeps it from being
/// deleted until the transaction ends.
pub(crate) async fn lock_owner(
    changes: &mut PgConnection,
    owner: Owner<'_>,
) -> Result<(Option<Uuid>, Option<Uuid>), StoreError> {
    match owner {
        Owner::User(name) => sqlx::query_scalar!(
            "select id from app_user where name = $1 for key share",
            name
        )
        .fetch_optional(changes)
        .await?
        .map(|id| (Some(id), None))
        .ok_or_else(|| missing("user", name)),
        Owner::Agent(name) => {
            sqlx::query_scalar!("select id from agent where name = $1 for key share", name)
                .fetch_optional(changes)
                .await?
                .map(|id| (None, Some(id)))
                .ok_or_else(|| missing("agent", name))
        }
    }
}

/// What a user was granted in one organisation must not count in another, so nobody acts
/// for a team elsewhere.
pub(crate) async fn one_organisation(
    changes: &mut PgConnection,
    user: Option<Uuid>,
    team: Option<Uuid>,
) -> Result<(), StoreError> {
    let apart = sqlx::query!(
        r#"select u.name as "user", uo.name as "user_org", t.name as "team", tor.name as "team_org"
           from app_user u
           join org uo on uo.id = u.org_id
           join team t on t.org_id <> u.org_id
           join org tor on tor.id = t.org_id
           where u.id = $1 and t.id = $2"#,
        user,
        team,
    )
    .fetch_optional(changes)
    .await?;
    apart.map_or(Ok(()), |apart| {
        Err(StoreError::Conflict {
            what: format!(
                "the user `{}` belongs to the organisation `{}`, the team `{}` to `{}`: take two of the same",
                apart.user, apart.user_org, apart.team, apart.team_org
            ),
        })
    })
}

pub(crate) fn missing(kind: &str, name: &str) -> StoreError {
    StoreError::Missing {
        what: format!("there is no {kind} `{name}`"),
    }
}
