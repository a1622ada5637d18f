//! The database: joined where one runs, never made or started.

use std::path::Path;

use lattice_store::managed::{self, Survey};
use lattice_store::{DatabaseConfig, Schema, Store, StoreError};

use super::check::Check;
use super::programs::managed_error;
use crate::config::checked::Database;
use crate::state::FINGERPRINT;

const NAME: &str = "database";

/// What was found of the database.
pub struct Found {
    /// What it says of itself.
    pub check: Check,
    /// Whether keys were stored in it.
    pub keys: Keys,
    /// Of the pepper that its keys are stored under, where it could be asked.
    pub fingerprint: Option<String>,
}

/// Whether keys were stored in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// None can have been.
    None,
    /// It cannot be asked.
    Unknown,
    /// It has been used.
    Stored,
}

impl Found {
    fn new(check: Check, keys: Keys) -> Self {
        Self {
            check,
            keys,
            fingerprint: None,
        }
    }
}

/// Looks at the database and its schema.
pub fn look(place: &Database, data_dir: &Path) -> Found {
    let bin_dir = match place {
        Database::Url(url) => return connect(url.expose().to_owned(), "database.url"),
        Database::Managed { bin_dir } => bin_dir.as_deref(),
    };
    let data = match managed::survey(data_dir, bin_dir) {
        Ok(Survey {
            data: Some(data), ..
        }) => data,
        Ok(_) => return Found::new(Check::ok(NAME, "is made at the first start"), Keys::None),
        Err(_) => {
            let mend = "mend PostgreSQL first, under programs";
            return Found::new(Check::warn(NAME, "was not looked at", mend), Keys::Unknown);
        }
    };
    let found = match managed::join(data_dir, bin_dir) {
        // Leaving again stops a server that nobody else uses, as any command's end does.
        Ok(Some(joined)) => connect(joined.url(), "the managed one"),
        Ok(None) => {
            let found = format!("{}; lattice starts it when needed", data.display());
            Found::new(Check::ok(NAME, found), Keys::Stored)
        }
        Err(error) => Found::new(managed_error(NAME, &error), Keys::Stored),
    };
    Found {
        keys: Keys::Stored,
        ..found
    }
}

fn connect(url: String, title: &str) -> Found {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let asked = match runtime {
        Ok(runtime) => runtime.block_on(ask(url)),
        Err(error) => {
            let mend = "look at the limits of this account: ulimit -a";
            return Found::new(Check::fail(NAME, error.to_string(), mend), Keys::Unknown);
        }
    };
    match asked {
        Ok((schema, fingerprint)) => Found {
            check: judge(title, schema),
            keys: match fingerprint {
                Some(_) => Keys::Stored,
                None => Keys::None,
            },
            fingerprint,
        },
        Err(error) => Found::new(refused(error), Keys::Unknown),
    }
}

async fn ask(url: String) -> Result<(Schema, Option<String>), StoreError> {
    let store = Store::connect(&DatabaseConfig {
        url,
        max_connections: 1,
    })
    .await?;
    let schema = store.schema().await?;
    let fingerprint = match schema.pending {
        0 => store.setting(FINGERPRINT).await?,
        // Its table may not be there yet.
        _ => None,
    };
    store.close().await;
    Ok((schema, fingerprint))
}

fn judge(title: &str, schema: Schema) -> Check {
    match schema {
        Schema { unknown: 1.., .. } => Check::fail(
            NAME,
            format!("{title} has a schema of a newer version of Lattice"),
            "run that version, or a newer one",
        ),
        Schema { pending: 0, .. } => {
            Check::ok(NAME, format!("{title} answers; its schema is up to date"))
        }
        Schema { pending, .. } => Check::ok(
            NAME,
            format!("{title} answers; the next start adds {pending} steps to its schema"),
        ),
    }
}

fn refused(error: StoreError) -> Check {
    match error {
        StoreError::Rejected { reason } => Check::fail(
            NAME,
            reason,
            "correct database.url: postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        ),
        other => Check::fail(
            NAME,
            other.to_string(),
            "start the database that database.url names, or correct the URL",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn an_older_schema_is_brought_up_to_date_and_a_newer_one_is_refused() {
        let verdict = |pending, unknown| judge("it", Schema { pending, unknown }).verdict;
        assert_eq!(verdict(0, 0), Verdict::Ok);
        assert_eq!(verdict(2, 0), Verdict::Ok);
        assert!(matches!(verdict(0, 1), Verdict::Fail(_)));
        assert!(matches!(verdict(1, 1), Verdict::Fail(_)));
    }
}
