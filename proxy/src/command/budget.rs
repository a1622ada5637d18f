//! `lattice budget …`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use lattice_kernel::{Clock as _, NanoUsd, SystemClock};
use lattice_limits::{Limit, Mode, Period, ScopeKind, Unit, Window};
use lattice_store::BudgetRow;
use serde::Serialize;
use uuid::Uuid;

use crate::books::{self, State as LimitState};
use crate::cli::{BudgetCommand, NamedBudget, NewBudget, ShownBudget};
use crate::command::{CommandError, Done, table, with_state};
use crate::config::Config;
use crate::state::State;

/// A budget as it is listed: amounts of money in USD, of tokens and requests by number.
#[derive(Serialize)]
struct Row {
    scope: BTreeMap<&'static str, String>,
    window: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    rolling: bool,
    #[serde(flatten)]
    amounts: BTreeMap<String, serde_json::Number>,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    downgrade_to: Option<String>,
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: BudgetCommand) -> Done {
    with_state(config, |config, state| async move {
        let done = match command {
            BudgetCommand::List(listing) => list(&config, &state, listing.json, |_| true).await,
            BudgetCommand::Show(named) => show(&config, &state, &named).await,
            BudgetCommand::Set(new) => set(&config, &state, &new).await,
            BudgetCommand::Delete(named) => delete(&state, &named).await,
            BudgetCommand::Release { node } => release(&state, &node).await,
        };
        (state, done)
    })
}

