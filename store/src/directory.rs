//! Whoever stands behind a token or a certificate, in one query each.

use lattice_identity::Handle;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::OrConflict;
use crate::holders::{Owner, lock_owner};
use crate::settings::{commit_change, commit_if_changed};
use crate::{Store, StoreError};

/// A certificate as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRow {
    /// Minted by the caller.
    pub id: Uuid,
    /// Unique: a name that the certificate carries (`uri:…`, `dns:…`, `email:…`, `cn:…`), or
    /// `sha256:` and the 64 hex digits of its fingerprint.
    pub name: String,
    /// `user` or `agent`.
    pub kind: String,
    /// The name of the user or agent that it stands for.
    pub holder: String,
    /// When it was declared.
    pub created_at: OffsetDateTime,
}

/// A user or an agent with everything around it; see [`lattice_identity::Holder`].
pub(crate) struct HolderRow {
    pub user_id: Option<Uuid>,
    pub user_name: Option<String>,
    pub agent_id: Option<Uuid>,
    pub agent_name: Option<String>,
    pub disabled: bool,
    pub org_id: Option<Uuid>,
    pub org_name: Option<String>,
    /// `LEVEL:ROLE` of the agent and the user.
    pub grants: Vec<String>,
    pub team_id: Option<Uuid>,
    pub team_name: Option<String>,
    pub team_models: Option<Vec<String>>,
    pub classification: Option<String>,
    pub team_org_id: Option<Uuid>,
    pub team_org_name: Option<String>,
    /// `LEVEL:ROLE` of the team.
    pub team_grants: Vec<String>,
}

/// The one place that lists a holder's columns. Takes the tables that lead to the agent `a`
/// and the user `u`, then the filter and its arguments.
macro_rules! select_holders {
    ($from:literal, $filter:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            HolderRow,
            r#"select u.id as "user_id?", u.name as "user_name?", a.id as "agent_id?", a.name as "agent_name?",
                      (u.disabled_at is not null or a.disabled_at is not null) as "disabled!",
                      uo.id as "org_id?", uo.name as "org_name?",
                      array(select g.level || ':' || g.role from role_grant g
                            where g.holder_id in (a.id, u.id)) as "grants!",
                      t.id as "team_id?", t.name as "team_name?", t.models as "team_models?",
                      t.classification as "classification?",
                      tor.id as "team_org_id?", tor.name as "team_org_name?",
                      array(select g.level || ':' || g.role from role_grant g
                            where g.holder_id = t.id) as "team_grants!" "#
                + $from
                + r#" left join org uo on uo.id = u.org_id
                      left join team t on t.id = coalesce(a.team_id, u.team_id)
                      left join org tor on tor.id = t.org_id "#
                + $filter,
            $($argument),*
        )
    };
}

impl Store {
    /// The user or agent that `handle` leads to, also if it is disabled; neither where
    /// tokens named a user that was deleted.
    pub(crate) async fn find_holder(
        &self,
        handle: &Handle,
    ) -> Result<Option<HolderRow>, StoreError> {
        let found = match handle {
            Handle::Token { issuer, subject } => {
                select_holders!(
                    "from (select $1::text as issuer, $2::text as subject) w
                     left join app_user u on u.issuer = w.issuer and u.subject = w.subject
                     left join agent a on false",
                    "where u.id is not null or exists
                     (select 1 from deleted_subject d where d.issuer = w.issuer and d.subject = w.subject)",
                    issuer,
                    subject
                )
                .fetch_optional(&self.pool)
                .await
            }
            Handle::User(name) => {
                select_holders!(
                    "from app_user u left join agent a on false",
                    "where u.name = $1",
                    name
                )
                .fetch_optional(&self.pool)
                .await
            }
            Handle::Agent(name) => {
                select_holders!(
                    "from agent a left join app_user u on u.id = a.owner_id",
                    "where a.name = $1",
                    name
                )
                .fetch_optional(&self.pool)
                .await
            }
            Handle::Certificate(names) => {
                let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
                select_holders!(
                    "from certificate c left join agent a on a.id = c.agent_id
                     left join app_user u on u.id = coalesce(c.user_id, a.owner_id)",
                    "where c.name = any($1) order by array_position($1, c.name) limit 1",
                    &names
                )
                .fetch_optional(&self.pool)
                .await
            }
        };
        Ok(found?)
    }

    /// The team of this name, in the columns that a holder has for it.
    pub(crate) async fn find_team(&self, name: &str) -> Result<Option<HolderRow>, StoreError> {
        let from_team = sqlx::query_as!(
            HolderRow,
            r#"select null::uuid as user_id, null as user_name, null::uuid as agent_id, null as agent_name,
                      false as "disabled!", null::uuid as org_id, null as org_name, '{}'::text[] as "grants!",
                      t.id as "team_id?", t.name as "team_name?", t.models as "team_models?", t.classification,
                      tor.id as "team_org_id?", tor.name as "team_org_name?",
                      array(select g.level || ':' || g.role from role_grant g
                            where g.holder_id = t.id) as "team_grants!"
               from team t left join org tor on tor.id = t.org_id where t.name = $1"#,
            name
        );
        Ok(from_team.fetch_optional(&self.pool).await?)
    }

    /// The organisation of this name.
    pub(crate) async fn find_org(&self, name: &str) -> Result<Option<(Uuid, String)>, StoreError> {
        let found = sqlx::query!("select id, name from org where name = $1", name)
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.map(|org| (org.id, org.name)))
    }

    /// Declares whose certificate it is; `Conflict` if the name is taken, `Missing` if there
    /// is no such user or agent.
    pub async fn create_certificate(
        &self,
        id: Uuid,
        name: &str,
        holder: Owner<'_>,
        created_at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut changes = self.pool.begin().await?;
        let (user_id, agent_id) = lock_owner(&mut changes, holder).await?;
        sqlx::query!(
            "insert into certificate (id, name, user_id, agent_id, created_at) values ($1, $2, $3, $4, $5)",
            id,
            name,
            user_id,
            agent_id,
            created_at,
        )
        .execute(&mut *changes)
        .await
        .or_conflict(|| format!("the certificate `{name}` is somebody's already"))?;
        commit_change(changes).await
    }

    /// All certificates, by name.
    pub async fn certificates(&self) -> Result<Vec<CertificateRow>, StoreError> {
        Ok(sqlx::query_as!(
            CertificateRow,
            r#"select c.id, c.name, case when a.id is null then 'user' else 'agent' end as "kind!",
                      coalesce(a.name, u.name) as "holder!", c.created_at
               from certificate c left join agent a on a.id = c.agent_id left join app_user u on u.id = c.user_id
               order by c.name"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Makes the certificate of this name nobody's; `false` if it was.
    pub async fn delete_certificate(&self, name: &str) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        let deleted = sqlx::query!("delete from certificate where name = $1", name)
            .execute(&mut *changes)
            .await?;
        commit_if_changed(changes, &deleted).await
    }
}
