//! Durations in logarithmic buckets: any quantile to better than one percent,
//! in constant memory.
//!
//! Each power of two is cut into 128 equal buckets, and a bucket answers with
//! its middle, so a quantile is off by less than 1/256 of its value.

use std::time::Duration;

const CUT_BITS: u32 = 7;
const CUT: u64 = 1 << CUT_BITS;

/// Counts of durations. The unit within is the nanosecond.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: u128,
    max: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, duration: Duration) {
        let value = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let index = bucket_of(value);
        if index >= self.buckets.len() {
            self.buckets.resize(index + 1, 0);
        }
        self.buckets[index] += 1;
        self.count += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The largest, exactly.
    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The mean, exactly; zero of nothing.
    pub(crate) fn mean(&self) -> Duration {
        let mean = self.sum / u128::from(self.count.max(1));
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// The smallest duration that at least `share` (0 to 1) of all are at or
    /// below; zero of nothing.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        // Counts stay far below 2^52, where this arithmetic is exact enough.
        let wanted = ((share * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut below = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= wanted {
                return Duration::from_nanos(middle_of(index).min(self.max));
            }
        }
        Duration::ZERO
    }
}

/// Values below [`CUT`] have a bucket each; above, the leading bits choose.
fn bucket_of(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(CUT_BITS + 1);
    // At most 58 * 128: fits any usize.
    (u64::from(shift) * CUT + (value >> shift)) as usize
}

fn middle_of(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / CUT).saturating_sub(1);
    let low = (index - shift * CUT) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::{Duration, Histogram, bucket_of, middle_of};

    #[test]
    fn a_bucket_answers_within_one_percent_of_whatever_fell_into_it() {
        let mut value = 1u64;
        while value < 1 << 62 {
            for near in [value - 1, value, value + 1] {
                let middle = middle_of(bucket_of(near));
                let error = middle.abs_diff(near) as f64;
                assert!(error <= near as f64 * 0.01, "{near} became {middle}");
            }
            value += value / 3 + 1;
        }
        assert!(middle_of(bucket_of(u64::MAX)) > u64::MAX / 100 * 99);
    }

    #[test]
    fn buckets_follow_the_order_of_values() {
        let buckets: Vec<usize> = (0..100_000).map(bucket_of).collect();
        assert!(
            buckets
                .windows(2)
                .all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1)
        );
    }

    #[test]
    fn quantiles_are_within_one_percent_of_the_sorted_samples() {
        // A fixed generator: the tail is long and the run is the same each time.
        let mut state = 7u64;
        let mut samples: Vec<u64> = (0..50_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 33).pow(2) % 40_000_000_000
            })
            .collect();
        let mut histogram = Histogram::default();
        for &sample in &samples {
            histogram.record(Duration::from_nanos(sample));
        }
        samples.sort_unstable();
        for (share, index) in [(0.5, 24_999), (0.9, 44_999), (0.99, 49_499), (1.0, 49_999)] {
            let (got, exact) = (
                histogram.quantile(share).as_nanos() as f64,
                samples[index] as f64,
            );
            assert!(
                (got - exact).abs() <= exact * 0.01,
                "{share}: {got} for {exact}"
            );
        }
        assert_eq!(histogram.max().as_nanos(), u128::from(samples[49_999]));
    }

    #[test]
    fn merged_halves_equal_the_whole() {
        let (mut whole, mut left, mut right) = (
            Histogram::default(),
            Histogram::default(),
            Histogram::default(),
        );
        for step in 1..=1000u64 {
            let sample = Duration::from_nanos(step * step * 977);
            whole.record(sample);
            if step % 3 == 0 { &mut left } else { &mut right }.record(sample);
        }
        left.merge(&right);
        assert_eq!(left.buckets, whole.buckets);
        assert_eq!(
            (left.count(), left.max(), left.mean()),
            (1000, whole.max(), whole.mean())
        );
    }

    #[test]
    fn nothing_recorded_is_zero() {
        let empty = Histogram::default();
        assert_eq!(
            (empty.quantile(0.99), empty.mean(), empty.max()),
            Default::default()
        );
    }
}