async fn list(config: &Config, state: &State, json: bool, shown: impl Fn(&Limit) -> bool) -> Done {
    let mut limits = books::limits(&config.limits, &state.store).await?;
    limits.retain(shown);
    let states = books::states(&state.store, limits, SystemClock.now()).await?;
    let rows: Vec<Row> = states.iter().map(row).collect::<Result<_, _>>()?;
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
            let amount = |of: &str| {
                let found = row.amounts.iter().find(|(name, _)| name.starts_with(of));
                found.map_or_else(String::new, |(name, amount)| {
                    match name.rsplit('_').next() {
                        Some("usd") | None => amount.to_string(),
                        Some(unit) => format!("{amount} {unit}"),
                    }
                })
            };
            [
                scope.join(" "),
                format!(
                    "{}{}",
                    if row.rolling { "rolling " } else { "" },
                    row.window
                ),
                amount("limit"),
                amount("spent"),
                amount("reserved"),
                row.downgrade_to.as_ref().map_or_else(
                    || row.mode.into(),
                    |model| format!("{} to {model}", row.mode),
                ),
            ]
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn show(config: &Config, state: &State, named: &ShownBudget) -> Done {
    let (kind, name) = scope(&named.scope)?;
    let shown = |limit: &Limit| limit.kind == kind && *limit.name == *name;
    list(config, state, named.json, shown).await
}

fn row(LimitState { limit, usage }: &LimitState) -> Result<Row, CommandError> {
    let usage = usage.unwrap_or_default();
    let unit = limit.unit.as_str();
    let mut amounts = BTreeMap::new();
    for (what, amount) in [
        ("limit", limit.amount),
        ("spent", usage.spent.unwrap_or(usage.used)),
        ("reserved", usage.reserved.unwrap_or_default()),
    ] {
        amounts.insert(format!("{what}_{unit}"), number(limit.unit, amount)?);
    }
    Ok(Row {
        scope: BTreeMap::from([(limit.kind.as_str(), limit.name.to_string())]),
        window: limit.period.window.as_str(),
        rolling: limit.period.rolling,
        amounts,
        mode: limit.mode.as_str(),
        downgrade_to: match &limit.mode {
            Mode::Downgrade(model) => Some(model.to_string()),
            Mode::Hard | Mode::Soft => None,
        },
    })
}

/// The exact decimal, not the nearest floating-point number.
fn number(unit: Unit, amount: i64) -> Result<serde_json::Number, CommandError> {
    if unit != Unit::Usd {
        return Ok(amount.into());
    }
    let amount = NanoUsd::from_i64(amount).unwrap_or(NanoUsd::ZERO);
    amount
        .to_string()
        .parse()
        .map_err(|_| CommandError::Failed(format!("{amount} is not a JSON number")))
}

async fn set(config: &Config, state: &State, new: &NewBudget) -> Done {
    let (kind, name) = scope(&new.scope)?;
    let period = period(&new.window, new.rolling)?;
    let (unit, amount) = match (new.limit_usd, new.limit_tokens, new.limit_requests) {
        (Some(usd), None, None) => {
            let limit = NanoUsd::from_usd_ceil(usd).ok_or_else(|| {
                CommandError::Usage("--limit-usd is a number of USD, 0 or more".into())
            })?;
            (Unit::Usd, limit.as_i64())
        }
        (None, Some(tokens), None) => (Unit::Tokens, i64::from(tokens)),
        (None, None, Some(requests)) => (Unit::Requests, i64::from(requests)),
        _ => {
            return Err(CommandError::Usage(
                "takes one of --limit-usd, --limit-tokens and --limit-requests".into(),
            ));
        }
    };
    let mode = Mode::parse(&new.mode, new.downgrade_to.as_deref()).ok_or_else(|| {
        CommandError::Usage(
            "--mode is hard, soft or downgrade, and downgrade takes --downgrade-to MODEL".into(),
        )
    })?;
    if let Mode::Downgrade(model) = &mode
        && !config.models.iter().any(|listed| *listed.name == **model)
    {
        return Err(CommandError::Usage(format!(
            "--downgrade-to: {model:?} is not one of the models that the configuration lists"
        )));
    }
    let declared = config.limits.iter().any(|limit| {
        limit.kind == kind && *limit.name == *name && limit.unit == unit && limit.period == period
    });
    if declared {
        return Err(CommandError::Usage(format!(
            "the configuration file declares a {} budget for {} {name:?} already; change it there",
            new.window,
            kind.as_str()
        )));
    }
    let row = BudgetRow {
        id: Uuid::now_v7(),
        scope_kind: kind.as_str().into(),
        scope_name: name.into(),
        unit: unit.as_str().into(),
        time_window: period.window.as_str().into(),
        rolling: period.rolling,
        amount,
        mode: mode.as_str().into(),
        downgrade_to: new.downgrade_to.clone(),
    };
    state.store.set_budget(&row).await?;
    println!(
        "set the {} budget of {} {name:?}",
        new.window,
        kind.as_str()
    );
    Ok(ExitCode::SUCCESS)
}

async fn delete(state: &State, named: &NamedBudget) -> Done {
    let (kind, name) = scope(&named.scope)?;
    let period = period(&named.window, named.rolling)?;
    let unit = Unit::parse(&named.unit).ok_or_else(|| {
        CommandError::Usage(format!(
            "--unit {:?} is not one of usd, tokens, requests",
            named.unit
        ))
    })?;
    let deleted = state
        .store
        .delete_budget(
            kind.as_str(),
            name,
            unit.as_str(),
            period.window.as_str(),
            period.rolling,
        )
        .await?;
    if !deleted {
        return Err(CommandError::Failed(format!(
            "the database holds no {} budget in {} of {} {name:?}; see `lattice budget list`",
            named.window,
            named.unit,
            kind.as_str()
        )));
    }
    println!(
        "deleted the {} budget of {} {name:?}",
        named.window,
        kind.as_str()
    );
    Ok(ExitCode::SUCCESS)
}

async fn release(state: &State, node: &str) -> Done {
    let released = state.store.release_slices(node).await?;
    if !released.found {
        return Err(CommandError::Failed(format!(
            "no gateway {node:?} has taken anything; the file `node` in its data_dir has its name"
        )));
    }
    if released.alive {
        return Err(CommandError::Failed(format!(
            "the gateway {node:?} was heard of within 90 seconds; stop it, and it gives back what it has"
        )));
    }
    let usd = NanoUsd::from_i64(released.nano_usd).unwrap_or(NanoUsd::ZERO);
    println!(
        "released {} slices of gateway {node:?}: {usd} USD, {} tokens, {} requests",
        released.slices, released.tokens, released.requests
    );
    Ok(ExitCode::SUCCESS)
}

/// `team:research` and the like.
fn scope(text: &str) -> Result<(ScopeKind, &str), CommandError> {
    let read = || {
        let (kind, name) = text.split_once(':')?;
        (!name.is_empty()).then_some((ScopeKind::parse(kind)?, name))
    };
    read().ok_or_else(|| {
        CommandError::Usage(format!(
            "{text:?} is not KIND:NAME with one of org, team, user, key, agent, model; for instance team:research"
        ))
    })
}

fn period(window: &str, rolling: bool) -> Result<Period, CommandError> {
    let window = Window::parse(window).ok_or_else(|| {
        CommandError::Usage(format!(
            "--window {window:?} is not one of minute, hour, day, month, total"
        ))
    })?;
    if rolling && window == Window::Total {
        return Err(CommandError::Usage(
            "--window total never ends, so it does not roll".into(),
        ));
    }
    Ok(Period { window, rolling })
}
