use std::collections::BTreeMap;

use lattice_audit::Scopes;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::SpendDelta;
use crate::StoreError;
use crate::spend::hour_of;

/// A row of the table `spend`: kind and id of the scope, hour.
type Bucket = (&'static str, Uuid, OffsetDateTime);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    spent: i64,
    reserved: i64,
    estimated: i64,
    reserved_tokens: i64,
    spent_tokens: i64,
    requests: i64,
}

impl Sums {
    /// Stops at the largest number instead of failing: a batch that could never be
    /// stored would hold up every leaf behind it.
    fn add(self, delta: &SpendDelta) -> Self {
        Self {
            spent: self.spent.saturating_add(delta.spent_nano),
            reserved: self.reserved.saturating_add(delta.reserved_nano),
            estimated: self.estimated.saturating_add(delta.estimated_nano),
            reserved_tokens: self.reserved_tokens.saturating_add(delta.reserved_tokens),
            spent_tokens: self.spent_tokens.saturating_add(delta.spent_tokens),
            requests: self.requests.saturating_add(delta.requests),
        }
    }
}

/// Adds the deltas to what `node` has spent, one row for each scope and hour that they touch.
pub(super) async fn apply<'a>(
    batch: &mut PgConnection,
    node: &str,
    deltas: impl Iterator<Item = &'a SpendDelta>,
) -> Result<(), StoreError> {
    let sums = sum(deltas);
    if sums.is_empty() {
        return Ok(());
    }
    let kinds: Vec<&str> = sums.keys().map(|bucket| bucket.0).collect();
    let ids: Vec<Uuid> = sums.keys().map(|bucket| bucket.1).collect();
    let hours: Vec<OffsetDateTime> = sums.keys().map(|bucket| bucket.2).collect();
    let column = |of: fn(&Sums) -> i64| sums.values().map(of).collect::<Vec<i64>>();
    sqlx::query!(
        "insert into spend (node, scope_kind, scope_id, hour, spent_nano_usd, reserved_nano_usd, estimated_nano_usd, spent_tokens, reserved_tokens, requests)
         select $1::text, * from unnest($2::text[], $3::uuid[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
         on conflict (scope_kind, scope_id, hour, node) do update set
             spent_nano_usd = least(spend.spent_nano_usd::numeric + excluded.spent_nano_usd, 9223372036854775807)::bigint,
             reserved_nano_usd = least(spend.reserved_nano_usd::numeric + excluded.reserved_nano_usd, 9223372036854775807)::bigint,
             estimated_nano_usd = least(spend.estimated_nano_usd::numeric + excluded.estimated_nano_usd, 9223372036854775807)::bigint,
             spent_tokens = least(spend.spent_tokens::numeric + excluded.spent_tokens, 9223372036854775807)::bigint,
             reserved_tokens = least(spend.reserved_tokens::numeric + excluded.reserved_tokens, 9223372036854775807)::bigint,
             requests = spend.requests + excluded.requests",
        node,
        &kinds as &[&str],
        &ids,
        &hours,
        &column(|sums| sums.spent),
        &column(|sums| sums.reserved),
        &column(|sums| sums.estimated),
        &column(|sums| sums.spent_tokens),
        &column(|sums| sums.reserved_tokens),
        &column(|sums| sums.requests),
    )
    .execute(batch)
    .await?;
    Ok(())
}

/// Sorted, so that replicas lock shared rows in the same order and
/// cannot block each other for good.
fn sum<'a>(deltas: impl Iterator<Item = &'a SpendDelta>) -> BTreeMap<Bucket, Sums> {
    let mut sums = BTreeMap::<Bucket, Sums>::new();
    for delta in deltas {
        let hour = hour_of(delta.at);
        for (kind, id) in charged(&delta.scopes) {
            let slot = sums.entry((kind, id, hour)).or_default();
            *slot = slot.add(delta);
        }
    }
    sums
}

/// The kind and the id of each scope that there is.
fn charged(scopes: &Scopes) -> impl Iterator<Item = (&'static str, Uuid)> {
    let Scopes {
        org,
        team,
        user,
        agent,
        key,
        model,
    } = *scopes;
    [
        ("org", org),
        ("team", team),
        ("user", user),
        ("agent", agent),
        ("key", key),
        ("model", model),
    ]
    .into_iter()
    .filter_map(|(kind, id)| Some((kind, id?)))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_is_asked_without_a_key_is_the_teams() {
        let delta = SpendDelta {
            scopes: Scopes {
                team: Some(Uuid::from_u128(7)),
                ..Scopes::default()
            },
            at: datetime!(2026-11-22 10:59 UTC),
            reserved_nano: 5,
            spent_nano: 0,
            estimated_nano: 0,
            reserved_tokens: 9,
            spent_tokens: 0,
            requests: 1,
        };
        let sums = sum([&delta].into_iter());
        let bucket = ("team", Uuid::from_u128(7), datetime!(2026-11-22 10:00 UTC));
        assert_eq!(sums.keys().collect::<Vec<_>>(), [&bucket]);
        assert_eq!(sums[&bucket].reserved, 5);
        assert_eq!(sums[&bucket].reserved_tokens, 9);
    }

    #[test]
    fn a_sum_stops_at_the_largest_number_instead_of_wrapping() {
        let delta = SpendDelta {
            scopes: Scopes {
                key: Some(Uuid::nil()),
                ..Scopes::default()
            },
            at: datetime!(2026-11-22 10:00 UTC),
            reserved_nano: 0,
            spent_nano: i64::MAX,
            estimated_nano: 0,
            reserved_tokens: 0,
            spent_tokens: 0,
            requests: 1,
        };
        let sums = sum([&delta, &delta].into_iter());
        assert_eq!(
            sums.values().map(|sums| sums.spent).collect::<Vec<_>>(),
            [i64::MAX]
        );
    }
}
