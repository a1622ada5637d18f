//! Durable state: the store, the PostgreSQL behind it, and the pepper.

use std::io::Write as _;
use std::path::Path;

use lattice_identity::Pepper;
use lattice_store::managed::{self, Managed, ManagedError};
use lattice_store::{DatabaseConfig, Store, StoreError};

use crate::config::Config;
use crate::config::checked::Database;

/// The generated pepper, in `data_dir`.
pub const PEPPER_FILE: &str = "pepper";
/// The setting that tells which pepper the stored keys were made under.
pub const FINGERPRINT: &str = "pepper_fingerprint";
const CONNECTIONS: u32 = 8;

/// Why durable state is out of reach.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The managed PostgreSQL does not run.
    #[error(transparent)]
    Managed(#[from] ManagedError),
    /// The database does not answer, or is not one for us.
    #[error("the database: {0}")]
    Store(#[from] StoreError),
    /// A file in `data_dir` cannot be used.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The pepper cannot be used.
    #[error("security.pepper: {0}")]
    Pepper(String),
}

/// The store and what keeps it running.
pub struct State {
    /// Every table.
    pub store: Store,
    /// Ours to stop, where it is ours.
    pub managed: Option<Managed>,
    /// What keys are stored under.
    pub pepper: Pepper,
}

impl State {
    /// Starts or joins the database, brings its schema up to date and checks
    /// that the pepper is the one that its keys were stored under.
    ///
    /// # Errors
    /// See [`StateError`]; each text names the mend.
    pub async fn open(config: &Config) -> Result<Self, StateError> {
        create_private(&config.data_dir)?;
        let (managed, url) = match &config.database {
            Database::Url(url) => (None, url.expose().to_owned()),
            Database::Managed { bin_dir } => {
                let (data_dir, bin_dir) = (config.data_dir.clone(), bin_dir.clone());
                let started = tokio::task::spawn_blocking(move || {
                    managed::start(&data_dir, bin_dir.as_deref())
                });
                let managed = started
                    .await
                    .map_err(|error| file(&config.data_dir, std::io::Error::other(error)))??;
                let url = managed.url();
                (Some(managed), url)
            }
        };
        let store = Store::connect(&DatabaseConfig {
            url,
            max_connections: CONNECTIONS,
        })
        .await?;
        store.migrate().await?;
        let pepper = pepper(config)?;
        let stored = store
            .set_if_absent(FINGERPRINT, &pepper.fingerprint())
            .await?;
        if stored != pepper.fingerprint() {
            return Err(StateError::Pepper(
                "is not the one that the stored keys were made under; restore that one, or use another database".into(),
            ));
        }
        Ok(Self {
            store,
            managed,
            pepper,
        })
    }

    /// Closes the store and leaves the database, which stops with its last user.
    pub async fn close(self) {
        self.store.close().await;
        if let Some(managed) = self.managed {
            leave(managed).await;
        }
    }
}

/// Leaves the managed database, off the runtime's threads.
pub async fn leave(managed: Managed) {
    match tokio::task::spawn_blocking(move || managed.stop()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the managed database did not stop"),
        Err(error) => tracing::warn!(%error, "the managed database did not stop"),
    }
}

fn pepper(config: &Config) -> Result<Pepper, StateError> {
    let too_short = |error: lattice_identity::PepperTooShort| StateError::Pepper(error.to_string());
    if let Some(secret) = &config.pepper {
        return Pepper::from_bytes(secret.expose().as_bytes()).map_err(too_short);
    }
    let path = config.data_dir.join(PEPPER_FILE);
    match std::fs::read(&path) {
        Ok(bytes) => Pepper::from_bytes(&bytes).map_err(too_short),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => generate(&path),
        Err(error) => Err(file(&path, error)),
    }
}

/// Written beside and linked into place, so that of two processes that start at
/// once one wins and both use its pepper.
fn generate(path: &Path) -> Result<Pepper, StateError> {
    let pepper = Pepper::generate(&mut rand::rng());
    let beside = path.with_extension(std::process::id().to_string());
    let write = || {
        let mut open = std::fs::OpenOptions::new();
        open.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        let mut file = open.open(&beside)?;
        file.write_all(pepper.expose())?;
        file.sync_all()?;
        std::fs::hard_link(&beside, path)
    };
    let written = write();
    // The name beside is scaffolding; what it was linked to stays.
    drop(std::fs::remove_file(&beside));
    match written {
        Ok(()) => Ok(pepper),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let bytes = std::fs::read(path).map_err(|error| file(path, error))?;
            Pepper::from_bytes(&bytes).map_err(|error| StateError::Pepper(error.to_string()))
        }
        Err(error) => Err(file(path, error)),
    }
}

/// A folder that nobody else may look into.
pub fn create_private(dir: &Path) -> Result<(), StateError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| file(dir, error))
}

fn file(path: &Path, source: std::io::Error) -> StateError {
    StateError::File {
        path: path.display().to_string(),
        source,
    }
}
