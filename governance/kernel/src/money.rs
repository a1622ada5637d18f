//! Money in checked integers, and bills.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::usage::{Class, Usage};

/// Nano-US-dollars: 10⁻⁹ USD. Never negative; arithmetic is checked or saturates
/// towards more. Fits PostgreSQL's `bigint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NanoUsd(u64);

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that one call can cost: 100,000 USD, far beyond any real one. What
    /// claims to cost more is refused or not believed, so that sums stay far from
    /// [`Self::MAX`] whatever a caller asks for or a provider reports.
    pub const CALL: Self = Self(100_000 * 1_000_000_000);
    /// The most that can be written down, about 9.2 billion USD.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// `None` above [`Self::MAX`].
    #[must_use]
    pub const fn new(nano: u64) -> Option<Self> {
        if nano <= Self::MAX.0 {
            Some(Self(nano))
        } else {
            None
        }
    }

    /// From a stored `bigint`; `None` where it is negative.
    #[must_use]
    pub fn from_i64(nano: i64) -> Option<Self> {
        u64::try_from(nano).ok().map(Self)
    }

    /// For a `bigint` column.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The number of nano-USD.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `None` where the sum cannot be written down.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::new)
    }

    /// The sum, or [`Self::MAX`].
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        self.checked_add(other).unwrap_or(Self::MAX)
    }

    /// The difference, or nothing.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// So many times the sum, or [`Self::MAX`].
    #[must_use]
    pub fn saturating_mul(self, times: u32) -> Self {
        Self::new(self.0.saturating_mul(u64::from(times))).unwrap_or(Self::MAX)
    }

    /// One of `parts` equal parts, rounded up; all of it where `parts` is 0.
    #[must_use]
    pub fn div_ceil(self, parts: u32) -> Self {
        Self(self.0.div_ceil(u64::from(parts.max(1))))
    }

    /// Dollars as a floating-point number: for metrics, never for reckoning.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "metrics are floating-point by nature"
    )]
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// From dollars, rounded up to the next nano-USD; `None` where it is
    /// negative, not finite or too large.
    #[must_use]
    pub fn from_usd_ceil(usd: f64) -> Option<Self> {
        let exact = usd * 1e9;
        // A decimal literal is a hair beside what it says, which is no reason to round up.
        let nearest = exact.round();
        let nano = if (exact - nearest).abs() <= exact.abs() * 4.0 * f64::EPSILON {
            nearest
        } else {
            exact.ceil()
        };
        // Both bounds are exact in f64, so the cast below cannot lose anything.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "range checked here"
        )]
        (0.0..9.2e18).contains(&nano).then_some(Self(nano as u64))
    }
}

/// Dollars as a decimal literal without trailing zeros: `0.0012`.
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (usd, nano) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if nano == 0 {
            return write!(f, "{usd}");
        }
        let digits = format!("{nano:09}");
        write!(f, "{usd}.{}", digits.trim_end_matches('0'))
    }
}

/// One line of a bill: so much of one class at one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What is charged.
    pub class: Class,
    /// How much of it: tokens, searches or requests.
    pub count: u64,
    /// Pico-USD (10⁻¹² USD) for each.
    pub rate: u64,
    /// `count` × `rate`, rounded up to whole nano-USD.
    pub cost: NanoUsd,
}

impl Line {
    /// `None` where it costs more than can be written down.
    #[must_use]
    pub fn new(class: Class, count: u64, rate: u64) -> Option<Self> {
        let pico = u128::from(count) * u128::from(rate);
        let nano = u64::try_from(pico.div_ceil(1000)).ok()?;
        let cost = NanoUsd::new(nano)?;
        Some(Self {
            class,
            count,
            rate,
            cost,
        })
    }
}

/// Pico-USD (10⁻¹² USD) for one of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates([u64; Class::ALL.len()]);

impl Rates {
    /// One rate for every token in, one for every token out, nothing for the rest.
    #[must_use]
    pub fn flat(input: u64, output: u64) -> Self {
        Class::ALL
            .into_iter()
            .fold(Self::default(), |rates, class| {
                let rate = match class {
                    Class::WebSearch | Class::Request => 0,
                    class if class >= Class::Output => output,
                    _ => input,
                };
                rates.with(class, rate)
            })
    }

    /// These, save for `class`.
    #[must_use]
    pub fn with(mut self, class: Class, rate: u64) -> Self {
        self.0[class as usize] = rate;
        self
    }

