use std::collections::HashSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::{ChainRow, StoredLeaf, deltas};
use crate::{Store, StoreError};

impl Store {
    /// Stores leaves of a chain and applies their deltas, all or nothing. The chain's own row
    /// is made with its first batch, which may be empty.
    ///
    /// May be repeated at will: a leaf that is stored already is left alone and its delta is
    /// not applied again. `Diverged` if one is stored under the same number with another hash.
    pub async fn append(&self, chain: &ChainRow, leaves: &[StoredLeaf]) -> Result<(), StoreError> {
        let mut batch = self.pool.begin().await?;
        put_chain(&mut batch, chain).await?;
        if let Some(last) = leaves.iter().max_by_key(|leaf| leaf.seq) {
            let fresh = insert(&mut batch, chain.id, leaves).await?;
            if fresh.len() < leaves.len() {
                refuse_other_hashes(&mut batch, chain.id, leaves).await?;
            }
            let deltas = leaves
                .iter()
                .filter(|leaf| fresh.contains(&leaf.seq))
                .filter_map(|leaf| leaf.delta.as_ref());
            deltas::apply(&mut batch, &chain.node, deltas).await?;
            move_head(&mut batch, chain.id, last).await?;
        }
        Ok(batch.commit().await?)
    }
}

async fn put_chain(batch: &mut PgConnection, chain: &ChainRow) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit_chain (id, node, started_at, previous) values ($1, $2, $3, $4) on conflict (id) do nothing",
        chain.id,
        chain.node,
        chain.started_at,
        chain.previous,
    )
    .execute(batch)
    .await?;
    Ok(())
}

/// Returns the numbers of the leaves that were not there before.
async fn insert(
    batch: &mut PgConnection,
    chain: Uuid,
    leaves: &[StoredLeaf],
) -> Result<HashSet<i64>, StoreError> {
    let (seqs, hashes) = numbers_and_hashes(leaves);
    let texts: Vec<&str> = leaves.iter().map(|leaf| &*leaf.leaf).collect();
    let fresh = sqlx::query_scalar!(
        "insert into audit_leaf (chain, seq, leaf, hash)
         select $1, sent.seq, sent.leaf, sent.hash
         from unnest($2::bigint[], $3::text[], $4::bytea[]) as sent (seq, leaf, hash)
         on conflict (chain, seq) do nothing
         returning seq",
        chain,
        &seqs,
        &texts as &[&str],
        &hashes as &[&[u8]],
    )
    .fetch_all(batch)
    .await?;
    Ok(fresh.into_iter().collect())
}

async fn refuse_other_hashes(
    batch: &mut PgConnection,
    chain: Uuid,
    leaves: &[StoredLeaf],
) -> Result<(), StoreError> {
    let (seqs, hashes) = numbers_and_hashes(leaves);
    let other = sqlx::query_scalar!(
        "select stored.seq
         from unnest($2::bigint[], $3::bytea[]) as sent (seq, hash)
         join audit_leaf stored on stored.chain = $1 and stored.seq = sent.seq
         where stored.hash <> sent.hash
         order by stored.seq limit 1",
        chain,
        &seqs,
        &hashes as &[&[u8]],
    )
    .fetch_optional(batch)
    .await?;
    match other {
        Some(seq) => Err(StoreError::Diverged { chain, seq }),
        None => Ok(()),
    }
}

/// Only forwards: a batch that is repeated late must not move the head back.
async fn move_head(
    batch: &mut PgConnection,
    chain: Uuid,
    last: &StoredLeaf,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update audit_chain set head_seq = $2, head_hash = $3 where id = $1 and coalesce(head_seq, -1) < $2",
        chain,
        last.seq,
        last.hash.as_slice(),
    )
    .execute(batch)
    .await?;
    Ok(())
}

fn numbers_and_hashes(leaves: &[StoredLeaf]) -> (Vec<i64>, Vec<&[u8]>) {
    leaves
        .iter()
        .map(|leaf| (leaf.seq, leaf.hash.as_slice()))
        .unzip()
}
