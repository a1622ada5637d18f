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
    org: Option<String>,
    classification: Option<String>,
}

impl From<TeamRow> for Team {
    fn from(row: TeamRow) -> Self {
        Self {
            name: row.name,
            id: row.id,
            models: row.models,
            org: row.org,
            classification: row.classification,
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
            org,
            classification,
            listing,
        } => {
            check_name(&name)?;
            classification.as_deref().map(check_name).transpose()?;
            let row = TeamRow {
                id: Uuid::now_v7(),
                name,
                models,
                org,
                classification,
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
            table::print(
                listing.json,
                &teams,
                ["NAME", "ORG", "CLASSIFICATION", "MODELS", "ID"],
                |team| {
                    let or_none =
                        |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
                    let models = team
                        .models
                        .as_ref()
                        .map_or_else(|| "all".into(), |models| models.join(","));
                    [
                        team.name.clone(),
                        or_none(&team.org),
                        or_none(&team.classification),
                        models,
                        team.id.to_string(),
                    ]
                },
            )?;
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
