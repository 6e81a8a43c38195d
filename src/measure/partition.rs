//! What passed through one partition of a topic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::measure::counters::Counter;

/// Counts of one partition since the run began, warm-up included. Added to once per batch.
#[derive(Debug, Default)]
pub struct PartitionFlow {
    /// Records acknowledged by the broker.
    pub acked: Counter,
    /// Documents stored.
    pub stored: Counter,
    /// Measured records stored, and the sum and maximum of their end-to-end latencies.
    measured: Counter,
    sum_us: Counter,
    max_us: AtomicU64,
}

/// Measured latencies of a batch, not yet added to its partition.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latencies {
    measured: usize,
    sum_us: usize,
    max_us: u64,
}

impl Latencies {
    /// Adds one latency, in nanoseconds.
    pub fn add(&mut self, nanos: u64) {
        let microseconds = nanos / 1_000;
        self.measured += 1;
        self.sum_us += usize::try_from(microseconds).unwrap_or(usize::MAX);
        self.max_us = self.max_us.max(microseconds);
    }
}

impl PartitionFlow {
    /// Adds documents that were stored, and the latencies of the measured ones.
    pub fn stored(&self, documents: usize, latencies: &Latencies) {
        self.stored.add(documents);
        if latencies.measured > 0 {
            self.measured.add(latencies.measured);
            self.sum_us.add(latencies.sum_us);
            self.max_us.fetch_max(latencies.max_us, Ordering::Relaxed);
        }
    }

    /// Returns the values at this moment, for a partition of a topic.
    pub fn load(&self, topic: &str, partition: i32) -> PartitionLoad {
        let measured = self.measured.get();
        let known = measured > 0;
        PartitionLoad {
            topic: topic.to_owned(),
            partition,
            acked: self.acked.get(),
            stored: self.stored.get(),
            mean_us: known.then(|| self.sum_us.get() / measured),
            max_us: known.then(|| self.max_us.load(Ordering::Relaxed)),
        }
    }
}

/// What passed through one partition. Field names are the report's JSON keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionLoad {
    /// Topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// Records acknowledged by the broker, warm-up included; 0 if another process produced them.
    pub acked: u64,
    /// Documents stored, warm-up included; 0 if another process stored them.
    pub stored: u64,
    /// Mean end-to-end latency of the measured records; `None` without any.
    pub mean_us: Option<u64>,
    /// Largest of these latencies.
    pub max_us: Option<u64>,
}

impl PartitionLoad {
    /// Returns the sum of what several processes did, by partition.
    pub fn sum<'a>(loads: impl IntoIterator<Item = &'a Self>) -> Vec<Self> {
        let mut sums: BTreeMap<(&str, i32), Self> = BTreeMap::new();
        for load in loads {
            let sum = sums
                .entry((&load.topic, load.partition))
                .or_insert_with(|| Self {
                    topic: load.topic.clone(),
                    partition: load.partition,
                    ..Self::default()
                });
            let (before, added) = (sum.stored, load.stored);
            let total = |mean: Option<u64>, records: u64| mean.map(|it| u128::from(it * records));
            let means = [total(sum.mean_us, before), total(load.mean_us, added)];
            let records = u128::from(before + added);
            sum.mean_us = match means {
                [None, None] => None,
                [one, other] if records > 0 => {
                    let mean = (one.unwrap_or(0) + other.unwrap_or(0)) / records;
                    u64::try_from(mean).ok()
                }
                _ => None,
            };
            sum.acked += load.acked;
            sum.stored += added;
            sum.max_us = sum.max_us.max(load.max_us);
        }
        sums.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_has_the_records_of_all_processes_and_their_mean() {
        let load = |acked, stored, mean_us| PartitionLoad {
            topic: "sensor".to_owned(),
            partition: 1,
            acked,
            stored,
            mean_us,
            max_us: mean_us,
        };
        let loads = [
            load(40, 0, None),
            load(0, 10, Some(100)),
            load(0, 30, Some(500)),
        ];
        assert_eq!(
            PartitionLoad::sum(&loads),
            [PartitionLoad {
                max_us: Some(500),
                ..load(40, 40, Some(400))
            }]
        );
        assert!(PartitionLoad::sum([]).is_empty());
    }

    #[test]
    fn partition_has_the_mean_and_the_maximum_of_all_batches() {
        let flow = PartitionFlow::default();
        assert_eq!(flow.load("sensor", 3).mean_us, None);
        for batch in [[1_000_000, 3_000_000], [2_000_000, 10_000_000]] {
            let mut latencies = Latencies::default();
            for nanos in batch {
                latencies.add(nanos);
            }
            flow.stored(3, &latencies);
        }
        let load = flow.load("sensor", 3);
        assert_eq!((load.stored, load.acked), (6, 0));
        assert_eq!((load.mean_us, load.max_us), (Some(4_000), Some(10_000)));
    }
}
