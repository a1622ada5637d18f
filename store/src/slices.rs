//! What the nodes have taken of limits. A node takes a slice of a limit, spends it from its
//! memory, and gives back what it does not need; for a hard limit the slices of all nodes
//! together never exceed it. Each call is one statement, and the counting is done by functions
//! of the database (the migration of `slice`), under the lock of the account's row.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Store, StoreError};

/// A node that takes and gives back, as its last `confirm` or `reclaim_slices` said.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// The name of the gateway, as it confirms itself and as its audit chains have it.
    pub name: &'a str,
    /// Where it is not the node's any more, every call is [`StoreError::Fenced`].
    pub epoch: i64,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountKey<'a> {
    /// `org`, `team`, `user`, `key`, `agent` or `model`.
    pub kind: &'a str,
    /// The id of the team, key and so on.
    pub id: Uuid,
    /// `usd` (counted in nano-USD), `tokens` or `requests`.
    pub unit: &'a str,
    /// `minute`, `hour`, `day`, `month` or `total`.
    pub window: &'a str,
    /// The window ends now, instead of beginning by the calendar.
    pub rolling: bool,
}

/// A piece of an account's time: all of a calendar window, or a part of a rolling one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// When it starts.
    pub starts: OffsetDateTime,
    /// When the next one starts; far in the future where none ever does.
    pub ends: OffsetDateTime,
    /// Start of the oldest bucket that counts beside it; `starts` of a calendar window. All
    /// buckets of an account are equally long where this is earlier.
    pub counts_from: OffsetDateTime,
    /// It is made of whole UTC hours, so that the table `spend` can tell what was spent in it.
    pub hourly: bool,
}

/// What a node asks for.
#[derive(Clone, Copy, Debug)]
pub struct Take<'a> {
    /// Of what.
    pub account: AccountKey<'a>,
    /// In which bucket.
    pub bucket: Bucket,
    /// Less than this is of no use.
    pub need: i64,
    /// The most that is of use.
    pub want: i64,
    /// The limit; in the account's unit, as all amounts.
    pub limit: i64,
    /// The limit is never exceeded. Otherwise `want` is granted whatever the limit is.
    pub hard: bool,
    /// The node knows nothing of this account yet: it has just started, or the limit is new,
    /// or back. What it has spent without the limit counts then.
    pub first: bool,
}

/// What a node got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// 0, or from `need` to `want`.
    pub granted: i64,
    /// What all nodes have taken in the buckets that count, this included.
    pub used: i64,
}

/// A part of a node's slice.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Of what.
    pub account: AccountKey<'a>,
    /// The start of the bucket.
    pub starts: OffsetDateTime,
    /// In the account's unit, not negative.
    pub amount: i64,
}

/// What became of the slices of a node that an operator has given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// There is a gateway of this name, or slices that one left.
    pub found: bool,
    /// It was heard of within 90 seconds, so nothing was done.
    pub alive: bool,
    /// How many slices were changed.
    pub slices: i64,
    /// How much came back; negative where more was spent than taken.
    pub nano_usd: i64,
    /// As `nano_usd`, of limits on tokens.
    pub tokens: i64,
    /// As `nano_usd`, of limits on requests.
    pub requests: i64,
}

