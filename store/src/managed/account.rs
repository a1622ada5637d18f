//! Whose account the server runs under.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use super::error::{At, ManagedError};

/// The account of the server: our own, or `postgres` where we are root, whom PostgreSQL refuses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    /// We are root, and every program of PostgreSQL is started as somebody else.
    pub(super) switched: bool,
}

impl Account {
    pub(super) fn find() -> Result<Self, ManagedError> {
        let own = id(&["-u"])?.ok_or(ManagedError::NoAccount)?;
        if own != 0 {
            return Ok(Self {
                uid: own,
                gid: 0,
                switched: false,
            });
        }
        match (id(&["-u", "postgres"])?, id(&["-g", "postgres"])?) {
            (Some(uid), Some(gid)) => Ok(Self {
                uid,
                gid,
                switched: true,
            }),
            _ => Err(ManagedError::NoAccount),
        }
    }

    /// A program of PostgreSQL: under this account, in its own process group (the terminal's
    /// Ctrl-C is for us, not for the server), and without our environment, which holds
    /// providers' secrets and may hold `PG…` variables of another server.
    pub(super) fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .process_group(0)
            .env_clear()
            .env("LC_ALL", "C");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if self.switched {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Makes a folder that only this account may enter, or checks that an existing one is.
    pub(super) fn private_folder(&self, path: &Path) -> Result<(), ManagedError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).at(path);
            }
            _ => {}
        }
        let found = fs::symlink_metadata(path).at(path)?;
        let made_by_root = self.switched && found.uid() == 0;
        let ours = found.uid() == self.uid || made_by_root;
        if !found.is_dir() || !ours || found.permissions().mode() & 0o077 != 0 {
            return Err(ManagedError::Exposed {
                path: path.to_owned(),
            });
        }
        if made_by_root {
            chown(path, Some(self.uid), Some(self.gid)).at(path)?;
        }
        Ok(())
    }
}

/// Asks `id`, which knows accounts from wherever the system keeps them. `None`: no such account.
fn id(arguments: &[&str]) -> Result<Option<u32>, ManagedError> {
    let Output { status, stdout, .. } = Command::new("id")
        .args(arguments)
        .output()
        .at(Path::new("id"))?;
    let number = String::from_utf8_lossy(&stdout).trim().parse().ok();
    Ok(number.filter(|_| status.success()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_that_others_can_enter_or_choose_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let own = fs::metadata(scratch.path()).unwrap();
        let account = Account {
            uid: own.uid(),
            gid: own.gid(),
            switched: false,
        };

        let made = scratch.path().join("made");
        account.private_folder(&made).unwrap();
        account.private_folder(&made).unwrap();

        let link = scratch.path().join("link");
        symlink(&made, &link).unwrap();
        let open = scratch.path().join("open");
        DirBuilder::new().mode(0o750).create(&open).unwrap();
        for path in [link, open] {
            let refused = account.private_folder(&path).unwrap_err();
            assert!(matches!(refused, ManagedError::Exposed { .. }), "{refused}");
        }

        let stranger = Account {
            uid: own.uid() + 1,
            ..account
        };
        let refused = stranger.private_folder(&made).unwrap_err();
        assert!(matches!(refused, ManagedError::Exposed { .. }), "{refused}");
    }
}
