use std::error::Error;

use sqlx::migrate::MigrateError;
use uuid::Uuid;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum StoreError {
    /// The database cannot be reached or cannot work now: nothing is wrong with the
    /// request, and the same call may succeed later. Whether the change was made is not
    /// known if the connection was lost while it was being committed.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The change contradicts what is stored. `what` is a sentence for the operator.
    #[error("{what}")]
    Conflict { what: String },
    /// Something that the change refers to does not exist. `what` is a sentence for the operator.
    #[error("{what}")]
    Missing { what: String },
    /// Another leaf is already stored under this number: the chain has split in two.
    #[error("audit chain {chain}: leaf {seq} is already stored with a different hash")]
    Diverged { chain: Uuid, seq: i64 },
    /// The gateway has been given up in the meantime, or has said that it stops, or another
    /// process has started as the same node: what this one had taken of limits is void.
    #[error("{0}")]
    Fenced(#[source] sqlx::Error),
    /// The database answered, and does not accept this URL, account or version.
    #[error("{reason}; check database.url")]
    Rejected { reason: String },
    /// A defect of Lattice or of the stored data.
    #[error("the store failed: {0}")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
                Self::Unavailable(error)
            }
            E::Configuration(reason) => Self::Rejected {
                reason: format!("database.url cannot be used: {reason}"),
            },
            E::Database(ref refusal) => match refusal.code().as_deref() {
                Some(FENCED) => Self::Fenced(error),
                Some(code) if is_passing(code) => Self::Unavailable(error),
                Some(code) if is_about_access(code) => Self::Rejected {
                    reason: refusal.to_string(),
                },
                Some("23505") => {
                    let constraint = refusal.constraint().unwrap_or("a unique value");
                    Self::Conflict {
                        what: format!("{constraint} is taken already"),
                    }
                }
                _ => Self::Internal(Box::new(error)),
            },
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Internal(Box::new(other)),
        }
    }
}

/// Puts an operator's sentence in place of a constraint's name.
pub(crate) trait OrConflict<T> {
    /// Like `?`, but a violated unique constraint or foreign key becomes
    /// [`StoreError::Conflict`] with this sentence.
    fn or_conflict(self, what: impl FnOnce() -> String) -> Result<T, StoreError>;
}

impl<T> OrConflict<T> for Result<T, sqlx::Error> {
    fn or_conflict(self, what: impl FnOnce() -> String) -> Result<T, StoreError> {
        self.map_err(|error| match error.as_database_error() {
            Some(refusal)
                if refusal.is_unique_violation() || refusal.is_foreign_key_violation() =>
            {
                StoreError::Conflict { what: what() }
            }
            _ => error.into(),
        })
    }
}

/// SQLSTATE of our own functions for a node whose epoch is over.
const FENCED: &str = "LT001";

/// SQLSTATEs of a server that cannot work now: connection trouble (08), a transaction that
/// lost to another (40), no resources (53), being stopped, restarted or failed over (57P,
/// 25006), trouble with its disk (58).
fn is_passing(code: &str) -> bool {
    ["08", "40", "53", "57P", "58"]
        .iter()
        .any(|class| code.starts_with(class))
        || code == "25006"
}

/// SQLSTATEs of a wrong account, a missing right, or a database that does not exist.
fn is_about_access(code: &str) -> bool {
    code.starts_with("28") || code == "3D000" || code == "42501"
}
