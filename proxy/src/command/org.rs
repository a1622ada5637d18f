//! `lattice org …`

use std::path::PathBuf;
use std::process::ExitCode;

use lattice_kernel::{Clock as _, SystemClock};
use lattice_store::OrgRow;
use serde::Serialize;
use uuid::Uuid;

use crate::cli::identity::OrgCommand;
use crate::command::key::{check_name, seconds};
use crate::command::{CommandError, Done, table, with_state};
use crate::state::State;

#[derive(Serialize)]
struct Org {
    name: String,
    id: Uuid,
    created_at: Option<String>,
}

impl From<OrgRow> for Org {
    fn from(row: OrgRow) -> Self {
        Self {
            name: row.name,
            id: row.id,
            created_at: seconds(row.created_at),
        }
    }
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: OrgCommand) -> Done {
    with_state(config, |_, state| async {
        let done = act(&state, command).await;
        (state, done)
    })
}

async fn act(state: &State, command: OrgCommand) -> Done {
    match command {
        OrgCommand::Create { name, listing } => {
            check_name(&name)?;
            let row = OrgRow {
                id: Uuid::now_v7(),
                name,
                created_at: SystemClock.now(),
            };
            state.store.create_org(&row).await?;
            if listing.json {
                table::print_json(&Org::from(row))?;
            } else {
                println!("organisation {} made ({})", row.name, row.id);
            }
        }
        OrgCommand::List(listing) => {
            let orgs = state.store.orgs().await?;
            let orgs: Vec<Org> = orgs.into_iter().map(Org::from).collect();
            table::print(listing.json, &orgs, ["NAME", "ID"], |org| {
                [org.name.clone(), org.id.to_string()]
            })?;
        }
        OrgCommand::Delete { name } => {
            if !state.store.delete_org(&name).await? {
                return Err(CommandError::Usage(format!(
                    "there is no organisation {name:?}; `lattice org list` shows them"
                )));
            }
            println!("organisation {name} deleted");
        }
    }
    Ok(ExitCode::SUCCESS)
}
