//! Periods over which limits count, in UTC.

use time::{Date, Duration, Month, OffsetDateTime, Time};

/// The length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// From the full minute.
    Minute,
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From the first of the month; rolling, thirty days.
    Month,
    /// For ever.
    Total,
}

impl Window {
    /// Every window.
    pub const ALL: [Self; 5] = [
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Month,
        Self::Total,
    ];

    /// The name in configuration and listings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
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

    /// When the calendar span that `at` lies in began.
    #[must_use]
    pub fn start(self, at: OffsetDateTime) -> OffsetDateTime {
        let at = at.to_offset(time::UtcOffset::UTC);
        let hour = Time::from_hms(at.hour(), 0, 0).unwrap_or(Time::MIDNIGHT);
        match self {
            Self::Minute => at.replace_time(hour + Duration::minutes(at.minute().into())),
            Self::Hour => at.replace_time(hour),
            Self::Day => at.replace_time(Time::MIDNIGHT),
            Self::Month => {
                at.replace_time(Time::MIDNIGHT) - Duration::days(i64::from(at.day()) - 1)
            }
            Self::Total => OffsetDateTime::UNIX_EPOCH,
        }
    }

    /// When the calendar span that `at` lies in ends; `None` where it never does.
    #[must_use]
    pub fn end(self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        let start = self.start(at);
        match self {
            Self::Minute => start.checked_add(Duration::MINUTE),
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

    /// How a rolling window of this length is cut: parts, and the length of one.
    fn parts(self) -> Option<(i32, Duration)> {
        match self {
            Self::Minute => Some((6, Duration::seconds(10))),
            Self::Hour => Some((6, Duration::minutes(10))),
            Self::Day => Some((24, Duration::HOUR)),
            Self::Month => Some((30, Duration::DAY)),
            Self::Total => None,
        }
    }
}

/// A window, by the calendar or rolling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period {
    /// Its length.
    pub window: Window,
    /// It ends now, and does not wait for the calendar. What is counted goes by parts of
    /// the window, all of the oldest of which counts: up to a part more than the window,
    /// never less. `Total` rolls nowhere.
    pub rolling: bool,
}

impl Period {
    /// By the calendar.
    #[must_use]
    pub const fn calendar(window: Window) -> Self {
        Self {
            window,
            rolling: false,
        }
    }

    /// What is charged at `at`.
    #[must_use]
    pub fn bucket(self, at: OffsetDateTime) -> Bucket {
        match self.window.parts() {
            Some((parts, length)) if self.rolling => {
                let step = length.whole_seconds();
                let starts = at.unix_timestamp().div_euclid(step) * step;
                let starts = OffsetDateTime::from_unix_timestamp(starts).unwrap_or(at);
                Bucket {
                    starts,
                    ends: starts.checked_add(length),
                    counts_from: starts
                        .checked_sub(length * parts)
                        .unwrap_or(OffsetDateTime::UNIX_EPOCH),
                }
            }
            _ => {
                let starts = self.window.start(at);
                Bucket {
                    starts,
                    ends: self.window.end(at),
                    counts_from: starts,
                }
            }
        }
    }

    /// Whether the sums that are kept by the hour tell what was spent in a bucket.
    #[must_use]
    pub fn is_hourly(self) -> bool {
        match self.window {
            Window::Minute => false,
            Window::Hour => !self.rolling,
            Window::Day | Window::Month | Window::Total => true,
        }
    }
}

/// A stretch of time in which charges are kept together: a calendar span, or a part of a
/// rolling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Its beginning.
    pub starts: OffsetDateTime,
    /// Its end; `None`: never.
    pub ends: Option<OffsetDateTime>,
    /// The beginning of the oldest bucket that counts beside it.
    pub counts_from: OffsetDateTime,
}

#[cfg(test)]
mod tests;
