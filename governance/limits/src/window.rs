//! Calendar windows in UTC.

use time::{Date, Duration, Month, OffsetDateTime, Time};

/// The span over which a budget counts. Calendar spans, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From the first of the month.
    Month,
    /// For ever.
    Total,
}

impl Window {
    /// Every window, in the order in which a balance keeps them.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Month, Self::Total];

    /// The name in configuration and listings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The window with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.as_str() == name)
    }

    /// When the span that `at` lies in began.
    #[must_use]
    pub fn start(self, at: OffsetDateTime) -> OffsetDateTime {
        let at = at.to_offset(time::UtcOffset::UTC);
        let hour = Time::from_hms(at.hour(), 0, 0).unwrap_or(Time::MIDNIGHT);
        match self {
            Self::Hour => at.replace_time(hour),
            Self::Day => at.replace_time(Time::MIDNIGHT),
            Self::Month => {
                at.replace_time(Time::MIDNIGHT) - Duration::days(i64::from(at.day()) - 1)
            }
            Self::Total => OffsetDateTime::UNIX_EPOCH,
        }
    }

    /// When the span that `at` lies in ends and the budget is fresh again;
    /// `None` where it never does.
    #[must_use]
    pub fn end(self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        let start = self.start(at);
        match self {
            Self::Hour => start.checked_add(Duration::HOUR),
            Self::Day => start.checked_add(Duration::DAY),
            Self::Month => {
                let year = start.year() + i32::from(start.month() == Month::December);
                let first = Date::from_calendar_date(year, start.month().next(), 1).ok()?;
                Some(first.midnight().assume_utc())
            }
            Self::Total => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn months_end_where_the_calendar_says() {
        for (at, start, end) in [
            (
                datetime!(2028-02-29 23:59:59 UTC),
                datetime!(2028-02-01 0:00 UTC),
                datetime!(2028-03-01 0:00 UTC),
            ),
            (
                datetime!(2026-12-31 12:00 UTC),
                datetime!(2026-12-01 0:00 UTC),
                datetime!(2027-01-01 0:00 UTC),
            ),
            (
                datetime!(2026-11-01 0:00 UTC),
                datetime!(2026-11-01 0:00 UTC),
                datetime!(2026-12-01 0:00 UTC),
            ),
            (
                datetime!(2026-11-01 0:30 +1),
                datetime!(2026-10-01 0:00 UTC),
                datetime!(2026-11-01 0:00 UTC),
            ),
        ] {
            assert_eq!(
                (Window::Month.start(at), Window::Month.end(at)),
                (start, Some(end)),
                "{at}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_moment_lies_in_its_window_and_the_end_starts_the_next(seconds in 0i64..4_000_000_000) {
            let at = OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
            for window in [Window::Hour, Window::Day, Window::Month] {
                let (start, end) = (window.start(at), window.end(at).expect("ends"));
                prop_assert!(start <= at && at < end);
                prop_assert_eq!(window.start(end), end);
                prop_assert_eq!(window.start(start), start);
            }
        }
    }
}
