//! `lattice certificate …`

use std::path::PathBuf;
use std::process::ExitCode;

use lattice_kernel::{Clock as _, SystemClock};
use lattice_store::{CertificateRow, Owner};
use serde::Serialize;
use uuid::Uuid;

use crate::cli::identity::CertificateCommand;
use crate::command::force::in_force;
use crate::command::key::seconds;
use crate::command::{CommandError, Done, table, with_state};
use crate::state::State;

#[derive(Serialize)]
struct Certificate {
    name: String,
    id: Uuid,
    kind: String,
    holder: String,
    created_at: Option<String>,
}

impl From<CertificateRow> for Certificate {
    fn from(row: CertificateRow) -> Self {
        Self {
            name: row.name,
            id: row.id,
            kind: row.kind,
            holder: row.holder,
            created_at: seconds(row.created_at),
        }
    }
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: CertificateCommand) -> Done {
    with_state(config, |_, state| async {
        let done = act(&state, command).await;
        (state, done)
    })
}

async fn act(state: &State, command: CertificateCommand) -> Done {
    let store = &state.store;
    match command {
        CertificateCommand::Create { name, owner } => {
            let name = checked(&name)?;
            let owner = owner.owner().ok_or_else(|| {
                CommandError::Usage("whose certificate is it? say --user or --agent".into())
            })?;
            store
                .create_certificate(Uuid::now_v7(), &name, owner, SystemClock.now())
                .await?;
            let (Owner::User(whose) | Owner::Agent(whose)) = owner;
            println!("certificate {name} is {whose}'s; {}", in_force(store).await);
        }
        CertificateCommand::List(listing) => {
            let rows = store.certificates().await?;
            let rows: Vec<Certificate> = rows.into_iter().map(Certificate::from).collect();
            table::print(listing.json, &rows, ["NAME", "OWNER", "ID"], |row| {
                let owner = format!("{} {}", row.kind, row.holder);
                [row.name.clone(), owner, row.id.to_string()]
            })?;
        }
        CertificateCommand::Delete { name } => {
            let name = checked(&name)?;
            if !store.delete_certificate(&name).await? {
                return Err(CommandError::Usage(format!(
                    "there is no certificate {name:?}; `lattice certificate list` shows them"
                )));
            }
            println!("certificate {name} deleted; {}", in_force(store).await);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A name as a listener reads it off a certificate. `openssl` writes fingerprints in capitals
/// and with colons.
fn checked(name: &str) -> Result<String, CommandError> {
    let (kind, rest) = name.split_once(':').unwrap_or_default();
    match kind {
        "sha256" => {
            let digits: String = rest.chars().filter(|char| *char != ':').collect();
            let digits = digits.to_ascii_lowercase();
            if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Ok(format!("sha256:{digits}"));
            }
        }
        "uri" | "dns" | "email" | "cn" if !rest.trim().is_empty() => return Ok(name.to_owned()),
        _ => {}
    }
    Err(CommandError::Usage(format!(
        "{name:?} names no certificate; write uri:…, dns:…, email:… or cn:… as it stands in there, or sha256: and its fingerprint"
    )))
}
