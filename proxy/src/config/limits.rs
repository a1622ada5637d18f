//! Budgets and rates, from what the file says to what the ledger keeps.

use std::collections::HashSet;

use lattice_kernel::NanoUsd;
use lattice_limits::{Limit, Mode, Period, ScopeKind, Unit, Window};

use crate::config::load::ConfigError;
use crate::config::raw::{self, Raw};

/// Every limit that the file declares.
///
/// # Errors
/// A limit that cannot be kept, or that is declared twice.
pub fn check(raw: &Raw) -> Result<Vec<Limit>, ConfigError> {
    let models: HashSet<&str> = raw.models.iter().map(|model| &*model.name).collect();
    let mut limits = Vec::new();
    for budget in &raw.budgets {
        limits.push(of_budget(budget, &models)?);
    }
    for rate in &raw.rates {
        limits.extend(of_rate(rate)?);
    }
    let mut seen = HashSet::new();
    for limit in &limits {
        if !seen.insert((limit.kind, &limit.name, limit.unit, limit.period)) {
            return Err(ConfigError::invalid(
                place("budgets", limit.kind, &limit.name),
                format!(
                    "has two limits of {} for one {}; keep one",
                    limit.unit.as_str(),
                    limit.period.window.as_str()
                ),
            ));
        }
    }
    Ok(limits)
}

fn of_budget(budget: &raw::Budget, models: &HashSet<&str>) -> Result<Limit, ConfigError> {
    let (kind, name) = scope(&budget.scope);
    let at = place("budgets", kind, name);
    let invalid = |what: &str| ConfigError::invalid(&at, what);
    let (unit, amount) = match (budget.limit_usd, budget.limit_tokens) {
        (Some(usd), None) => {
            let limit = NanoUsd::from_usd_ceil(usd)
                .ok_or_else(|| invalid("limit_usd is a number of USD, 0 or more"))?;
            (Unit::Usd, limit.as_i64())
        }
        (None, Some(tokens)) => (Unit::Tokens, amount(&at, "limit_tokens", tokens)?),
        _ => return Err(invalid("takes one of limit_usd and limit_tokens")),
    };
    let mode = match (budget.mode, &budget.downgrade_to) {
        (raw::Mode::Hard, None) => Mode::Hard,
        (raw::Mode::Soft, None) => Mode::Soft,
        (raw::Mode::Downgrade, Some(model)) if models.contains(&**model) => {
            Mode::Downgrade(model.as_str().into())
        }
        (raw::Mode::Downgrade, Some(model)) => {
            return Err(invalid(&format!(
                "downgrade_to: {model:?} is not one of the models that are listed under `models`"
            )));
        }
        (raw::Mode::Downgrade, None) => {
            return Err(invalid(
                "mode downgrade takes downgrade_to, the model that is served then",
            ));
        }
        (raw::Mode::Hard | raw::Mode::Soft, Some(_)) => {
            return Err(invalid("downgrade_to goes with mode downgrade"));
        }
    };
    Ok(Limit {
        kind,
        name: name.into(),
        unit,
        period: Period {
            window: window(budget.window),
            rolling: rolls(&at, budget)?,
        },
        amount,
        mode,
    })
}

fn rolls(at: &str, budget: &raw::Budget) -> Result<bool, ConfigError> {
    if budget.rolling && matches!(budget.window, raw::Window::Total) {
        return Err(ConfigError::invalid(
            at,
            "the window total never ends, so it does not roll",
        ));
    }
    Ok(budget.rolling)
}

fn of_rate(rate: &raw::Rate) -> Result<Vec<Limit>, ConfigError> {
    let (kind, name) = scope(&rate.scope);
    let at = place("rates", kind, name);
    let mut limits = Vec::new();
    for (unit, field, most) in [
        (
            Unit::Requests,
            "requests_per_minute",
            rate.requests_per_minute,
        ),
        (Unit::Tokens, "tokens_per_minute", rate.tokens_per_minute),
    ] {
        let Some(most) = most else { continue };
        limits.push(Limit {
            kind,
            name: name.into(),
            unit,
            period: Period {
                window: Window::Minute,
                rolling: rate.rolling,
            },
            amount: amount(&at, field, most)?,
            mode: Mode::Hard,
        });
    }
    if limits.is_empty() {
        return Err(ConfigError::invalid(
            at,
            "takes requests_per_minute, tokens_per_minute or both",
        ));
    }
    Ok(limits)
}

fn amount(at: &str, field: &str, amount: u64) -> Result<i64, ConfigError> {
    i64::try_from(amount)
        .map_err(|_| ConfigError::invalid(at, format!("{field} is larger than can be counted")))
}

fn place(section: &str, kind: ScopeKind, name: &str) -> String {
    format!("{section}.{}.{name}", kind.as_str())
}

fn scope(scope: &raw::Scope) -> (ScopeKind, &str) {
    match scope {
        raw::Scope::Org(name) => (ScopeKind::Org, name),
        raw::Scope::Team(name) => (ScopeKind::Team, name),
        raw::Scope::User(name) => (ScopeKind::User, name),
        raw::Scope::Key(name) => (ScopeKind::Key, name),
        raw::Scope::Agent(name) => (ScopeKind::Agent, name),
        raw::Scope::Model(name) => (ScopeKind::Model, name),
    }
}

fn window(window: raw::Window) -> Window {
    match window {
        raw::Window::Minute => Window::Minute,
        raw::Window::Hour => Window::Hour,
        raw::Window::Day => Window::Day,
        raw::Window::Month => Window::Month,
        raw::Window::Total => Window::Total,
    }
}
