use proptest::prelude::*;
use time::macros::datetime;

use super::*;

#[test]
fn months_end_where_the_calendar_says() {
    for (at, start, end) in [
        (
            datetime!(2028-02-29 23:59:59 UTC),
            datetime!(2028-02-01 0:00 UTC),
            datetime!(2028-03-01 0:00 UTC),
        ),
        (
            datetime!(2027-02-28 23:59:59.999 UTC),
            datetime!(2027-02-01 0:00 UTC),
            datetime!(2027-03-01 0:00 UTC),
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

fn period() -> impl Strategy<Value = Period> {
    (0..Window::ALL.len(), any::<bool>()).prop_map(|(window, rolling)| Period {
        window: Window::ALL[window],
        rolling,
    })
}

/// Any moment until 2096, often one next to the end of a month, of February above all.
fn moment() -> impl Strategy<Value = OffsetDateTime> {
    let anywhere = 0i64..4_000_000_000;
    let turn = (1970i32..2096, 1u8..=12, -2i64..=2).prop_map(|(year, month, seconds)| {
        let month = Month::try_from(month).expect("1 to 12");
        let first = Date::from_calendar_date(year, month, 1).expect("exists");
        (first.midnight().assume_utc().unix_timestamp() + seconds).max(0)
    });
    prop_oneof![anywhere, turn]
        .prop_map(|seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range"))
}

proptest! {
    #[test]
    fn a_moment_lies_in_its_bucket_and_the_end_starts_the_next(period in period(), at in moment()) {
        let bucket = period.bucket(at);
        prop_assert!(bucket.starts <= at);
        prop_assert_eq!(period.bucket(bucket.starts), bucket);
        if let Some(ends) = bucket.ends {
            prop_assert!(at < ends);
            prop_assert_eq!(period.bucket(ends).starts, ends);
        } else {
            prop_assert_eq!(period.window, Window::Total);
        }
    }

    /// What was charged less than a window ago counts, and nothing that is older by a part.
    #[test]
    fn a_rolling_window_counts_a_whole_window_and_at_most_a_part_more(at in moment(), back in 0i64..40 * 86_400) {
        for window in [Window::Minute, Window::Hour, Window::Day, Window::Month] {
            let period = Period { window, rolling: true };
            let (parts, length) = window.parts().expect("rolls");
            let back = time::Duration::seconds(back);
            let charged = period.bucket(at - back);
            let counts = charged.starts >= period.bucket(at).counts_from;
            if back <= length * parts {
                prop_assert!(counts, "{window:?} {back}");
            }
            if back > length * (parts + 1) {
                prop_assert!(!counts, "{window:?} {back}");
            }
        }
    }
}
