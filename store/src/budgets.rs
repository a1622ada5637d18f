//! Budgets that were set at run time. Those that the configuration file declares are not here.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::settings::{commit_change, commit_if_changed};
use crate::{Store, StoreError};

/// A budget as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRow {
    /// Minted by the caller.
    pub id: Uuid,
    /// `org`, `team`, `user`, `key`, `agent` or `model`.
    pub scope_kind: String,
    /// The name of the team, key and so on; it need not exist (yet).
    pub scope_name: String,
    /// What is counted: `usd`, `tokens` or `requests`.
    pub unit: String,
    /// `minute`, `hour`, `day`, `month` or `total`.
    pub time_window: String,
    /// The window ends now, instead of beginning by the calendar.
    pub rolling: bool,
    /// Nano-USD, tokens or requests, not negative.
    pub amount: i64,
    /// `hard`, `soft` or `downgrade`.
    pub mode: String,
    /// The model that is served instead, where the mode is `downgrade`, and there alone.
    pub downgrade_to: Option<String>,
}

impl Store {
    /// Sets the budget of this scope, unit and window, whether it exists or not; an existing
    /// one keeps its id. Returns what is stored.
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
            "select id, scope_kind, scope_name, unit, time_window, rolling, amount, mode, downgrade_to
             from budget order by scope_kind, scope_name, time_window, unit, rolling"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Deletes the budget of this scope, unit and window; `false` if there is none.
    pub async fn delete_budget(
        &self,
        kind: &str,
        name: &str,
        unit: &str,
        window: &str,
        rolling: bool,
    ) -> Result<bool, StoreError> {
        let mut changes = self.pool.begin().await?;
        let deleted = sqlx::query!(
            "delete from budget
             where scope_kind = $1 and scope_name = $2 and unit = $3 and time_window = $4 and rolling = $5",
            kind,
            name,
            unit,
            window,
            rolling,
        )
        .execute(&mut *changes)
        .await?;
        commit_if_changed(changes, &deleted).await
    }
}

/// Sets a budget within a larger change.
pub(crate) async fn put_budget(
    changes: &mut PgConnection,
    budget: &BudgetRow,
) -> Result<BudgetRow, StoreError> {
    Ok(sqlx::query_as!(
        BudgetRow,
        "insert into budget (id, scope_kind, scope_name, unit, time_window, rolling, amount, mode, downgrade_to)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (scope_kind, scope_name, unit, time_window, rolling)
         do update set amount = excluded.amount, mode = excluded.mode, downgrade_to = excluded.downgrade_to
         returning id, scope_kind, scope_name, unit, time_window, rolling, amount, mode, downgrade_to",
        budget.id,
        budget.scope_kind,
        budget.scope_name,
        budget.unit,
        budget.time_window,
        budget.rolling,
        budget.amount,
        budget.mode,
        budget.downgrade_to,
    )
    .fetch_one(changes)
    .await?)
}
