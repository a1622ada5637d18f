//! Finding PostgreSQL's own programs.

use std::env;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use super::error::ManagedError;

const OLDEST_MAJOR: u32 = 13;

/// A folder with `initdb`, `pg_ctl` and `postgres` of one version.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

impl Programs {
    /// The first folder that has them: the configured one and no other, else `PATH`, Debian's
    /// folders (newest first) and Homebrew's. An existing cluster takes its own major version only.
    pub(super) fn find(
        configured: Option<&Path>,
        cluster: Option<(u32, &Path)>,
    ) -> Result<Self, ManagedError> {
        let mut seen = Vec::new();
        for folder in places(configured) {
            let Some(major) = major_version(&folder) else {
                continue;
            };
            let fits = match cluster {
                Some((made_by, _)) => major == made_by,
                None => major >= OLDEST_MAJOR,
            };
            if fits && major >= OLDEST_MAJOR {
                return Ok(Self { folder, major });
            }
            seen.push(major);
        }
        Err(match (cluster, seen.first()) {
            (_, None) => ManagedError::Missing {
                looked: looked_in(configured),
            },
            (Some((made_by, cluster)), _) => {
                let found = seen
                    .iter()
                    .map(u32::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                ManagedError::OtherMajor {
                    cluster: cluster.to_owned(),
                    made_by,
                    found,
                }
            }
            (None, Some(&found)) => ManagedError::TooOld { found },
        })
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

fn places(configured: Option<&Path>) -> Vec<PathBuf> {
    if let Some(folder) = configured {
        // The programs are started from another folder than ours.
        return path::absolute(folder).into_iter().collect();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = env::split_paths(&path)
        .filter(|p| p.is_absolute())
        .collect();
    places.extend(versions_in("/usr/lib/postgresql", ""));
    for homebrew in ["/opt/homebrew/opt", "/usr/local/opt"] {
        places.extend(versions_in(homebrew, "postgresql@"));
        places.push(Path::new(homebrew).join("postgresql/bin"));
    }
    places
}

/// The `bin` folders of everything in `parent` that is named `prefix` and a number, newest first.
fn versions_in(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = entry
                .file_name()
                .to_str()?
                .strip_prefix(prefix)?
                .parse()
                .ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// `None` unless all three programs are there and `postgres` says its version.
fn major_version(folder: &Path) -> Option<u32> {
    if !["initdb", "pg_ctl", "postgres"]
        .iter()
        .all(|program| folder.join(program).is_file())
    {
        return None;
    }
    let said = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    parse_version(&String::from_utf8_lossy(&said.stdout))
}

/// From `postgres (PostgreSQL) 15.18 (Debian …)`, `16beta2`, `17devel`.
fn parse_version(said: &str) -> Option<u32> {
    let number = said.split_once("(PostgreSQL) ")?.1;
    let end = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..end].parse().ok()
}

fn looked_in(configured: Option<&Path>) -> String {
    match configured {
        Some(folder) => format!("looked in {}", folder.display()),
        None => "looked in PATH, /usr/lib/postgresql and Homebrew's folders".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder whose `postgres` claims to be of this version.
    fn installation(version: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for program in ["initdb", "pg_ctl", "postgres"] {
            let path = folder.path().join(program);
            fs::write(
                &path,
                format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"),
            )
            .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    #[test]
    fn the_major_version_is_read_from_releases_and_previews() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(parse_version(debian), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_version("postgres (PostgreSQL) 17\n"), Some(17));
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn the_configured_folder_is_used() {
        let folder = installation("16.2");
        let programs = Programs::find(Some(folder.path()), None).unwrap();
        assert_eq!(programs.path("initdb"), folder.path().join("initdb"));
        Programs::find(Some(folder.path()), Some((16, Path::new("/d")))).unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_mend() {
        let empty = tempfile::tempdir().unwrap();
        let missing = Programs::find(Some(empty.path()), None).unwrap_err();
        assert!(matches!(missing, ManagedError::Missing { .. }));
        assert!(
            missing.to_string().contains("install postgresql"),
            "{missing}"
        );

        let old = Programs::find(Some(installation("12.9").path()), None).unwrap_err();
        assert!(matches!(old, ManagedError::TooOld { found: 12 }), "{old}");

        let new = installation("17.1");
        let other = Programs::find(Some(new.path()), Some((15, Path::new("/d")))).unwrap_err();
        assert!(
            matches!(other, ManagedError::OtherMajor { made_by: 15, .. }),
            "{other}"
        );
        assert!(other.to_string().contains("pg_upgrade"), "{other}");
    }
}