impl Store {
    /// Takes from a limit. Of a limit that is not hard, nodes that were not heard of for 60
    /// seconds count with what they are known to have spent, and nothing beside.
    ///
    /// Where the answer is lost, more may be charged to the node than it knows of, until
    /// [`Store::reclaim_slices`] at its next start.
    pub async fn take_slice(&self, node: Node<'_>, take: &Take<'_>) -> Result<Taken, StoreError> {
        let Take {
            account, bucket, ..
        } = take;
        Ok(sqlx::query_as!(
            Taken,
            r#"select granted as "granted!", used as "used!"
               from take_slice($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"#,
            node.name,
            node.epoch,
            account.kind,
            account.id,
            account.unit,
            account.window,
            account.rolling,
            bucket.starts,
            bucket.ends,
            bucket.counts_from,
            bucket.hourly,
            take.need,
            take.want,
            take.limit,
            take.hard,
            take.first,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Gives parts of the node's slices back, all or none; never more than there is.
    ///
    /// The node forgets them first, and never sends the same return twice: where the answer
    /// is lost, it may have been applied.
    pub async fn return_slices(
        &self,
        node: Node<'_>,
        returns: &[Part<'_>],
    ) -> Result<(), StoreError> {
        self.change_slices(node, returns, false).await
    }

    /// Says what the node's slices are: all that it has spent and reserved in the bucket, in
    /// this life and those before, and holds free. A node that counts this life alone would
    /// hand out again what it spent before, so gateways do not call it yet.
    ///
    /// For a node that lives and finds its epoch changed, or that has lost an
    /// answer; none of its takes and returns of these accounts may be under way. May be
    /// repeated. A slice that does not exist any more is left out.
    pub async fn restate_slices(
        &self,
        node: Node<'_>,
        held: &[Part<'_>],
    ) -> Result<(), StoreError> {
        self.change_slices(node, held, true).await
    }

    async fn change_slices(
        &self,
        node: Node<'_>,
        parts: &[Part<'_>],
        restates: bool,
    ) -> Result<(), StoreError> {
        if parts.is_empty() {
            return Ok(());
        }
        let Columns {
            kinds,
            ids,
            units,
            windows,
            rolling,
        } = Columns::of(parts.iter().map(|part| part.account));
        let starts: Vec<OffsetDateTime> = parts.iter().map(|part| part.starts).collect();
        let amounts: Vec<i64> = parts.iter().map(|part| part.amount).collect();
        sqlx::query!(
            "select from change_slices($1, $2, $3::text[], $4, $5::text[], $6::text[], $7, $8, $9, $10)",
            node.name,
            node.epoch,
            &kinds as &[&str],
            &ids,
            &units as &[&str],
            &windows as &[&str],
            &rolling,
            &starts,
            &amounts,
            restates,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// For a node that starts and has shipped all that its journal held: its slices are from
    /// now on what the table `spend` says, and whoever was this node before is fenced. Slices
    /// that are finer than hours stay until they do not count any more. Returns the epoch.
    pub async fn reclaim_slices(&self, node: &str) -> Result<i64, StoreError> {
        let reclaimed = sqlx::query_scalar!(r#"select reclaim_slices($1) as "epoch!""#, node)
            .fetch_one(&self.pool);
        Ok(reclaimed.await?)
    }

    /// Gives a node up, as [`Store::reclaim_slices`] does, unless it was heard of within 90
    /// seconds. What it has spent and not shipped is not known then: should it come back, as
    /// much may have been spent beyond hard limits.
    pub async fn release_slices(&self, node: &str) -> Result<Released, StoreError> {
        Ok(sqlx::query_as!(
            Released,
            r#"select known as "found!", alive as "alive!", slices as "slices!",
                      nano_usd as "nano_usd!", tokens as "tokens!", requests as "requests!"
               from release_slices($1)"#,
            node
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Deletes the slices of buckets that do not count since before this instant, which is to
    /// be long enough ago that nothing takes from them any more. Returns how many.
    pub async fn sweep_slices(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        let swept = sqlx::query!("delete from slice where counts_until < $1", before)
            .execute(&self.pool)
            .await?;
        Ok(swept.rows_affected())
    }
}

/// Accounts as columns, which a statement takes as arrays.
pub(crate) struct Columns<'a> {
    pub kinds: Vec<&'a str>,
    pub ids: Vec<Uuid>,
    pub units: Vec<&'a str>,
    pub windows: Vec<&'a str>,
    pub rolling: Vec<bool>,
}

impl<'a> Columns<'a> {
    pub fn of(accounts: impl Iterator<Item = AccountKey<'a>> + Clone) -> Self {
        Self {
            kinds: accounts.clone().map(|account| account.kind).collect(),
            ids: accounts.clone().map(|account| account.id).collect(),
            units: accounts.clone().map(|account| account.unit).collect(),
            windows: accounts.clone().map(|account| account.window).collect(),
            rolling: accounts.map(|account| account.rolling).collect(),
        }
    }
}
