//! `lattice team …`

use std::path::PathBuf;
use std::process::ExitCode;

use lattice_kernel::{Clock as _, SystemClock};
use lattice_store::TeamRow;
use serde::Serialize;
use uuid::Uuid;

use crate::cli::TeamCommand;
use crate::command::key::check_name;
use crate::command::{CommandError, Done, table, with_state};
use crate::state::State;

#[derive(Serialize)]
struct Team {
    name: String,
    id: Uuid,
    models: Option<Vec<String>>,
}

impl From<TeamRow> for Team {
    fn from(row: TeamRow) -> Self {
        Self {
            name: row.name,
            id: row.id,
            models: row.models,
        }
    }
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: TeamCommand) -> Done {
    with_state(config, |_, state| async {
        let done = act(&state, command).await;
        (state, done)
    })
}

async fn act(state: &State, command: TeamCommand) -> Done {
    match command {
        TeamCommand::Create {
            name,
            models,
            listing,
        } => {
            check_name(&name)?;
            let row = TeamRow {
                id: Uuid::now_v7(),
                name,
                models,
                created_at: SystemClock.now(),
            };
            state.store.create_team(&row).await?;
            let team = Team::from(row);
            if listing.json {
                table::print_json(&team)?;
            } else {
                println!("team {} made ({})", team.name, team.id);
            }
        }
        TeamCommand::List(listing) => {
            let teams: Vec<Team> = state
                .store
                .teams()
                .await?
                .into_iter()
                .map(Team::from)
                .collect();
            table::print(listing.json, &teams, ["NAME", "MODELS", "ID"], |team| {
                let models = team
                    .models
                    .as_ref()
                    .map_or_else(|| "all".into(), |models| models.join(","));
                [team.name.clone(), models, team.id.to_string()]
            })?;
        }
        TeamCommand::Delete { name } => {
            if !state.store.delete_team(&name).await? {
                return Err(CommandError::Usage(format!(
                    "there is no team {name:?}; `lattice team list` shows them"
                )));
            }
            println!("team {name} deleted");
        }
    }
    Ok(ExitCode::SUCCESS)
}
