//! What scopes have spent and reserved, by the hour. Rows are written by the audit append
//! alone (`audit.rs`), in the transaction of the leaves that they come from.

use time::{OffsetDateTime, UtcDateTime};
use uuid::Uuid;

use crate::{Store, StoreError};

/// Where the windows that contain an instant begin, by the UTC calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct WindowStarts {
    pub hour: OffsetDateTime,
    pub day: OffsetDateTime,
    pub month: OffsetDateTime,
}

impl WindowStarts {
    /// The windows that contain `now`.
    pub fn at(now: OffsetDateTime) -> Self {
        let now = UtcDateTime::from(now);
        let day = now.truncate_to_day();
        let into_month = time::Duration::days(i64::from(now.day()) - 1);
        Self {
            hour: now.truncate_to_hour().into(),
            day: day.into(),
            month: (day - into_month).into(),
        }
    }
}

/// Money in nano-USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Settled.
    pub spent_nano: i64,
    /// Reserved and not yet settled.
    pub reserved_nano: i64,
}

/// What one scope has seen in each window that contains `now`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the windows are named after themselves")]
pub struct SpendRow {
    /// `team` or `key`.
    pub scope_kind: String,
    /// The id of the team or key, which may be gone by now.
    pub scope_id: Uuid,
    pub hour: Amounts,
    pub day: Amounts,
    pub month: Amounts,
    pub total: Amounts,
}

impl Store {
    /// The sums of every scope, or of the teams and keys with these ids. A scope that never
    /// spent has no row.
    pub async fn spend_since(
        &self,
        now: OffsetDateTime,
        scopes: Option<&[Uuid]>,
    ) -> Result<Vec<SpendRow>, StoreError> {
        let since = WindowStarts::at(now);
        let rows = sqlx::query!(
            r#"select scope_kind, scope_id,
                      coalesce(sum(spent_nano_usd) filter (where hour >= $1), 0)::bigint as "hour_spent!",
                      coalesce(sum(reserved_nano_usd) filter (where hour >= $1), 0)::bigint as "hour_reserved!",
                      coalesce(sum(spent_nano_usd) filter (where hour >= $2), 0)::bigint as "day_spent!",
                      coalesce(sum(reserved_nano_usd) filter (where hour >= $2), 0)::bigint as "day_reserved!",
                      coalesce(sum(spent_nano_usd) filter (where hour >= $3), 0)::bigint as "month_spent!",
                      coalesce(sum(reserved_nano_usd) filter (where hour >= $3), 0)::bigint as "month_reserved!",
                      sum(spent_nano_usd)::bigint as "total_spent!",
                      sum(reserved_nano_usd)::bigint as "total_reserved!"
               from spend
               where $4::uuid[] is null or scope_id = any($4)
               group by scope_kind, scope_id
               order by scope_kind, scope_id"#,
            since.hour,
            since.day,
            since.month,
            scopes,
        )
        .fetch_all(&self.pool)
        .await?;
        let sums = |spent_nano, reserved_nano| Amounts {
            spent_nano,
            reserved_nano,
        };
        let rows = rows.into_iter().map(|row| SpendRow {
            scope_kind: row.scope_kind,
            scope_id: row.scope_id,
            hour: sums(row.hour_spent, row.hour_reserved),
            day: sums(row.day_spent, row.day_reserved),
            month: sums(row.month_spent, row.month_reserved),
            total: sums(row.total_spent, row.total_reserved),
        });
        Ok(rows.collect())
    }
}

/// The hour under which spend at this instant is kept.
pub(crate) fn hour_of(at: OffsetDateTime) -> OffsetDateTime {
    WindowStarts::at(at).hour
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::WindowStarts;

    #[test]
    fn windows_begin_by_the_utc_calendar_whatever_the_offset_of_now() {
        let starts = WindowStarts::at(datetime!(2026-03-01 00:30:59.5 +02:00));
        assert_eq!(starts.hour, datetime!(2026-02-28 22:00 UTC));
        assert_eq!(starts.day, datetime!(2026-02-28 00:00 UTC));
        assert_eq!(starts.month, datetime!(2026-02-01 00:00 UTC));
    }
}
