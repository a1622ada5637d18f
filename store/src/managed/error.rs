use std::io;
use std::path::{Path, PathBuf};

/// Why the managed PostgreSQL does not run. Every message names the mend.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum ManagedError {
    /// No folder has PostgreSQL's own programs.
    #[error("PostgreSQL is not installed ({looked}): {INSTALL}, or set database.url")]
    Missing { looked: String },
    /// What is installed cannot run the schema.
    #[error(
        "PostgreSQL {found} is too old, Lattice needs 13 or newer: {INSTALL}, or set database.url"
    )]
    TooOld { found: u32 },
    /// The data on disk belongs to a major version that is not installed.
    #[error(
        "the database in {} was made by PostgreSQL {made_by}, and only {found} is installed: install \
         PostgreSQL {made_by} beside it, or move the data with pg_upgrade", cluster.display()
    )]
    OtherMajor {
        cluster: PathBuf,
        made_by: u32,
        found: String,
    },
    /// PostgreSQL refuses to run as root, and there is nobody to run it instead.
    #[error(
        "PostgreSQL does not run as root, and there is no account `postgres`: {INSTALL}, or run lattice \
         as another user"
    )]
    NoAccount,
    /// A path that pg_ctl cannot pass through the shell it starts the server with.
    #[error(
        "the path {} has a character that pg_ctl cannot handle (a quote, $, `, \\, a line break or not \
         UTF-8): choose another data_dir", path.display()
    )]
    Path { path: PathBuf },
    /// The server's folder could be reached, or was put there, by another account.
    #[error(
        "{} must be a folder of the account that runs PostgreSQL, closed to others: remove it, or set \
         XDG_RUNTIME_DIR to a private folder", path.display()
    )]
    Exposed { path: PathBuf },
    /// A server is there, and neither serves nor ends.
    #[error(
        "the PostgreSQL that runs on {} (process {pid}) neither serves nor ends: look at postgres.log in \
         that folder, then stop the process", cluster.display()
    )]
    Stuck { cluster: PathBuf, pid: u32 },
    /// One of PostgreSQL's programs failed; `output` is what it and the server's log said.
    #[error("{program} failed: {output}")]
    Failed { program: String, output: String },
    /// A file or program could not be used.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

const INSTALL: &str = if cfg!(target_os = "macos") {
    "run `brew install postgresql@16`"
} else {
    "run `apt-get install postgresql` (or your system's package of that name)"
};

/// Says which path an I/O error is about.
pub(super) trait At<T> {
    fn at(self, path: &Path) -> Result<T, ManagedError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, ManagedError> {
        self.map_err(|source| ManagedError::Io {
            path: path.to_owned(),
            source,
        })
    }
}
