//! Budgets from the file and from the store, and what was spent before this
//! process began.

use std::collections::HashMap;

use lattice_kernel::{NanoUsd, SystemClock, Clock as _};
use lattice_limits::{Budget, Ledger, Mode, Opening, ScopeKind, Window};
use lattice_store::{BudgetRow, Store, StoreError};
use uuid::Uuid;

use crate::command::CommandError;

/// Every budget. What the file declares cannot be declared in the store too.
pub async fn budgets(declared: &[Budget], store: &Store) -> Result<Vec<Budget>, CommandError> {
    let mut budgets = declared.to_vec();
    for row in store.budgets().await? {
        let budget = checked(&row)?;
        let twice = declared.iter().any(|declared| {
            declared.kind == budget.kind && declared.name == budget.name && declared.window == budget.window
        });
        if twice {
            return Err(CommandError::Failed(format!(
                "the {} budget of {} {:?} is declared in the configuration file and in the database; take it out of one",
                budget.window.as_str(), budget.kind.as_str(), budget.name
            )));
        }
        budgets.push(budget);
    }
    Ok(budgets)
}

fn checked(row: &BudgetRow) -> Result<Budget, CommandError> {
    let read = || {
        Some(Budget {
            kind: ScopeKind::parse(&row.scope_kind)?,
            name: row.scope_name.as_str().into(),
            window: Window::parse(&row.time_window)?,
            limit: NanoUsd::from_i64(row.limit_nano_usd)?,
            mode: Mode::parse(&row.mode)?,
        })
    };
    // Not skipped: a budget that is not understood would not be enforced.
    read().ok_or_else(|| {
        CommandError::Failed(format!(
            "the budget {} of {} {:?} (window {}, mode {}) is not one that this version enforces",
            row.id, row.scope_kind, row.scope_name, row.time_window, row.mode
        ))
    })
}

/// The identifiers behind the names that budgets are written for.
pub async fn names(store: &Store) -> Result<HashMap<(ScopeKind, Box<str>), Uuid>, StoreError> {
    let teams = store.teams().await?.into_iter().map(|team| ((ScopeKind::Team, team.name.into()), team.id));
    let live = store.keys().await?.into_iter().filter(|key| key.revoked_at.is_none());
    Ok(teams.chain(live.map(|key| ((ScopeKind::Key, key.name.into()), key.id))).collect())
}

/// Takes over into `ledger` what the store knows was spent.
pub async fn restore(ledger: &Ledger, store: &Store) -> Result<(), StoreError> {
    let now = SystemClock.now();
    let openings = store.spend_since(now, None).await?.into_iter().filter_map(|row| {
        let kind = ScopeKind::parse(&row.scope_kind)?;
        let windows = [(Window::Hour, row.hour), (Window::Day, row.day), (Window::Month, row.month), (Window::Total, row.total)];
        Some(windows.map(|(window, amounts)| Opening {
            kind,
            id: row.scope_id,
            window,
            spent: NanoUsd::from_i64(amounts.spent_nano).unwrap_or(NanoUsd::MAX),
        }))
    });
    ledger.restore(now, openings.flatten());
    Ok(())
}
