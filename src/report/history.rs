//! Latencies of a run over time, reduced to what charts need.

use crate::measure::{Histogram, Stage, Stages};

/// Buckets per decade of the heat map.
const PER_DECADE: f64 = 8.0;

/// Decades of the heat map: 1 µs to 1 h.
const DECADES: f64 = 10.0;

/// Latencies of one second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Second {
    /// Start, in seconds after the run's epoch.
    pub start_s: f64,
    /// Mean of each stage in microseconds; `None` without samples.
    pub means_us: Stages<Option<f64>>,
    /// End-to-end samples by [`bucket`].
    pub buckets: Vec<u64>,
}

/// Latencies of a whole run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Histograms of all measured records.
    pub stages: Stages<Histogram>,
    /// Every second of the run.
    pub seconds: Vec<Second>,
}

impl History {
    /// Adds the latencies of one stage in the second that starts at `start_s`. The stages of one
    /// second follow each other. Fails if a value is above one hour.
    pub fn add(
        &mut self,
        start_s: f64,
        stage: Stage,
        values: &hdrhistogram::Histogram<u64>,
    ) -> Result<(), hdrhistogram::AdditionError> {
        self.stages.get_mut(stage).add_values(values)?;
        let last = self.seconds.last();
        if last.is_none_or(|last| last.start_s < start_s) {
            self.seconds.push(Second {
                start_s,
                ..Second::default()
            });
        }
        let Some(second) = self.seconds.last_mut().filter(|_| !values.is_empty()) else {
            return Ok(());
        };
        *second.means_us.get_mut(stage) = Some(values.mean());
        if stage == Stage::EndToEndLatency {
            second.buckets = buckets(values);
        }
        Ok(())
    }
}

fn buckets(values: &hdrhistogram::Histogram<u64>) -> Vec<u64> {
    let mut buckets = vec![0; bucket(f64::MAX) + 1];
    for value in values.iter_recorded() {
        let microseconds = value.value_iterated_to() as f64;
        buckets[bucket(microseconds)] += value.count_since_last_iteration();
    }
    buckets
}

/// Returns the bucket of a latency. Bucket widths grow by a constant factor.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a few buckets"
)]
pub fn bucket(microseconds: f64) -> usize {
    let highest = DECADES * PER_DECADE - 1.0;
    (microseconds.log10() * PER_DECADE)
        .floor()
        .clamp(0.0, highest) as usize
}

/// Returns the lower bound of a bucket in microseconds.
pub fn lower_bound(bucket: usize) -> f64 {
    10f64.powf(bucket as f64 / PER_DECADE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_has_the_samples_of_each_second() {
        let mut stages: Stages<Histogram> = Stages::default();
        stages.end_to_end_latency.record(0, 2_000_000);
        stages.store_latency.record(0, 1_000_000);
        let mut history = History::default();
        for second in 0..3 {
            for stage in Stage::ALL {
                let values = stages.get(stage).values();
                history.add(f64::from(second), stage, values).unwrap();
            }
        }
        assert_eq!(history.seconds.len(), 3);
        assert_eq!(history.stages.end_to_end_latency.count(), 3);
        let second = &history.seconds[1];
        assert!((second.start_s - 1.0).abs() < 1e-9);
        assert_eq!(second.buckets[bucket(2_000.0)], 1);
        assert_eq!(second.means_us.publish_delay, None);
    }

    #[test]
    fn latency_is_in_the_bucket_whose_bounds_contain_it() {
        for microseconds in [1.0, 9.9, 10.0, 12_345.0, 3_600_000_000.0] {
            let bucket = bucket(microseconds);
            assert!(lower_bound(bucket) <= microseconds * 1.000_001);
            assert!(microseconds < lower_bound(bucket + 1));
        }
    }
}
