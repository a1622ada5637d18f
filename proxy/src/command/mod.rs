//! The commands. Exit codes: 0 done or sound, 1 a check failed, 2 used wrongly
//! or could not be done.

pub mod admin_key;
pub mod agent;
pub mod audit;
pub mod budget;
pub mod certificate;
pub mod config;
pub mod cost;
pub mod doctor;
mod force;
pub mod import;
pub mod key;
pub mod model;
pub mod org;
pub mod policy;
pub mod quickstart;
pub mod role;
pub mod routes;
pub mod run;
pub mod server;
mod table;
pub mod team;
pub mod user;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use lattice_store::StoreError;

use crate::command::model::PullError;
use crate::config::{Config, ConfigError, load};
use crate::state::{State, StateError};

/// Why a command ended without what it was for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Durable state is out of reach.
    #[error(transparent)]
    State(#[from] StateError),
    /// The database did not do what it was asked.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A model is not here.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The command was used wrongly.
    #[error("{0}")]
    Usage(String),
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
    /// A file or socket.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl CommandError {
    /// What the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(2)
    }
}

/// What a command comes to.
pub type Done = Result<ExitCode, CommandError>;

/// Runs `work` with the configuration and its state, and closes the state after it.
pub fn with_state<F>(config: Option<PathBuf>, work: impl FnOnce(Config, State) -> F) -> Done
where
    F: Future<Output = (State, Done)>,
{
    let config = load(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let state = State::open(&config).await?;
        let (state, done) = work(config, state).await;
        state.close().await;
        done
    })
}
