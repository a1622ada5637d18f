//! `lattice role …`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use lattice_identity::Permissions;
use lattice_kernel::{Clock as _, SystemClock};
use lattice_store::{GrantRow, Grantee};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::Listing;
use crate::cli::identity::{NewRole, RoleCommand, RoleGrant};
use crate::command::force::in_force;
use crate::command::key::{check_name, seconds};
use crate::command::{CommandError, Done, table, with_state};
use crate::state::State;

/// A role of the store, or one that somebody holds and the policy set's files have.
#[derive(Default, Serialize)]
struct Role {
    name: String,
    permissions: Option<Box<RawValue>>,
    #[serde(skip)]
    rules: Vec<String>,
    grants: Vec<Grant>,
    created_at: Option<String>,
}

#[derive(Serialize)]
struct Grant {
    kind: String,
    name: String,
    level: String,
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: RoleCommand) -> Done {
    with_state(config, |_, state| async {
        let done = act(&state, command).await;
        (state, done)
    })
}

async fn act(state: &State, command: RoleCommand) -> Done {
    let store = &state.store;
    match command {
        RoleCommand::Create(new) => create(state, new).await?,
        RoleCommand::List(listing) => list(state, &listing).await?,
        RoleCommand::Delete { name } => {
            if !store.delete_role(&name).await? {
                return Err(CommandError::Usage(format!(
                    "there is no role {name:?} in the store; `lattice role list` shows them"
                )));
            }
            println!("role {name} deleted; {}", in_force(store).await);
        }
        RoleCommand::Grant(RoleGrant { role, to, level }) => {
            check_name(&role)?;
            let level = level.into();
            if !store.grant_role(&role, level, grantee(&to)?).await? {
                println!(
                    "{to} has the role {role} at level {} already",
                    level.as_str()
                );
                return Ok(ExitCode::SUCCESS);
            }
            let force = in_force(store).await;
            println!(
                "role {role} granted to {to} at level {}; {force}",
                level.as_str()
            );
            if !store
                .roles()
                .await?
                .iter()
                .any(|stored| stored.name == role)
            {
                println!(
                    "the store has no role {role}: it gives what the policy set's own roles say, or nothing"
                );
            }
        }
        RoleCommand::Revoke(RoleGrant { role, to, level }) => {
            let level = level.into();
            if !store.revoke_role(&role, level, grantee(&to)?).await? {
                return Err(CommandError::Usage(format!(
                    "{to} does not have the role {role:?} at level {}; `lattice role list` shows who does",
                    level.as_str()
                )));
            }
            let force = in_force(store).await;
            println!(
                "role {role} revoked from {to} at level {}; {force}",
                level.as_str()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn grantee(to: &str) -> Result<Grantee<'_>, CommandError> {
    let read = || {
        let (kind, name) = to.split_once(':')?;
        Some(match kind {
            "user" => Grantee::User(name),
            "agent" => Grantee::Agent(name),
            "key" => Grantee::Key(name),
            "team" => Grantee::Team(name),
            _ => return None,
        })
    };
    read().ok_or_else(|| {
        CommandError::Usage(format!(
            "--to {to:?} is not user:NAME, agent:NAME, key:NAME or team:NAME"
        ))
    })
}

async fn create(state: &State, new: NewRole) -> Result<(), CommandError> {
    check_name(&new.name)?;
    let permissions = match &new.file {
        Some(file) => {
            let named = |error: std::io::Error| {
                CommandError::Failed(format!("{}: {error}", file.display()))
            };
            Permissions::parse(&std::fs::read_to_string(file).map_err(named)?)
        }
        None => Permissions::of_rules(
            new.allow.iter().map(String::as_str),
            new.deny.iter().map(String::as_str),
        ),
    };
    let permissions = permissions.map_err(|error| CommandError::Usage(error.to_string()))?;
    let now = SystemClock.now();
    state
        .store
        .create_role(&new.name, &permissions, now)
        .await?;
    if new.listing.json {
        return Ok(table::print_json(&Role {
            name: new.name,
            permissions: Some(raw(permissions.json())?),
            created_at: seconds(now),
            ..Role::default()
        })?);
    }
    let force = in_force(&state.store).await;
    println!("role {} made; {force}", new.name);
    Ok(())
}

async fn list(state: &State, listing: &Listing) -> Result<(), CommandError> {
    let mut roles = BTreeMap::new();
    for row in state.store.roles().await? {
        let stored = Permissions::parse(&row.permissions)
            .map_err(|error| CommandError::Failed(format!("the role {}: {error}", row.name)))?;
        let role = Role {
            name: row.name.clone(),
            rules: stored.rules(),
            permissions: Some(raw(row.permissions)?),
            grants: Vec::new(),
            created_at: seconds(row.created_at),
        };
        roles.insert(row.name, role);
    }
    for GrantRow {
        role,
        level,
        kind,
        name,
    } in state.store.grants().await?
    {
        let held = roles.entry(role.clone()).or_insert_with(|| Role {
            name: role,
            ..Role::default()
        });
        held.grants.push(Grant { kind, name, level });
    }
    let roles: Vec<Role> = roles.into_values().collect();
    table::print(
        listing.json,
        &roles,
        ["NAME", "PERMISSIONS", "GRANTED TO"],
        |role| {
            let held = role.grants.iter();
            let held: Vec<String> = held
                .map(|grant| format!("{}:{} ({})", grant.kind, grant.name, grant.level))
                .collect();
            let or = |list: &[String], none: &str| match list {
                [] => none.to_owned(),
                list => list.join(", "),
            };
            let rules = match role.permissions {
                Some(_) => or(&role.rules, "-"),
                None => "not in the store: the policy set's, or none".into(),
            };
            [role.name.clone(), rules, or(&held, "-")]
        },
    )?;
    Ok(())
}

fn raw(json: String) -> Result<Box<RawValue>, CommandError> {
    RawValue::from_string(json).map_err(|error| CommandError::Failed(error.to_string()))
}