    /// That of `class`.
    #[must_use]
    pub fn of(&self, class: Class) -> u64 {
        self.0[class as usize]
    }
}

/// What a call cost, and how that came about; the price list is not needed to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The price that was used: an entry of a price list.
    pub price: Arc<str>,
    /// The price list that it is of, and its version.
    pub version: Arc<str>,
    /// One for each class of which there was any.
    pub lines: Vec<Line>,
    /// What the lines come to.
    pub total: NanoUsd,
    /// The rates are not those of the call's tier but dearer ones, because its own are
    /// not known.
    pub estimated: bool,
}

impl Bill {
    /// Charges `usage` by `rates`; `None` where it comes to more than can be written down.
    #[must_use]
    pub fn new(price: Arc<str>, version: Arc<str>, usage: &Usage, rates: &Rates) -> Option<Self> {
        let mut lines = Vec::with_capacity(4);
        let mut total = NanoUsd::ZERO;
        for (class, count) in Class::ALL.into_iter().zip(usage.classes()) {
            let rate = rates.of(class);
            // Hardly anybody charges for the call itself.
            if count == 0 || (class == Class::Request && rate == 0) {
                continue;
            }
            let line = Line::new(class, count, rate)?;
            total = total.checked_add(line.cost)?;
            lines.push(line);
        }
        Some(Self {
            price,
            version,
            lines,
            total,
            estimated: false,
        })
    }
}

/// What a target charges.
pub trait Price: Send + Sync + fmt::Debug {
    /// What a call that began at `at` is charged for `usage`; `None` where that is not
    /// known, as for a tier without a price.
    fn bill(&self, usage: &Usage, at: OffsetDateTime) -> Option<Bill>;
    /// What a call that begins now would be charged.
    fn cost(&self, usage: &Usage) -> Option<NanoUsd>;
    /// Where the price comes from, for people: for instance `config` or `genai-prices 0.2.1 openai/gpt-5`.
    fn source(&self) -> &str;
}

/// Microseconds, for records.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_prints_as_a_decimal_literal() {
        let shown =
            [0, 1, 1_200_000, 1_000_000_000, 12_340_000_000].map(|nano| NanoUsd(nano).to_string());
        assert_eq!(shown, ["0", "0.000000001", "0.0012", "1", "12.34"]);
    }

    #[test]
    fn dollars_round_up_and_refuse_nonsense() {
        assert_eq!(NanoUsd::from_usd_ceil(0.000_000_000_1), Some(NanoUsd(1)));
        assert_eq!(
            NanoUsd::from_usd_ceil(500.0),
            Some(NanoUsd(500_000_000_000))
        );
        assert_eq!(
            NanoUsd::from_usd_ceil(0.001_999_999),
            Some(NanoUsd(1_999_999))
        );
        for nonsense in [-1.0, f64::NAN, f64::INFINITY, 1e10] {
            assert_eq!(NanoUsd::from_usd_ceil(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn each_line_of_a_bill_is_rounded_up_once() {
        let rates = Rates::flat(1, 1_500);
        let usage = Usage {
            input: 1_001,
            output: 1,
            ..Usage::default()
        };
        let bill = Bill::new("m".into(), "v".into(), &usage, &rates).expect("affordable");
        // 1,001 pico-USD and 1,500 pico-USD: 2 nano-USD each, where the sum alone is 3.
        let costs: Vec<u64> = bill.lines.iter().map(|line| line.cost.get()).collect();
        assert_eq!((costs, bill.total), (vec![2, 2], NanoUsd(4)));
    }

    #[test]
    fn a_bill_beyond_all_reason_is_none() {
        let rates = Rates::flat(u64::MAX, u64::MAX);
        for usage in [
            Usage {
                input: u64::MAX,
                ..Usage::default()
            },
            Usage {
                output: 600,
                reasoning: 300,
                ..Usage::default()
            },
        ] {
            assert_eq!(Bill::new("m".into(), "v".into(), &usage, &rates), None);
        }
    }

    #[test]
    fn sums_never_wrap() {
        assert_eq!(NanoUsd::MAX.checked_add(NanoUsd(1)), None);
        assert_eq!(NanoUsd::MAX.saturating_add(NanoUsd(1)), NanoUsd::MAX);
        assert_eq!(NanoUsd::ZERO.saturating_sub(NanoUsd(1)), NanoUsd::ZERO);
    }
}
