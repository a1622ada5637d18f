//! Where a cluster and its socket live.

use std::env;
use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::account::Account;
use super::error::{At, ManagedError};

/// Clusters are kept here when root starts them: the account `postgres` cannot enter a
/// `data_dir` in root's home.
const SYSTEM_FOLDER: &str = "/var/lib/lattice";

/// A socket's path is limited to 104 bytes on macOS, of which its own name takes 15.
const LONGEST_SOCKET_FOLDER: usize = 88;

#[derive(Clone, Debug)]
pub(super) struct Folders {
    /// Everything of this cluster: the next two, and the lock files.
    pub(super) home: PathBuf,
    /// PostgreSQL's data directory. It is there once `initdb` has finished, never half made.
    pub(super) data: PathBuf,
    /// Of the socket; only the server's account may enter.
    pub(super) socket: PathBuf,
}

impl Folders {
    /// Where they are, or will be; nothing is made. `data_dir` must be there.
    pub(super) fn locate(data_dir: &Path, account: &Account) -> Result<Self, ManagedError> {
        // Two spellings of one folder must name one cluster.
        let data_dir = data_dir.canonicalize().at(data_dir)?;
        let tag = tag(&data_dir);
        let home = if account.switched {
            Path::new(SYSTEM_FOLDER).join(&tag)
        } else {
            data_dir.join("postgres")
        };
        if !survives_quoting(&home) {
            return Err(ManagedError::Path { path: home });
        }
        Ok(Self {
            data: home.join("data"),
            socket: socket_folder(&home, &tag),
            home,
        })
    }

    pub(super) fn prepare(data_dir: &Path, account: &Account) -> Result<Self, ManagedError> {
        fs::create_dir_all(data_dir).at(data_dir)?;
        let folders = Self::locate(data_dir, account)?;
        if account.switched {
            make_system_home(&folders.home)?;
        } else {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folders.home)
                .at(&folders.home)?;
        }
        account.private_folder(&folders.socket)?;
        Ok(folders)
    }

    /// Opens one of the lock files. Closed to others: whoever can open it can hold it.
    pub(super) fn lock_file(&self, name: &str) -> Result<File, ManagedError> {
        let path = self.home.join(name);
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .at(&path)
    }
}

/// Stays root's own, so that the server's account cannot put links in our way; it may only
/// pass through, whatever the umask.
fn make_system_home(home: &Path) -> Result<(), ManagedError> {
    fs::create_dir_all(home).at(home)?;
    for folder in [Path::new(SYSTEM_FOLDER), home] {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).at(folder)?;
    }
    Ok(())
}

/// 16 hexadecimal digits that stand for a path.
fn tag(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_bytes());
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The cluster's own folder where the path is short and plain enough, else one under the
/// user's runtime folder or the temporary one.
fn socket_folder(home: &Path, tag: &str) -> PathBuf {
    let named = format!("lattice-{tag}");
    let runtime = env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir());
    [home.join("run")]
        .into_iter()
        .chain(runtime.map(|folder| folder.join(&named)))
        .chain([env::temp_dir().join(&named)])
        .find(|folder| fits_a_socket(folder))
        .unwrap_or_else(|| Path::new("/tmp").join(named))
}

/// Beyond its length: PostgreSQL takes a list of folders, in which commas and quotes mean something.
fn fits_a_socket(folder: &Path) -> bool {
    let bytes = folder.as_os_str().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte);
    bytes.len() <= LONGEST_SOCKET_FOLDER && bytes.starts_with(b"/") && bytes.iter().all(plain)
}

/// pg_ctl starts the server through a shell, and puts paths between double quotes.
fn survives_quoting(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| !text.contains(['"', '$', '`', '\\', '\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_lives_with_its_cluster_unless_the_path_is_too_long_or_not_plain() {
        assert_eq!(
            socket_folder(Path::new("/users/ada/.lattice/postgres"), "0f"),
            Path::new("/users/ada/.lattice/postgres/run")
        );
        for home in [
            format!("/users/{}", "a".repeat(80)),
            "/users/ada, bob".to_owned(),
        ] {
            let folder = socket_folder(Path::new(&home), "0f");
            assert!(folder.ends_with("lattice-0f"), "{}", folder.display());
            assert!(fits_a_socket(&folder), "{}", folder.display());
        }
    }

    #[test]
    fn a_path_that_the_shell_would_change_is_not_used() {
        assert!(survives_quoting(Path::new("/users/ada & bob's/.lattice")));
        for bad in ["/a$HOME", "/a\"b", "/a`b`", "/a\\b", "/a\nb"] {
            assert!(!survives_quoting(Path::new(bad)), "{bad}");
        }
    }
}
