//! `lattice key …`

use std::path::PathBuf;
use std::process::ExitCode;

use lattice_identity::LatticeKey;
use lattice_kernel::{Clock as _, NanoUsd, SystemClock};
use lattice_limits::Window;
use lattice_store::{BudgetRow, KeyRow, NewKey};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::cli::{self, KeyCommand, Listing};
use crate::command::force::in_force;
use crate::command::{CommandError, Done, table, with_state};
use crate::config::Config;
use crate::state::State;

/// What is shown of a new key, once.
#[derive(Serialize)]
struct Issued {
    name: String,
    key: String,
    id: Uuid,
    /// Until when the secret before counts too.
    #[serde(skip_serializing_if = "Option::is_none")]
    former_until: Option<String>,
}

/// What is shown of a key afterwards.
#[derive(Serialize)]
struct Key {
    name: String,
    id: Uuid,
    team: Option<String>,
    user: Option<String>,
    agent: Option<String>,
    models: Option<Vec<String>>,
    state: &'static str,
    created_at: Option<String>,
    expires_at: Option<String>,
    former_until: Option<String>,
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: KeyCommand) -> Done {
    with_state(config, |config, state| async move {
        let done = act(&config, &state, command).await;
        (state, done)
    })
}

async fn act(config: &Config, state: &State, command: KeyCommand) -> Done {
    match command {
        KeyCommand::Create(new) => create(config, state, new).await?,
        KeyCommand::List(listing) => list(state, &listing).await?,
        KeyCommand::Revoke { key } => {
            let revoked = state
                .store
                .revoke_key(&key, SystemClock.now())
                .await?
                .ok_or_else(|| no_key(&key))?;
            let force = in_force(&state.store).await;
            println!("key {} revoked; {force}", revoked.name);
        }
        KeyCommand::Rotate {
            key,
            overlap,
            listing,
        } => rotate(state, &key, overlap.as_deref(), &listing).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate(
    state: &State,
    key: &str,
    overlap: Option<&str>,
    listing: &Listing,
) -> Result<(), CommandError> {
    let now = SystemClock.now();
    let former_until = overlap
        .map(|span| end_of(now, "--overlap", span))
        .transpose()?;
    let secret = LatticeKey::generate(&mut rand::rng());
    let mac = state.pepper.mac(&secret);
    let rotated = state.store.rotate_key(key, &mac, former_until).await?;
    show(listing, rotated.ok_or_else(|| no_key(key))?, &secret)?;
    let force = in_force(&state.store).await;
    if !listing.json {
        let ends = former_until.and_then(seconds);
        let ends = ends.map_or("is unknown from now on".into(), |end| {
            format!("counts until {end}")
        });
        println!("the old secret {ends}; {force}");
    }
    Ok(())
}

async fn create(config: &Config, state: &State, new: cli::NewKey) -> Result<(), CommandError> {
    check_name(&new.name)?;
    let now = SystemClock.now();
    let expires_at = new
        .expires
        .as_deref()
        .map(|span| end_of(now, "--expires", span))
        .transpose()?;
    let budget = new
        .budget_usd
        .map(|usd| budget(config, &new, usd))
        .transpose()?;
    let secret = LatticeKey::generate(&mut rand::rng());
    let row = state
        .store
        .create_key(&NewKey {
            id: Uuid::now_v7(),
            name: &new.name,
            team: new.team.as_deref(),
            owner: new.owner.owner(),
            mac: &state.pepper.mac(&secret),
            models: new.models.as_deref(),
            created_at: now,
            expires_at,
            budget: budget.as_ref(),
        })
        .await?;
    show(&new.listing, row, &secret)?;
    Ok(())
}

fn budget(config: &Config, new: &cli::NewKey, usd: f64) -> Result<BudgetRow, CommandError> {
    let window = Window::parse(&new.window).ok_or_else(|| {
        CommandError::Usage(format!(
            "--window {:?} is not one of hour, day, month, total",
            new.window
        ))
    })?;
    let limit = NanoUsd::from_usd_ceil(usd)
        .ok_or_else(|| CommandError::Usage("--budget-usd is a number of USD, 0 or more".into()))?;
    let declared = config.budgets.iter().any(|budget| {
        budget.kind == lattice_limits::ScopeKind::Key
            && *budget.name == *new.name
            && budget.window == window
    });
    if declared {
        return Err(CommandError::Usage(format!(
            "the configuration file declares a {} budget for key {:?} already; change it there",
            new.window, new.name
        )));
    }
    Ok(BudgetRow {
        id: Uuid::now_v7(),
        scope_kind: "key".into(),
        scope_name: new.name.clone(),
        unit: "usd".into(),
        time_window: window.as_str().into(),
        rolling: false,
        amount: limit.as_i64(),
        mode: "hard".into(),
        downgrade_to: None,
    })
}

fn show(listing: &Listing, row: KeyRow, secret: &LatticeKey) -> std::io::Result<()> {
    let issued = Issued {
        name: row.name,
        key: secret.text().expose().to_owned(),
        id: row.id,
        former_until: row.former_until.and_then(seconds),
    };
    if listing.json {
        return table::print_json(&issued);
    }
    println!(
        "key {} ({}), shown this once:\n{}",
        issued.name, issued.id, issued.key
    );
    Ok(())
}

async fn list(state: &State, listing: &Listing) -> Result<(), CommandError> {
    let now = SystemClock.now();
    let keys: Vec<Key> = state
        .store
        .keys()
        .await?
        .into_iter()
        .map(|row| Key::of(row, now))
        .collect();
    table::print(
        listing.json,
        &keys,
        [
            "NAME",
            "TEAM",
            "OWNER",
            "MODELS",
            "STATE",
            "EXPIRES",
            "OLD SECRET",
            "ID",
        ],
        |key| {
            let or =
                |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.into());
            let models = key
                .models
                .as_ref()
                .map_or_else(|| "all".into(), |models| models.join(","));
            let user = key.user.as_ref().map(|user| format!("user {user}"));
            let agent = key.agent.as_ref().map(|agent| format!("agent {agent}"));
            let former = key.former_until.as_ref();
            [
                key.name.clone(),
                or(&key.team, "-"),
                or(&agent.or(user), "-"),
                models,
                key.state.into(),
                or(&key.expires_at, "never"),
                or(&former.map(|end| format!("until {end}")), "-"),
                key.id.to_string(),
            ]
        },
    )?;
    Ok(())
}

impl Key {
    fn of(row: KeyRow, now: OffsetDateTime) -> Self {
        let state = match (row.revoked_at, row.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            _ if row.disabled => "disabled",
            _ => "live",
        };
        let former = row.former_until.filter(|end| state == "live" && *end > now);
        Self {
            name: row.name,
            id: row.id,
            team: row.team_name,
            user: row.user_name,
            agent: row.agent_name,
            models: row.models,
            state,
            created_at: seconds(row.created_at),
            expires_at: row.expires_at.and_then(seconds),
            former_until: former.and_then(seconds),
        }
    }
}

/// A time for people: what is below a second only makes columns ragged.
pub fn seconds(at: OffsetDateTime) -> Option<String> {
    at.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

/// A name that fits in listings, headers and labels.
pub fn check_name(name: &str) -> Result<(), CommandError> {
    if name.is_empty()
        || name.chars().count() > 100
        || name.chars().any(char::is_control)
        || name.trim() != name
    {
        return Err(CommandError::Usage(
            "a name has 1 to 100 printable characters and no space at either end".into(),
        ));
    }
    Ok(())
}

fn end_of(now: OffsetDateTime, option: &str, span: &str) -> Result<OffsetDateTime, CommandError> {
    let wrong = || {
        CommandError::Usage(format!(
            "{option} {span:?} is not a span; write for instance 12h, 90d or 52w"
        ))
    };
    let unit = span.chars().last().ok_or_else(wrong)?;
    let count: i64 = span
        .strip_suffix(unit)
        .and_then(|count| count.parse().ok())
        .ok_or_else(wrong)?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 60 * 24,
        'w' => 60 * 24 * 7,
        _ => return Err(wrong()),
    };
    let minutes = count
        .checked_mul(minutes)
        .filter(|minutes| (1..=60 * 24 * 36_525).contains(minutes))
        .ok_or_else(wrong)?;
    now.checked_add(Duration::minutes(minutes))
        .ok_or_else(wrong)
}

fn no_key(key: &str) -> CommandError {
    CommandError::Usage(format!(
        "there is no live key {key:?}; `lattice key list` shows them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn spans_are_read_and_nonsense_is_refused() {
        let now = datetime!(2026-11-23 0:00 UTC);
        assert_eq!(
            end_of(now, "--expires", "12h").ok(),
            Some(datetime!(2026-11-23 12:00 UTC))
        );
        assert_eq!(
            end_of(now, "--expires", "2w").ok(),
            Some(datetime!(2026-12-07 0:00 UTC))
        );
        assert_eq!(
            end_of(now, "--overlap", "30m").ok(),
            Some(datetime!(2026-11-23 0:30 UTC))
        );
        for wrong in ["", "d", "-1d", "0h", "1", "1y", "99999999999999w", "1é"] {
            assert!(end_of(now, "--expires", wrong).is_err(), "{wrong}");
        }
    }
}
