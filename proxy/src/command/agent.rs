//! `lattice agent …`

use std::path::PathBuf;
use std::process::ExitCode;

use lattice_kernel::{Clock as _, SystemClock};
use lattice_store::AgentRow;
use serde::Serialize;
use uuid::Uuid;

use crate::cli::Listing;
use crate::cli::identity::{AgentCommand, NewAgent};
use crate::command::force::in_force;
use crate::command::key::{check_name, seconds};
use crate::command::{CommandError, Done, table, with_state};
use crate::state::State;

#[derive(Serialize)]
struct Agent {
    name: String,
    id: Uuid,
    team: Option<String>,
    owner: Option<String>,
    state: &'static str,
    created_at: Option<String>,
    disabled_at: Option<String>,
}

impl From<AgentRow> for Agent {
    fn from(row: AgentRow) -> Self {
        Self {
            name: row.name,
            id: row.id,
            team: row.team,
            owner: row.owner,
            state: row.disabled_at.map_or("enabled", |_| "disabled"),
            created_at: seconds(row.created_at),
            disabled_at: row.disabled_at.and_then(seconds),
        }
    }
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: AgentCommand) -> Done {
    with_state(config, |_, state| async {
        let done = act(&state, command).await;
        (state, done)
    })
}

async fn act(state: &State, command: AgentCommand) -> Done {
    let store = &state.store;
    let now = SystemClock.now();
    let (name, found, what) = match command {
        AgentCommand::Create(new) => return create(state, new).await,
        AgentCommand::List(listing) => return list(state, &listing).await,
        AgentCommand::Disable { name } => {
            let found = store.disable_agent(&name, Some(now)).await?;
            (name, found, "disabled")
        }
        AgentCommand::Enable { name } => {
            let found = store.disable_agent(&name, None).await?;
            (name, found, "enabled")
        }
        AgentCommand::Delete { name } => {
            let found = store.delete_agent(&name).await?;
            (name, found, "deleted")
        }
    };
    if !found {
        return Err(CommandError::Usage(format!(
            "there is no agent {name:?}; `lattice agent list` shows them"
        )));
    }
    println!("agent {name} {what}; {}", in_force(store).await);
    Ok(ExitCode::SUCCESS)
}

async fn create(state: &State, new: NewAgent) -> Done {
    check_name(&new.name)?;
    let row = AgentRow {
        id: Uuid::now_v7(),
        name: new.name,
        team: new.team,
        owner: new.owner,
        created_at: SystemClock.now(),
        disabled_at: None,
    };
    state.store.create_agent(&row).await?;
    if new.listing.json {
        table::print_json(&Agent::from(row))?;
    } else {
        println!("agent {} made ({})", row.name, row.id);
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(state: &State, listing: &Listing) -> Done {
    let agents = state.store.agents().await?;
    let agents: Vec<Agent> = agents.into_iter().map(Agent::from).collect();
    table::print(
        listing.json,
        &agents,
        ["NAME", "TEAM", "OWNER", "STATE", "ID"],
        |agent| {
            let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
            [
                agent.name.clone(),
                or_none(&agent.team),
                or_none(&agent.owner),
                agent.state.into(),
                agent.id.to_string(),
            ]
        },
    )?;
    Ok(ExitCode::SUCCESS)
}
