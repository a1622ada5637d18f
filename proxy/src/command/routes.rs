//! `lattice routes`: what is served where, and what each asks for, read off the tables
//! that serve it.

use std::process::ExitCode;

use serde::Serialize;

use crate::admin::routes::{Access, ROUTES};
use crate::command::{Done, table};
use crate::data::routes::SERVED;

#[derive(Serialize)]
struct Row {
    listener: &'static str,
    method: &'static str,
    path: &'static str,
    credential: &'static str,
}

/// Prints them.
pub fn run(json: bool) -> Done {
    let clients = SERVED.iter().map(|served| Row {
        listener: "clients",
        method: served.method,
        path: served.path,
        credential: "caller",
    });
    let admin = ROUTES.iter().map(|(path, access, endpoint)| Row {
        listener: "admin",
        method: endpoint.method(),
        path,
        credential: match access {
            Access::Open => "none",
            Access::AdminKey => "admin key",
        },
    });
    let rows: Vec<Row> = clients.chain(admin).collect();
    let heads = ["LISTENER", "METHOD", "PATH", "CREDENTIAL"];
    table::print(json, &rows, heads, |row| {
        [row.listener, row.method, row.path, row.credential].map(str::to_owned)
    })?;
    Ok(ExitCode::SUCCESS)
}
