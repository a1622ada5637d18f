//! How much of limits is used, for listings and metrics.

use time::OffsetDateTime;

use crate::slices::Columns;
use crate::{AccountKey, Bucket, Store, StoreError};

/// What has become of an account in the buckets that count; in its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountUsage {
    /// What all nodes have taken: for a hard limit, nothing beyond it is granted. 0 where no
    /// node has taken anything yet, whatever was spent.
    pub used: i64,
    /// Settled; `None` where the buckets are finer than the table `spend`.
    pub spent: Option<i64>,
    /// Reserved and not yet settled; `None` as for `spent`.
    pub reserved: Option<i64>,
}

impl Store {
    /// The usage of each of these accounts, in the order asked. The bucket is the present one.
    pub async fn usage_of(
        &self,
        accounts: &[(AccountKey<'_>, Bucket)],
    ) -> Result<Vec<AccountUsage>, StoreError> {
        let Columns {
            kinds,
            ids,
            units,
            windows,
            rolling,
        } = Columns::of(accounts.iter().map(|(account, _)| *account));
        let instants = |of: fn(&Bucket) -> OffsetDateTime| -> Vec<OffsetDateTime> {
            accounts.iter().map(|(_, bucket)| of(bucket)).collect()
        };
        let hourly: Vec<bool> = accounts.iter().map(|(_, bucket)| bucket.hourly).collect();
        Ok(sqlx::query_as!(
            AccountUsage,
            r#"select greatest(-9223372036854775807, least(9223372036854775807, taken.used))::bigint as "used!",
                      case when asked.hourly then least(9223372036854775807, booked.spent)::bigint end as spent,
                      case when asked.hourly then least(9223372036854775807, booked.reserved)::bigint end as reserved
               from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::boolean[],
                           $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::boolean[])
                    with ordinality
                    as asked (kind, id, unit, time_window, rolling, starts, ends, counts_from, hourly, place)
               cross join lateral (
                   select coalesce(sum(s.granted), 0) as used
                   from account a join slice s on s.account = a.id
                   where a.scope_kind = asked.kind and a.scope_id = asked.id and a.unit = asked.unit
                     and a.time_window = asked.time_window and a.rolling = asked.rolling
                     and (s.bucket = asked.starts or asked.rolling and s.bucket >= asked.counts_from)
               ) taken
               left join lateral (
                   select coalesce(sum(case asked.unit when 'usd' then s.spent_nano_usd
                                       when 'tokens' then s.spent_tokens else s.requests end), 0) as spent,
                          coalesce(sum(case asked.unit when 'usd' then s.reserved_nano_usd
                                       when 'tokens' then s.reserved_tokens else 0 end), 0) as reserved
                   from spend s
                   where s.scope_kind = asked.kind and s.scope_id = asked.id
                     and s.hour >= asked.counts_from and s.hour < asked.ends
               ) booked on asked.hourly
               order by asked.place"#,
            &kinds as &[&str],
            &ids,
            &units as &[&str],
            &windows as &[&str],
            &rolling,
            &instants(|bucket| bucket.starts),
            &instants(|bucket| bucket.ends),
            &instants(|bucket| bucket.counts_from),
            &hourly,
        )
        .fetch_all(&self.pool)
        .await?)
    }
}
