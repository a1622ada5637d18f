//! `lattice user …`

use std::path::PathBuf;
use std::process::ExitCode;

use lattice_kernel::{Clock as _, SystemClock};
use lattice_store::UserRow;
use serde::Serialize;
use uuid::Uuid;

use crate::cli::Listing;
use crate::cli::identity::{NewUser, UserCommand};
use crate::command::force::in_force;
use crate::command::key::{check_name, seconds};
use crate::command::{CommandError, Done, table, with_state};
use crate::state::State;

#[derive(Serialize)]
struct User {
    name: String,
    id: Uuid,
    org: Option<String>,
    team: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
    state: &'static str,
    created_at: Option<String>,
    disabled_at: Option<String>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            name: row.name,
            id: row.id,
            org: row.org,
            team: row.team,
            issuer: row.issuer,
            subject: row.subject,
            state: row.disabled_at.map_or("enabled", |_| "disabled"),
            created_at: seconds(row.created_at),
            disabled_at: row.disabled_at.and_then(seconds),
        }
    }
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: UserCommand) -> Done {
    with_state(config, |_, state| async {
        let done = act(&state, command).await;
        (state, done)
    })
}

async fn act(state: &State, command: UserCommand) -> Done {
    let store = &state.store;
    let now = SystemClock.now();
    let (name, found, what) = match command {
        UserCommand::Create(new) => return create(state, new).await,
        UserCommand::List(listing) => return list(state, &listing).await,
        UserCommand::Disable { name } => {
            let found = store.disable_user(&name, Some(now)).await?;
            (name, found, "disabled")
        }
        UserCommand::Enable { name } => {
            let found = store.disable_user(&name, None).await?;
            (name, found, "enabled")
        }
        UserCommand::Delete { name } => {
            let found = store.delete_user(&name).await?;
            (name, found, "deleted")
        }
    };
    if !found {
        return Err(CommandError::Usage(format!(
            "there is no user {name:?}; `lattice user list` shows them"
        )));
    }
    println!("user {name} {what}; {}", in_force(store).await);
    Ok(ExitCode::SUCCESS)
}

async fn create(state: &State, new: NewUser) -> Done {
    check_name(&new.name)?;
    let row = UserRow {
        id: Uuid::now_v7(),
        name: new.name,
        org: new.org,
        team: new.team,
        issuer: new.issuer,
        subject: new.subject,
        created_at: SystemClock.now(),
        disabled_at: None,
    };
    state.store.create_user(&row).await?;
    if new.listing.json {
        table::print_json(&User::from(row))?;
    } else {
        println!("user {} made ({})", row.name, row.id);
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(state: &State, listing: &Listing) -> Done {
    let users = state.store.users().await?;
    let users: Vec<User> = users.into_iter().map(User::from).collect();
    table::print(
        listing.json,
        &users,
        ["NAME", "ORG", "TEAM", "STATE", "TOKENS", "ID"],
        |user| {
            let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
            let tokens = user.subject.as_ref().zip(user.issuer.as_ref());
            [
                user.name.clone(),
                or_none(&user.org),
                or_none(&user.team),
                user.state.into(),
                or_none(&tokens.map(|(subject, issuer)| format!("{subject} of {issuer}"))),
                user.id.to_string(),
            ]
        },
    )?;
    Ok(ExitCode::SUCCESS)
}
