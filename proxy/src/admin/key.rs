//! The admin key: one for an installation, made by whichever gateway first starts on
//! its database.
//!
//! The database holds its HMAC under the pepper, as a setting; `lattice admin-key rotate`
//! puts another there, which the gateways take over as they do every change.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use axum::http::HeaderMap;
use lattice_identity::{LatticeKey, Pepper};
use lattice_store::{Store, StoreError};
use parking_lot::RwLock;

use crate::admin::routes::{Admits, bearer};
use crate::state::StateError;

/// The setting that holds the HMAC, in hex.
pub const SETTING: &str = "admin_key";
/// Where the key is, in `data_dir`, until it has been shown.
pub const FILE: &str = "admin.key";
/// Its extension until it counts.
const BESIDE: &str = "key.new";

/// What an admin key is recognised by.
pub struct AdminKey {
    pepper: Pepper,
    /// In hex, as stored.
    mac: RwLock<String>,
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
        let path = data_dir.join(FILE);
        let stored = store.setting(SETTING).await?;
        let mut made =
            recover(&pepper, stored.as_deref(), &path).map_err(|source| failed(&path, source))?;
        let mac = match stored {
            Some(mac) => mac,
            None => {
                let (mac, ours) = Self::make(store, &pepper, &path).await?;
                made = ours.then_some(path);
                mac
            }
        };
        Ok(Self {
            pepper,
            mac: RwLock::new(mac),
            made,
        })
    }

    /// The HMAC that the store has from then on, and whether its key is in `path`.
    async fn make(
        store: &Store,
        pepper: &Pepper,
        path: &Path,
    ) -> Result<(String, bool), StateError> {
        let key = LatticeKey::generate(&mut rand::rng());
        let ours = hex(&pepper.mac(&key));
        // On disk before it counts, so that no crash leaves a key that nobody has.
        let beside = path.with_extension(BESIDE);
        write(&beside, key.text().expose()).map_err(|source| failed(&beside, source))?;
        let mac = store.set_if_absent(SETTING, &ours).await?;
        let placed = if mac == ours {
            std::fs::rename(&beside, path)
        } else {
            // Another gateway was first.
            std::fs::remove_file(&beside)
        };
        placed.map_err(|source| failed(path, source))?;
        Ok((mac.clone(), mac == ours))
    }

    /// Makes another key in the place of whichever there is, which counts no more as soon
    /// as a gateway has taken the change over. A file with the old one is removed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn rotate(
        store: &Store,
        pepper: &Pepper,
        data_dir: &Path,
    ) -> Result<LatticeKey, StateError> {
        let key = LatticeKey::generate(&mut rand::rng());
        store.set_for_all(SETTING, &hex(&pepper.mac(&key))).await?;
        let path = data_dir.join(FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&path, error)),
            _ => Ok(key),
        }
    }

    /// Takes over whichever counts now.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        if let Some(mac) = store.setting(SETTING).await? {
            *self.mac.write() = mac;
        }
        Ok(())
    }

    /// The file with the key, where this start made it.
    pub fn made(&self) -> Option<&Path> {
        self.made.as_deref()
    }
}

/// Clears away what a crash left beside `path`: a key that counts is put there, where its
/// owner looks for it, and any other is removed.
fn recover(pepper: &Pepper, stored: Option<&str>, path: &Path) -> std::io::Result<Option<PathBuf>> {
    let Some(folder) = path.parent() else {
        return Ok(None);
    };
    let mut made = None;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        // Once the number of the process stood there. Copies of others are theirs.
        let left = name.to_str().and_then(|name| name.strip_prefix(FILE));
        let left = left.and_then(|left| left.strip_prefix('.'));
        if !left.is_some_and(|left| left == "new" || left.parse::<u32>().is_ok()) {
            continue;
        }
        let text = std::fs::read_to_string(entry.path())?;
        let key = LatticeKey::parse(text.trim());
        if key.is_some_and(|key| Some(&*hex(&pepper.mac(&key))) == stored) {
            std::fs::rename(entry.path(), path)?;
            made = Some(path.to_path_buf());
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(made)
}

fn failed(path: &Path, source: std::io::Error) -> StateError {
    StateError::File {
        path: path.display().to_string(),
        source,
    }
}

impl Admits for AdminKey {
    fn admits(&self, head: &HeaderMap) -> bool {
        let key = bearer(head).and_then(LatticeKey::parse);
        // What is compared is a MAC that nobody without the pepper can steer, so the
        // time that it takes tells nothing.
        key.is_some_and(|key| hex(&self.pepper.mac(&key)) == *self.mac.read())
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
