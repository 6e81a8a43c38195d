//! HDR histograms in microseconds: 1 µs to 1 h, three significant digits.

use serde::{Deserialize, Serialize};

use crate::measure::bounds::PercentileBounds;

/// Largest value that is recorded as itself: one hour. Larger ones are counted as saturated.
const HIGHEST_US: u64 = 3_600_000_000;

/// Fewer samples than this have no meaningful p99.9.
const SAMPLES_FOR_P999: u64 = 10_000;

/// Rounding error of a quantile: 99.9 % of 12,000 samples are 11,988, not 11,988.000000000002, which
/// would be the next sample.
const ROUNDING: f64 = 1e-12;

/// Distribution of one stage. Merging is addition, so its order does not matter.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    values: hdrhistogram::Histogram<u64>,
    negative: u64,
    saturated: u64,
}

/// Percentiles and counts of one stage, in microseconds; `None` without samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageSummary {
    /// Number of samples, negative and saturated ones included.
    pub count: u64,
    /// Smallest sample.
    #[serde(default)]
    pub min_us: Option<u64>,
    /// Mean.
    #[serde(default)]
    pub mean_us: Option<u64>,
    /// Median.
    pub p50_us: Option<u64>,
    /// 90th percentile.
    pub p90_us: Option<u64>,
    /// 95th percentile.
    #[serde(default)]
    pub p95_us: Option<u64>,
    /// 99th percentile.
    pub p99_us: Option<u64>,
    /// 99.9th percentile, from 10,000 samples on.
    pub p999_us: Option<u64>,
    /// Largest sample.
    pub max_us: Option<u64>,
    /// Samples below zero, recorded as the lowest value: the later stamp was taken before the earlier.
    pub negative: u64,
    /// Samples above one hour, recorded as one hour.
    pub saturated: u64,
    /// Bounds of the percentiles.
    #[serde(default, skip_serializing_if = "PercentileBounds::is_empty")]
    pub bounds: PercentileBounds,
}

/// Percentiles of one stage in one second, in microseconds; `None` without a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IntervalLatency {
    /// Median.
    pub p50_us: Option<u64>,
    /// 90th percentile.
    pub p90_us: Option<u64>,
    /// 99th percentile.
    pub p99_us: Option<u64>,
    /// Largest sample.
    pub max_us: Option<u64>,
}

impl IntervalLatency {
    /// Returns each value with the end of its key.
    pub(super) fn values(&self) -> [(&'static str, Option<u64>); 4] {
        [
            ("p50_us", self.p50_us),
            ("p90_us", self.p90_us),
            ("p99_us", self.p99_us),
            ("max_us", self.max_us),
        ]
    }
}

impl Default for Histogram {
    fn default() -> Self {
        let values = hdrhistogram::Histogram::new_with_bounds(1, HIGHEST_US, 3)
            .expect("1 µs to 1 h with 3 digits are valid bounds");
        Self {
            values,
            negative: 0,
            saturated: 0,
        }
    }
}

impl Histogram {
    /// Records the time between two stamps, both in nanoseconds of the run's clock.
    pub fn record(&mut self, from: u64, to: u64) {
        if to < from {
            self.negative += 1;
        }
        let elapsed_us = to.saturating_sub(from).div_ceil(1_000);
        if elapsed_us > HIGHEST_US {
            self.saturated += 1;
        }
        self.values.saturating_record(elapsed_us.max(1));
    }

    /// Adds another histogram to this one.
    pub fn merge(&mut self, other: &Self) {
        self.values
            .add(&other.values)
            .expect("all histograms have the same bounds");
        self.negative += other.negative;
        self.saturated += other.saturated;
    }

    /// Adds values in microseconds that another process recorded; fails if one is out of bounds.
    pub fn add_values(
        &mut self,
        values: &hdrhistogram::Histogram<u64>,
    ) -> Result<(), hdrhistogram::AdditionError> {
        self.values.add(values)
    }

    /// Counts samples that were recorded as the lowest or the highest value.
    pub fn count_out_of_bounds(&mut self, negative: u64, saturated: u64) {
        self.negative += negative;
        self.saturated += saturated;
    }

    /// Empties the histogram, keeping its memory.
    pub fn clear(&mut self) {
        self.values.reset();
        self.negative = 0;
        self.saturated = 0;
    }

    /// Returns the number of samples.
    pub fn count(&self) -> u64 {
        self.values.len()
    }

