//! Budgets that were set at run time. Those that the configuration file declares are not here.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::settings::{commit_change, commit_if_changed};
use crate::{Store, StoreError, WindowStarts};

/// A budget as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRow {
    /// Minted by the caller.
    pub id: Uuid,
    /// `org`, `team`, `user`, `key`, `agent` or `model`.
    pub scope_kind: String,
    /// The name of the team, key and so on; it need not exist (yet).
    pub scope_name: String,
    /// `minute`, `hour`, `day`, `month` or `total`.
    pub time_window: String,
    /// Nano-USD, not negative.
    pub limit_nano_usd: i64,
    /// `hard`, `soft` or `downgrade`.
    pub mode: String,
}

/// A budget beside what its scope has spent in the current window.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other fields are those of `BudgetRow`")]
pub struct BudgetSpendRow {
    pub id: Uuid,
    pub scope_kind: String,
    pub scope_name: String,
    pub time_window: String,
    pub limit_nano_usd: i64,
    pub mode: String,
    /// The team or live key of this name; `None` for other scopes and for names without a row.
    pub scope_id: Option<Uuid>,
    /// Nano-USD. 0 for `minute`: spend is kept by the hour.
    pub spent_nano_usd: i64,
    /// Nano-USD, reserved and not yet settled.
    pub reserved_nano_usd: i64,
}

impl Store {
    /// Sets the budget of this scope and window, whether it exists or not; an existing one
    /// keeps its id. Returns what is stored.
    pub async fn set_budget(&self, budget: &BudgetRow) -> Result<BudgetRow, StoreError> {
        let mut changes = self.pool.begin().await?;
        let stored = put_budget(&mut changes, budget).await?;
        commit_change(changes).await?;
        Ok(stored)
    }

    /// All budgets, by scope and window.
    pub async fn budgets(&self) -> Result<Vec<BudgetRow>, StoreError> {
        Ok(sqlx::query_as!(
            BudgetRow,
            "select id, scope_kind, scope_name, time_window, limit_nano_usd, mode
             from budget order by scope_kind, scope_name, time_window"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Deletes the budget of this scope and window; `false` if there is none.
    pub async fn delete_budget(
        &self,
        kind: &str,
        name: &str,
        window: &str,
    ) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        let deleted = sqlx::query!(
            "delete from budget where scope_kind = $1 and scope_name = $2 and time_window = $3",
            kind,
            name,
            window,
        )
        .execute(&mut *changes)
        .await?;
        commit_if_changed(changes, &deleted).await
    }

    /// All budgets with what the current window (UTC calendar) of each has seen so far.
    pub async fn budget_rows(
        &self,
        now: OffsetDateTime,
    ) -> Result<Vec<BudgetSpendRow>, StoreError> {
        let since = WindowStarts::at(now);
        Ok(sqlx::query_as!(
            BudgetSpendRow,
            r#"select b.id, b.scope_kind, b.scope_name, b.time_window, b.limit_nano_usd, b.mode,
                      coalesce(t.id, k.id) as scope_id,
                      coalesce(sum(s.spent_nano_usd), 0)::bigint as "spent_nano_usd!",
                      coalesce(sum(s.reserved_nano_usd), 0)::bigint as "reserved_nano_usd!"
               from budget b
               left join team t on b.scope_kind = 'team' and t.name = b.scope_name
               left join api_key k on b.scope_kind = 'key' and k.name = b.scope_name and k.revoked_at is null
               left join spend s on s.scope_kind = b.scope_kind and s.scope_id = coalesce(t.id, k.id)
                    and s.hour >= case b.time_window
                                  when 'hour' then $1 when 'day' then $2 when 'month' then $3
                                  when 'total' then '-infinity'::timestamptz end
               group by b.id, t.id, k.id
               order by b.scope_kind, b.scope_name, b.time_window"#,
            since.hour,
            since.day,
            since.month,
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

/// Sets a budget within a larger change.
pub(crate) async fn put_budget(
    changes: &mut PgConnection,
    budget: &BudgetRow,
) -> Result<BudgetRow, StoreError> {
    Ok(sqlx::query_as!(
        BudgetRow,
        "insert into budget (id, scope_kind, scope_name, time_window, limit_nano_usd, mode)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (scope_kind, scope_name, time_window)
         do update set limit_nano_usd = excluded.limit_nano_usd, mode = excluded.mode
         returning id, scope_kind, scope_name, time_window, limit_nano_usd, mode",
        budget.id,
        budget.scope_kind,
        budget.scope_name,
        budget.time_window,
        budget.limit_nano_usd,
        budget.mode,
    )
    .fetch_one(changes)
    .await?)
}
