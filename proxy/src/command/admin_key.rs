//! `lattice admin-key …`

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::admin::key::AdminKey;
use crate::cli::AdminKeyCommand;
use crate::command::force::in_force;
use crate::command::{Done, table, with_state};

/// What is shown of a new key, once.
#[derive(Serialize)]
struct Issued<'a> {
    key: &'a str,
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: AdminKeyCommand) -> Done {
    let AdminKeyCommand::Rotate(listing) = command;
    with_state(config, |config, state| async move {
        let done = async {
            let key = AdminKey::rotate(&state.store, &state.pepper, &config.data_dir).await?;
            let text = key.text();
            let key = text.expose();
            if listing.json {
                table::print_json(&Issued { key })?;
            } else {
                println!("admin key, shown this once:\n{key}");
            }
            let force = in_force(&state.store).await;
            if !listing.json {
                println!("the old one is unknown from now on; {force}");
            }
            Ok(ExitCode::SUCCESS)
        };
        let done = done.await;
        (state, done)
    })
}
