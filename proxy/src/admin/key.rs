//! The admin key: one for an installation, made by whichever gateway first starts on
//! its database.
//!
//! The database holds its HMAC under the pepper, as a setting; whoever lost the key
//! deletes that row, and the next start makes another.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use axum::http::HeaderMap;
use lattice_identity::{LatticeKey, Pepper};
use lattice_store::Store;

use crate::admin::routes::{Admits, bearer};
use crate::state::StateError;

/// The setting that holds the HMAC, in hex.
pub const SETTING: &str = "admin_key";
/// Where the key is, in `data_dir`, until it has been shown.
pub const FILE: &str = "admin.key";

/// What an admin key is recognised by.
pub struct AdminKey {
    pepper: Pepper,
    /// In hex, as stored.
    mac: String,
    /// Where the key itself is, where this start made it.
    made: Option<PathBuf>,
}

impl AdminKey {
    /// The installation's. Where it has none yet, one is made, and written to
    /// `data_dir` for its owner alone.
    ///
    /// # Errors
    /// The store does not answer, or the file cannot be written.
    pub async fn open(store: &Store, pepper: &Pepper, data_dir: &Path) -> Result<Self, StateError> {
        let pepper = Pepper::from_bytes(pepper.expose())
            .map_err(|error| StateError::Pepper(error.to_string()))?;
        if let Some(mac) = store.setting(SETTING).await? {
            return Ok(Self {
                pepper,
                mac,
                made: None,
            });
        }
        let key = LatticeKey::generate(&mut rand::rng());
        let ours = hex(&pepper.mac(&key));
        // On disk before it counts, so that no crash leaves a key that nobody has.
        let path = data_dir.join(FILE);
        let beside = path.with_extension(format!("key.{}", std::process::id()));
        let file = |source| StateError::File {
            path: path.display().to_string(),
            source,
        };
        write(&beside, key.text().expose()).map_err(file)?;
        let mac = store.set_if_absent(SETTING, &ours).await?;
        let made = if mac == ours {
            std::fs::rename(&beside, &path).map_err(file)?;
            Some(path)
        } else {
            // Another gateway was first.
            std::fs::remove_file(&beside).map_err(file)?;
            None
        };
        Ok(Self { pepper, mac, made })
    }

    /// The file with the key, where this start made it.
    pub fn made(&self) -> Option<&Path> {
        self.made.as_deref()
    }
}

impl Admits for AdminKey {
    fn admits(&self, head: &HeaderMap) -> bool {
        let key = bearer(head).and_then(LatticeKey::parse);
        // What is compared is a MAC that nobody without the pepper can steer, so the
        // time that it takes tells nothing.
        key.is_some_and(|key| hex(&self.pepper.mac(&key)) == self.mac)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file for its owner alone.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut open = std::fs::OpenOptions::new();
    open.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    let mut file = open.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
