//! Audit chains: their rows, and reading them back. Appending is in `append.rs`.

mod append;
mod deltas;

use lattice_audit::Scopes;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Store, StoreError};

/// One chain: everything that one start of a process recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRow {
    /// Minted by the process at its start.
    pub id: Uuid,
    /// The machine or replica that it belongs to.
    pub node: String,
    /// When the process started. PostgreSQL keeps microseconds.
    pub started_at: OffsetDateTime,
    /// The chain of the node's start before, if it is not the first.
    pub previous: Option<Uuid>,
}

/// A chain and its last stored leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The chain.
    pub chain: ChainRow,
    /// `None` while no leaf is stored.
    pub head: Option<Head>,
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the last leaf.
    pub seq: i64,
    /// SHA-256 of the last leaf.
    pub hash: [u8; 32],
}

/// A leaf to be stored, with what it does to budgets.
#[derive(Clone, Debug)]
pub struct StoredLeaf {
    /// Its number in the chain, not negative.
    pub seq: i64,
    /// The canonical JSON that was hashed, byte for byte.
    pub leaf: Box<str>,
    /// Its SHA-256 in the chain.
    pub hash: [u8; 32],
    /// Applied once, when the leaf is first stored.
    pub delta: Option<SpendDelta>,
}

/// A change of the sums of everything that a call is charged to. Negative values take back,
/// as a settlement does with what its intent reserved.
#[derive(Clone, Copy, Debug)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of the table `spend`"
)]
pub struct SpendDelta {
    pub scopes: Scopes,
    /// The instant of the intent, for its outcome too: both must land in the same hour.
    pub at: OffsetDateTime,
    pub reserved_nano: i64,
    pub spent_nano: i64,
    pub estimated_nano: i64,
    pub reserved_tokens: i64,
    pub spent_tokens: i64,
    pub requests: i64,
}

/// A leaf as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRow {
    /// Its number in the chain.
    pub seq: i64,
    /// The text as it was stored.
    pub leaf: String,
    /// The hash as it was stored; whether it fits the text is for the reader to check.
    pub hash: [u8; 32],
}

/// The one place that lists a chain's columns; takes what follows `from audit_chain`.
macro_rules! select_chains {
    ($rest:literal $(, $argument:expr)*) => {
        sqlx::query!(
            r#"select id, node, started_at, previous, head_seq, head_hash as "head_hash: [u8; 32]"
               from audit_chain "# + $rest
            $(, $argument)*
        )
        .map(|row| ChainHead {
            chain: ChainRow { id: row.id, node: row.node, started_at: row.started_at, previous: row.previous },
            head: row.head_seq.zip(row.head_hash).map(|(seq, hash)| Head { seq, hash }),
        })
    };
}

impl Store {
    /// All chains in the order of their start. There is one for each start of a process.
    pub async fn chains(&self) -> Result<Vec<ChainHead>, StoreError> {
        Ok(select_chains!("order by started_at, id")
            .fetch_all(&self.pool)
            .await?)
    }

    /// The newest chain of this node, which its next one links to.
    pub async fn chain_head(&self, node: &str) -> Result<Option<ChainHead>, StoreError> {
        Ok(select_chains!(
            "where node = $1 order by started_at desc, id desc limit 1",
            node
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// One page of a chain: at most `limit` leaves, numbered `from` or higher, in order. The
    /// next page begins at the last `seq` + 1; an empty page is the end. Memory is bounded by
    /// the page, and no transaction stays open between pages.
    pub async fn leaves(
        &self,
        chain: Uuid,
        from: i64,
        limit: u32,
    ) -> Result<Vec<LeafRow>, StoreError> {
        Ok(sqlx::query_as!(
            LeafRow,
            r#"select seq, leaf, hash as "hash: [u8; 32]" from audit_leaf
               where chain = $1 and seq >= $2 order by seq limit $3"#,
            chain,
            from,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?)
    }
}
