//! `lattice run -- CMD …`: a gateway for the life of one command, whose clients find it in
//! their environment.

mod child;
mod environment;

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use lattice_identity::LatticeKey;
use lattice_kernel::{Clock as _, Secret, SystemClock};
use lattice_store::{NewKey, Store};
use time::Duration;
use uuid::Uuid;

use crate::cli::Run;
use crate::command::server::{Running, log_to, open_journal, run_to_end};
use crate::command::{CommandError, Done};
use crate::config::{Config, load};
use crate::listen;
use crate::state::{self, State};

use child::Signals;

/// The gateway's log, in `data_dir`.
const LOG: &str = "run.log";
/// A log this long is begun anew, in bytes.
const LONGEST_LOG: u64 = 1 << 20;
/// A key whose run was killed before it could take it back is good for no longer.
const LONGEST_RUN: Duration = Duration::days(7);

/// Runs it.
pub fn run(config: Option<PathBuf>, options: &Run) -> Done {
    let hidden = environment::secrets(config.clone())?;
    let config = with_free_ports(load(config)?);
    state::create_private(&config.data_dir)?;
    let path = config.data_dir.join(LOG);
    let log = open_log(&path)?;
    let empty = log.metadata()?.len();
    log_to(Arc::new(log), "warn");
    let ran = run_to_end(serve(config, options, &hidden));
    let has_more = std::fs::metadata(&path).is_ok_and(|log| log.len() > empty);
    if has_more && !matches!(ran, Ok(code) if code == ExitCode::SUCCESS) {
        eprintln!("lattice: the gateway's log is {}", path.display());
    }
    ran
}

/// Somebody may be at home at the configured addresses; then any will do that only this
/// machine can reach.
fn with_free_ports(mut config: Config) -> Config {
    config.keep_to_this_machine();
    for address in [&mut config.listen, &mut config.admin_listen] {
        if TcpListener::bind(*address).is_err() {
            *address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        }
    }
    config
}

/// Only its owner may read it.
fn open_log(path: &Path) -> Result<File, CommandError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let log = options.open(path)?;
    if log.metadata()?.len() > LONGEST_LOG {
        log.set_len(0)?;
    }
    Ok(log)
}

async fn serve(config: Config, options: &Run, hidden: &[String]) -> Done {
    let bound = listen::bind(&config)?;
    let state = State::open(&config).await?;
    let journal = open_journal(&config)?;
    let key = Key::new(&state);
    let running = Running::over(&config, bound, state, journal).await?;
    // From here on a signal is the command's, and no reason to leave a key behind.
    let done = match Signals::listen() {
        Ok(signals) => with_key(&running, &key, options, hidden, signals).await,
        Err(error) => Err(error.into()),
    };
    running.stop(config.drain).await;
    done
}

/// Runs the command with a key that is good until it ends.
async fn with_key(
    running: &Running,
    key: &Key,
    options: &Run,
    hidden: &[String],
    signals: Signals,
) -> Done {
    let store = &running.gateway.store;
    key.create(store).await?;
    let address = reachable(running.addresses.clients.address);
    let environment = environment::of_clients(address, &key.secret);
    let ran = child::run(&options.command, &environment, hidden, signals).await;
    let revoked = store.revoke_key(&key.name, SystemClock.now()).await;
    if let Err(error) = revoked {
        tracing::warn!(%error, key = key.name, "the key could not be revoked; it ends by itself within a week");
    }
    ran
}

/// Where this machine reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        address => address,
    }
}

/// The key of one run.
struct Key {
    id: Uuid,
    name: String,
    mac: [u8; 32],
    secret: Secret,
}

impl Key {
    fn new(state: &State) -> Self {
        let secret = LatticeKey::generate(&mut rand::rng());
        let id = Uuid::now_v7();
        Self {
            id,
            name: format!("run-{id}"),
            mac: state.pepper.mac(&secret),
            secret: secret.text().clone(),
        }
    }

    async fn create(&self, store: &Store) -> Result<(), CommandError> {
        let now = SystemClock.now();
        let new = NewKey {
            id: self.id,
            name: &self.name,
            team: None,
            owner: None,
            mac: &self.mac,
            models: None,
            created_at: now,
            expires_at: Some(now + LONGEST_RUN),
            budget: None,
        };
        store.create_key(&new).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_over_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            let address = reachable(listens.parse().expect("an address"));
            assert_eq!(address.to_string(), reached);
        }
    }
}
