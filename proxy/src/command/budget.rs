//! `lattice budget …`

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use lattice_kernel::{Clock as _, NanoUsd, SystemClock};
use lattice_limits::{Budget, ScopeKind, Window};
use lattice_store::{Amounts, SpendRow};
use serde::Serialize;
use uuid::Uuid;

use crate::books;
use crate::cli::BudgetCommand;
use crate::command::{CommandError, Done, table, with_state};
use crate::config::Config;
use crate::state::State;

#[derive(Serialize)]
struct Row {
    scope: HashMap<&'static str, String>,
    window: &'static str,
    limit_usd: serde_json::Number,
    spent_usd: serde_json::Number,
    reserved_usd: serde_json::Number,
    mode: &'static str,
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: BudgetCommand) -> Done {
    let BudgetCommand::List(listing) = command;
    with_state(config, |config, state| async move {
        let done = list(&config, &state, listing.json).await;
        (state, done)
    })
}

async fn list(config: &Config, state: &State, json: bool) -> Done {
    let budgets = books::budgets(&config.budgets, &state.store).await?;
    let names = books::names(&state.store).await?;
    let spend = state.store.spend_since(SystemClock.now(), None).await?;
    let rows: Vec<Row> = budgets
        .iter()
        .map(|budget| row(budget, &names, &spend))
        .collect::<Result<_, _>>()?;
    table::print(
        json,
        &rows,
        ["SCOPE", "WINDOW", "LIMIT", "SPENT", "RESERVED", "MODE"],
        |row| {
            let scope: Vec<String> = row
                .scope
                .iter()
                .map(|(kind, name)| format!("{kind} {name}"))
                .collect();
            [
                scope.join(" "),
                row.window.into(),
                row.limit_usd.to_string(),
                row.spent_usd.to_string(),
                row.reserved_usd.to_string(),
                row.mode.into(),
            ]
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

fn row(
    budget: &Budget,
    names: &HashMap<(ScopeKind, Box<str>), Uuid>,
    spend: &[SpendRow],
) -> Result<Row, CommandError> {
    let id = names.get(&(budget.kind, budget.name.clone()));
    let found = id.and_then(|id| {
        spend
            .iter()
            .find(|row| row.scope_id == *id && row.scope_kind == budget.kind.as_str())
    });
    let amounts = found.map_or(Amounts::default(), |row| match budget.window {
        Window::Hour => row.hour,
        Window::Day => row.day,
        Window::Month => row.month,
        Window::Total => row.total,
    });
    Ok(Row {
        scope: HashMap::from([(budget.kind.as_str(), budget.name.to_string())]),
        window: budget.window.as_str(),
        limit_usd: usd(budget.limit)?,
        spent_usd: usd(nano(amounts.spent_nano))?,
        reserved_usd: usd(nano(amounts.reserved_nano))?,
        mode: budget.mode.as_str(),
    })
}

fn nano(amount: i64) -> NanoUsd {
    NanoUsd::from_i64(amount).unwrap_or(NanoUsd::ZERO)
}

/// The exact decimal, not the nearest floating-point number.
fn usd(amount: NanoUsd) -> Result<serde_json::Number, CommandError> {
    amount
        .to_string()
        .parse()
        .map_err(|_| CommandError::Failed(format!("{amount} is not a JSON number")))
}
