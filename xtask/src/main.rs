//! The one set of commands that people and CI call: set-up of a fresh machine, the checks
//! that compilers do not make, and the order in which CI runs everything.
//!
//! Deliberately not here: anything that the product does. xtask depends on no crate of
//! ours, so it builds and explains itself while they do not.
//!
//! Start reading at [`ci`] for the order of the checks and at [`tidy`] for the house rules.

mod ci;
mod conformance;
mod postgres;
mod setup;
mod shell;
mod sqlx;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development commands of Lattice.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    after_help = "Example:\n  cargo xtask setup && cargo xtask ci"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what a fresh machine lacks to build and test; says first what that is
    Setup(setup::Options),
    /// Check the house rules that no compiler checks
    Tidy,
    /// Refresh `.sqlx` from the migrations and the queries in the store
    SqlxPrepare(sqlx::Options),
    /// Drive the gateway with the official clients and print what passed, and what was refused why
    Conformance(conformance::Options),
    /// Run every check that CI runs, tests last
    Ci,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Setup(options) => setup::run(&options),
        Task::Tidy => tidy::run(),
        Task::SqlxPrepare(options) => sqlx::run(&options),
        Task::Conformance(options) => conformance::run(&options),
        Task::Ci => ci::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.code)
        }
    }
}
