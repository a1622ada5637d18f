//! `lattice quickstart`: from nothing to a governed answer of a model on this
//! machine, without an account anywhere.

mod ask;
mod story;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lattice_identity::LatticeKey;
use lattice_kernel::{Clock as _, Secret, SystemClock};
use lattice_store::{NewKey, Store};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use crate::cli::Quickstart;
use crate::command::model::{Progress, catalog, fetch};
use crate::command::server::{Running, log, open_journal, run_to_end, told_to_stop};
use crate::command::{CommandError, Done, audit};
use crate::config::checked::data_dir;
use crate::config::providers::MODELS;
use crate::config::{Config, load};
use crate::listen;
use crate::say::say;
use crate::state::State;

/// The name of the key that it makes; a later run gives it a new secret.
const KEY: &str = "quickstart";
/// How long the records of the request may take to reach the database.
const RECORDED: Duration = Duration::from_secs(10);

/// Leaves at the head of this run's chain that the request's are among.
const LEAVES: u32 = 1000;

/// Runs it.
pub fn run(config: Option<PathBuf>, options: &Quickstart) -> Done {
    log("warn");
    say!(
        "Lattice quickstart: a governed answer from a model on this machine. No account is needed.\n"
    );
    let model = &catalog::STARTER;
    let configured = config.map(|path| load(Some(path))).transpose()?;
    let dir = match &configured {
        Some(config) => model_dir(config)?,
        None => data_dir(None, Path::new(""))?.join(MODELS),
    };
    story::step(
        1,
        "model",
        &format!(
            "{} ({} MB, {})",
            model.name,
            model.bytes / 1_000_000,
            model.licence
        ),
    );
    let file = fetch(model, &dir, &Progress::on_stderr())?;
    story::detail(&file.display().to_string());
    let config = match configured {
        Some(config) => config,
        None => with_free_ports(Config::from_environment()?),
    };
    run_to_end(serve(config, options.once, model.name))
}

/// The folder of the first provider that runs models in this process.
fn model_dir(config: &Config) -> Result<PathBuf, CommandError> {
    let dirs = config
        .local
        .iter()
        .filter_map(|local| local.options.model_dir.clone());
    dirs.into_iter().next().ok_or_else(|| {
        CommandError::Usage(
            "the configuration has no provider of kind llama_cpp; add `local: { kind: llama_cpp }` under `providers`, or run quickstart without --config".into(),
        )
    })
}

/// Somebody may be at home at the usual addresses; a first try need not fail for
/// that.
fn with_free_ports(mut config: Config) -> Config {
    config.keep_to_this_machine();
    for address in [&mut config.listen, &mut config.admin_listen] {
        if std::net::TcpListener::bind(*address).is_err() {
            address.set_port(0);
        }
    }
    config
}

async fn serve(config: Config, once: bool, model: &str) -> Done {
    let bound = listen::bind(&config)?;
    let state = State::open(&config).await?;
    // Before the key: where another Lattice runs on this folder, its own stays good.
    let journal = open_journal(&config)?;
    let secret = issue(&state).await?;
    let running = Running::over(&config, bound, state, journal).await?;
    let done = show(&running, &secret, &asked_model(&running, model)).await;
    if done.is_ok() && !once {
        let told = told_to_stop();
        story::stays_up(running.addresses, &secret, &asked_model(&running, model));
        told.await;
    }
    running.stop(config.drain).await;
    done
}

/// The name under which the starter model is offered; with a configuration that
/// does not list it, its full name does.
fn asked_model(running: &Running, model: &str) -> String {
    let listed = running
        .gateway
        .catalog
        .now()
        .models()
        .any(|(name, _)| name == model);
    let local = running.gateway.local.first();
    match local {
        Some(provider) if !listed => format!("{provider}/{model}"),
        _ => model.to_owned(),
    }
}

/// A key for this run.
async fn issue(state: &State) -> Result<Secret, CommandError> {
    let secret = LatticeKey::generate(&mut rand::rng());
    let mac = state.pepper.mac(&secret);
    if state.store.rotate_key(KEY, &mac, None).await?.is_none() {
        let new = NewKey {
            id: Uuid::now_v7(),
            name: KEY,
            team: None,
            owner: None,
            mac: &mac,
            models: None,
            created_at: SystemClock.now(),
            expires_at: None,
            budget: None,
        };
        state.store.create_key(&new).await?;
    }
    Ok(secret.text().clone())
}

/// One request through all five gates, and what each of them decided.
async fn show(running: &Running, secret: &Secret, model: &str) -> Done {
    story::gateway(running.addresses);
    story::key(KEY, secret);
    story::request(model);
    let url = format!("{}/v1/chat/completions", running.addresses.clients);
    let (key, name) = (secret.clone(), model.to_owned());
    let asked = tokio::task::spawn_blocking(move || ask::stream(&url, &key, &name, story::piece))
        .await
        .map_err(|error| CommandError::Failed(error.to_string()))??;
    let store = &running.gateway.store;
    let leaves = records(store, asked.request_id).await?;
    let report = audit::verify(store).await?;
    story::gates(&asked, &leaves, &report.to_string());
    Ok(if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The two leaves of a request, with their sequence numbers.
async fn records(store: &Store, request: Uuid) -> Result<Vec<(i64, Value)>, CommandError> {
    let deadline = Instant::now() + RECORDED;
    loop {
        let mut found = Vec::new();
        let chains = store.chains().await?;
        // This process's own: a chain begins with each start.
        let newest = chains.iter().max_by_key(|chain| chain.chain.started_at);
        if let Some(chain) = newest {
            for leaf in store.leaves(chain.chain.id, 0, LEAVES).await? {
                let value: Value = serde_json::from_str(&leaf.leaf).unwrap_or_default();
                if value["request_id"] == request.to_string() {
                    found.push((leaf.seq, value));
                }
            }
        }
        if found.len() >= 2 {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(CommandError::Failed(
                "the records of the request did not reach the database; see /readyz on the admin listener".into(),
            ));
        }
        sleep(Duration::from_millis(50)).await;
    }
}
