//! How changes reach the gateways, and how they say that they have taken one over.

use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::connect::PATIENCE;
use crate::{Store, StoreError};

/// What [`commit_change`](crate::settings) notifies.
const CHANNEL: &str = "lattice";

/// Tells of changes as they are committed, over a connection of its own.
pub struct Notices {
    listener: PgListener,
}

impl Notices {
    /// Resolves when something has changed, or may have while the connection was lost, which
    /// is made again. `Unavailable` where it cannot be; the next call tries once more.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.listener.try_recv().await?;
        Ok(())
    }
}

impl Store {
    /// Listens for changes; those that were made before are not told of.
    pub async fn listen(&self) -> Result<Notices, StoreError> {
        let options = self.pool.connect_options();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with((*options).clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Notices { listener })
    }

    /// Says that the gateway `node` lives, and that everything up to `revision` is in force
    /// there. Returns its epoch, as [`Store::confirm`] does.
    pub async fn follow(&self, node: &str, revision: i64) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            "insert into gateway (node, seen_revision, seen_at) values ($1, $2, now())
             on conflict (node) do update set seen_revision = excluded.seen_revision, seen_at = excluded.seen_at
             returning epoch",
            node,
            revision,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Says that the gateway `node` lives, and returns its epoch: while that is the same,
    /// what the node has taken is its own.
    pub async fn confirm(&self, node: &str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            "insert into gateway (node, seen_revision, seen_at) values ($1, 0, now())
             on conflict (node) do update set seen_at = excluded.seen_at
             returning epoch",
            node,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Says that the gateway `node` has stopped. What it still holds of limits it cannot give
    /// back afterwards.
    pub async fn unfollow(&self, node: &str) -> Result<(), StoreError> {
        // Those that died said nothing; nobody waits for them any more.
        sqlx::query!(
            "delete from gateway where node = $1 or seen_at < now() - interval '1 hour'",
            node
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The gateways that were heard of within 15 seconds, each with the revision that is in
    /// force there; by name.
    pub async fn gateways(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query!(
            "select node, seen_revision from gateway where seen_at > now() - interval '15 seconds' order by node"
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.node, row.seen_revision))
            .collect())
    }
}
