use std::fmt;
use std::io;
use std::time::Duration;

use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::StoreError;

/// The oldest server that the SQL here is meant for, as `server_version_num` says it.
const OLDEST_SERVER: i32 = 130_000;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// SQLSTATE of a table that is not there.
const NO_TABLE: &str = "42P01";

/// How long a call waits for a connection: an outage is noticed within this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Where the database is. A URL may hold a password, so `Debug` does not print it.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/database`, or what [`Managed::url`] returns.
    /// TLS is used where the server offers it; `sslmode=verify-full` insists.
    ///
    /// [`Managed::url`]: crate::managed::Managed::url
    pub url: String,
    /// At most this many connections; values outside 1..=10 are brought into it.
    pub max_connections: u32,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("url", &"[redacted]")
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

/// The stored schema beside the one of this version of Lattice, in migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// This version has them, the database does not yet.
    pub pending: usize,
    /// The database has them, this version does not know them: a newer one made it.
    pub unknown: usize,
}

/// A handle on the database; clones share one pool of connections.
///
/// Make it inside the runtime that uses it: connections belong to the runtime that opened them.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: PgPool,
}

impl Store {
    /// Connects and checks the server's version; fails within about two seconds where nobody
    /// answers. It does not wait for a server that is starting: callers know whether to.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self, StoreError> {
        let options = options(&config.url)?;
        // One connection outside the pool: of a pool one learns that it timed out, not why.
        timeout(PATIENCE, check_version(&options))
            .await
            .map_err(|_| sqlx::Error::Io(io::ErrorKind::TimedOut.into()))??;
        let pool = PgPoolOptions::new()
            .min_connections(1)
            .max_connections(config.max_connections.clamp(1, 10))
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Brings the schema up to date. Processes that do so at once take turns (sqlx holds an
    /// advisory lock); a schema that is up to date already is left alone.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        Ok(MIGRATIONS.run(&self.pool).await?)
    }

    /// How the schema compares with the one that [`Store::migrate`] would bring about; changes
    /// nothing.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let applied = connection
            .list_applied_migrations(&MIGRATIONS.table_name)
            .await;
        let applied = match applied {
            Err(MigrateError::Execute(sqlx::Error::Database(refusal)))
                if refusal.code().as_deref() == Some(NO_TABLE) =>
            {
                Vec::new()
            }
            applied => applied?,
        };
        let is_applied = |version| applied.iter().any(|done| done.version == version);
        Ok(Schema {
            pending: MIGRATIONS
                .iter()
                .filter(|migration| !is_applied(migration.version))
                .count(),
            unknown: applied
                .iter()
                .filter(|done| !MIGRATIONS.version_exists(done.version))
                .count(),
        })
    }

    /// Asks the server for one answer; `Ok` means that it serves.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query_scalar!(r#"select 1 as "one!""#)
            .fetch_one(&self.pool)
            .await?;
        Ok(())
    }

    /// Waits for running calls, then closes every connection. Later calls get `Unavailable`.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

async fn check_version(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(options).await?;
    let version =
        sqlx::query_scalar!(r#"select current_setting('server_version_num')::int as "version!""#)
            .fetch_one(&mut connection)
            .await?;
    connection.close().await?;
    if version < OLDEST_SERVER {
        let reason = format!(
            "the server is PostgreSQL {}, and Lattice needs 13 or newer",
            version / 10_000
        );
        return Err(StoreError::Rejected { reason });
    }
    Ok(())
}

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        let reason = "database.url does not start with postgres://".to_owned();
        return Err(StoreError::Rejected { reason });
    }
    let options: PgConnectOptions = url.parse()?;
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("lattice"),
    })
}
