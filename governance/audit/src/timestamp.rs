//! Points in time as the audit writes them: UTC, to the microsecond.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last microsecond of the year 9999, the end of RFC 3339.
const LATEST: i64 = 253_402_300_799_999_999;

/// Microseconds since the Unix epoch, UTC; serialised as RFC 3339 with six
/// digits of subsecond and `Z`.
///
/// Values outside the years 1970 to 9999 are moved to the nearer end: a leaf
/// must be writable whatever the clock says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `micros` microseconds after the Unix epoch.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, LATEST))
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Microseconds from `earlier` to here; 0 where the clock went back.
    #[must_use]
    pub fn micros_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0 - earlier.0).unwrap_or(0)
    }

    fn rfc3339(self) -> [u8; 27] {
        let instant = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = instant.to_calendar_date();
        let (hour, minute, second, micros) = instant.to_hms_micro();
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        // The clamp above keeps years in 1970..=9999.
        digits(&mut text[0..4], year.unsigned_abs());
        digits(&mut text[5..7], u8::from(month).into());
        digits(&mut text[8..10], day.into());
        digits(&mut text[11..13], hour.into());
        digits(&mut text[14..16], minute.into());
        digits(&mut text[17..19], second.into());
        digits(&mut text[20..26], micros);
        text
    }
}

fn digits(slot: &mut [u8], mut value: u32) {
    for byte in slot.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.rfc3339();
        serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instant = OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)?;
        let micros = i64::try_from(instant.unix_timestamp_nanos() / 1_000);
        Ok(Self::from_micros(micros.map_err(de::Error::custom)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_rfc3339_with_microseconds_and_reads_back() {
        let at = Timestamp::from_micros(1_763_812_345_000_042);
        let text = serde_json::to_string(&at).unwrap();
        assert_eq!(text, r#""2025-11-22T11:52:25.000042Z""#);
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), at);
    }

    #[test]
    fn a_mad_clock_is_moved_to_the_nearer_end() {
        let text = |micros| serde_json::to_string(&Timestamp::from_micros(micros)).unwrap();
        assert_eq!(text(i64::MIN), r#""1970-01-01T00:00:00.000000Z""#);
        assert_eq!(text(i64::MAX), r#""9999-12-31T23:59:59.999999Z""#);
    }
}