    /// Returns the value at a percentile (0 to 100), in microseconds; `None` without samples.
    pub fn percentile_us(&self, percentile: f64) -> Option<u64> {
        let quantile = percentile / 100.0 * (1.0 - ROUNDING);
        self.known(self.values.value_at_quantile(quantile))
    }

    /// Returns the value of the sample at a rank, from 1, in the order of values, in microseconds;
    /// `None` if there are fewer samples.
    pub fn value_at_rank(&self, rank: u64) -> Option<u64> {
        let mut counted = 0;
        let found = self.values.iter_recorded().find(|value| {
            counted += value.count_since_last_iteration();
            counted >= rank
        });
        found.map(|value| value.value_iterated_to())
    }

    /// Returns the percentiles of an interval.
    pub fn interval(&self) -> IntervalLatency {
        IntervalLatency {
            p50_us: self.percentile_us(50.0),
            p90_us: self.percentile_us(90.0),
            p99_us: self.percentile_us(99.0),
            max_us: self.known(self.values.max()),
        }
    }

    /// Returns the percentiles.
    pub fn summary(&self) -> StageSummary {
        let count = self.count();
        StageSummary {
            count,
            min_us: self.known(self.values.min()),
            mean_us: self.mean_us(),
            p50_us: self.percentile_us(50.0),
            p90_us: self.percentile_us(90.0),
            p95_us: self.percentile_us(95.0),
            p99_us: self.percentile_us(99.0),
            p999_us: self
                .percentile_us(99.9)
                .filter(|_| count >= SAMPLES_FOR_P999),
            max_us: self.known(self.values.max()),
            negative: self.negative,
            saturated: self.saturated,
            bounds: PercentileBounds::default(),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between two microsecond values of the histogram"
    )]
    fn mean_us(&self) -> Option<u64> {
        self.known(self.values.mean().round() as u64)
    }

    fn known(&self, value: u64) -> Option<u64> {
        (!self.values.is_empty()).then_some(value)
    }

    /// Returns the underlying histogram, in microseconds, for serialising.
    pub fn values(&self) -> &hdrhistogram::Histogram<u64> {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn negative_and_saturated_samples_are_recorded_and_counted() {
        let mut histogram = Histogram::default();
        histogram.record(2_000, 1_000);
        histogram.record(0, 2 * HIGHEST_US * 1_000);
        let summary = histogram.summary();
        assert_eq!(
            (summary.count, summary.negative, summary.saturated),
            (2, 1, 1)
        );
    }

    #[test]
    fn values_without_samples_are_unknown() {
        assert_eq!(Histogram::default().summary(), StageSummary::default());
        assert_eq!(Histogram::default().interval(), IntervalLatency::default());
    }

    #[test]
    fn summary_has_minimum_mean_and_p95() {
        let mut histogram = Histogram::default();
        for microseconds in 1..=100 {
            histogram.record(0, microseconds * 1_000);
        }
        let summary = histogram.summary();
        assert_eq!(
            (summary.min_us, summary.mean_us, summary.p95_us),
            (Some(1), Some(51), Some(95))
        );
    }

    #[test]
    fn percentile_of_a_whole_rank_is_that_sample() {
        for (samples, percentile, rank) in
            [(12_000, 99.9, 11_988), (1_000, 99.0, 990), (7, 100.0, 7)]
        {
            let mut histogram = Histogram::default();
            for sample in 1..=samples {
                let above = if sample > rank { 1_000_000 } else { 0 };
                histogram.record(0, (1 + above) * 1_000);
            }
            assert_eq!(histogram.percentile_us(percentile), Some(1), "{percentile}");
        }
    }

    #[test]
    fn value_at_a_rank_is_that_of_the_sample() {
        let mut histogram = Histogram::default();
        for microseconds in [30, 10, 20, 20] {
            histogram.record(0, microseconds * 1_000);
        }
        let values = [1, 2, 3, 4, 5].map(|rank| histogram.value_at_rank(rank));
        assert_eq!(values, [Some(10), Some(20), Some(20), Some(30), None]);
        assert_eq!(Histogram::default().value_at_rank(1), None);
    }

    proptest! {
        #[test]
        fn merged_histograms_equal_one_histogram_of_all_samples(samples in prop::collection::vec(0u64..10_000_000_000, 0..200), cut in 0usize..200) {
            let (mut left, mut right, mut whole) = (Histogram::default(), Histogram::default(), Histogram::default());
            for (index, sample) in samples.iter().enumerate() {
                whole.record(0, *sample);
                if index < cut { left.record(0, *sample) } else { right.record(0, *sample) }
            }
            right.merge(&left);
            prop_assert_eq!(right.summary(), whole.summary());
        }
    }
}
