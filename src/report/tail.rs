//! The slowest records of a run: where they spent their time, and what they share.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::{SlowRecord, Stage};

/// Fewer of the slowest records than this share nothing.
const LEAST: usize = 20;

/// One of this many records is among the slowest.
const ONE_OF: u64 = 100;

/// Entries of each list.
const LISTED: usize = 3;

/// Records that are listed with their stamps.
const WORST: usize = 20;

/// The slowest hundredth of the measured records, at most a thousand. Field names are the report's
/// JSON keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// Number of records.
    pub records: u64,
    /// Least end-to-end latency among them.
    pub from_us: u64,
    /// Mean time from the intended instant until the record was sent.
    pub publish_delay_us: u64,
    /// Mean time until it was acknowledged; until it was fetched, if the ack is not known.
    pub publish_latency_us: u64,
    /// Mean time from the ack until the fetch.
    pub fetch_latency_us: u64,
    /// Mean time from the fetch until it was durable.
    pub store_latency_us: u64,
    /// Periods in which most of them were to be emitted, the fullest first.
    pub windows: Vec<TailWindow>,
    /// Partitions with the most of them.
    pub partitions: Vec<TailPartition>,
    /// Vehicles with the most of them.
    pub vehicles: Vec<TailVehicle>,
    /// The slowest of all, with their stamps.
    pub worst: Vec<TailRecord>,
}

/// Consecutive seconds with slow records.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TailWindow {
    /// Start, in seconds after the run's epoch.
    pub from_s: f64,
    /// End.
    pub to_s: f64,
    /// Slow records.
    pub records: u64,
}

/// A partition with slow records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailPartition {
    /// Topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// Slow records.
    pub records: u64,
}

/// A vehicle with slow records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailVehicle {
    /// Index of the vehicle.
    pub vehicle: u32,
    /// Slow records.
    pub records: u64,
}

/// A slow record. Stamps are seconds after the run's epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TailRecord {
    /// Index of the vehicle.
    pub vehicle: u32,
    /// Number of the reading among those of its vehicle.
    pub sequence: u64,
    /// Topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// When it was to be emitted.
    pub intended_s: f64,
    /// When the producer took it.
    pub sent_s: f64,
    /// When the broker acknowledged it, if that is known.
    pub acked_s: Option<f64>,
    /// When it was fetched.
    pub fetched_s: f64,
    /// When it was durable.
    pub stored_s: f64,
}

/// What the stamps count from, and the names of the topics.
#[derive(Debug, Clone, Copy)]
pub struct TailOrigin<'a> {
    /// Epoch of the intervals, nanoseconds on the run's clock.
    pub start: u64,
    /// Names of the topics, by index.
    pub topics: &'a [String],
}

impl Tail {
    /// Summarizes the slowest of `measured` records, which are sorted, the slowest first; `None` if
    /// they are too few.
    pub fn new(slowest: &[SlowRecord], measured: u64, origin: TailOrigin<'_>) -> Option<Self> {
        let count = usize::try_from(measured / ONE_OF).unwrap_or(usize::MAX);
        let slowest = &slowest[..slowest.len().min(count)];
        let last = slowest.last().filter(|_| slowest.len() >= LEAST)?;
        let mean = |stage| {
            let sum: u128 = slowest.iter().map(|it| u128::from(time(it, stage))).sum();
            let mean = sum / slowest.len() as u128 / 1_000;
            u64::try_from(mean).unwrap_or(u64::MAX)
        };
        let topic = |index: usize| origin.topics.get(index).cloned().unwrap_or_default();
        let partitions = most(slowest.iter().map(|it| (it.topic, it.partition)));
        let vehicles = most(slowest.iter().map(|it| it.vehicle));
        Some(Self {
            records: slowest.len() as u64,
            from_us: last.latency() / 1_000,
            publish_delay_us: mean(Stage::PublishDelay),
            publish_latency_us: mean(Stage::PublishLatency),
            fetch_latency_us: mean(Stage::FetchLatency),
            store_latency_us: mean(Stage::StoreLatency),
            windows: windows(slowest, origin.start),
            partitions: partitions
                .into_iter()
                .map(|((index, partition), records)| TailPartition {
                    topic: topic(index),
                    partition,
                    records,
                })
                .collect(),
            vehicles: vehicles
                .into_iter()
                .map(|(vehicle, records)| TailVehicle { vehicle, records })
                .collect(),
            worst: slowest
                .iter()
                .take(WORST)
                .map(|it| stamped(it, topic(it.topic), origin.start))
                .collect(),
        })
    }

    /// Returns the mean time in each stage but the last, in microseconds.
    pub fn stages(&self) -> [(Stage, u64); 4] {
        [
            (Stage::PublishDelay, self.publish_delay_us),
            (Stage::PublishLatency, self.publish_latency_us),
            (Stage::FetchLatency, self.fetch_latency_us),
            (Stage::StoreLatency, self.store_latency_us),
        ]
    }
}

/// Returns the time that a record spent in a stage, in nanoseconds.
fn time(record: &SlowRecord, stage: Stage) -> u64 {
    let acked = record.acked.unwrap_or(record.fetched);
    let (from, to) = match stage {
        Stage::PublishDelay => (record.intended, record.sent),
        Stage::PublishLatency => (record.sent, acked.min(record.fetched)),
        Stage::FetchLatency => (acked, record.fetched),
        Stage::StoreLatency => (record.fetched, record.stored),
        Stage::EndToEndLatency => (record.intended, record.stored),
    };
    to.saturating_sub(from)
}

fn seconds(at: u64, start: u64) -> f64 {
    let micros = at.saturating_sub(start) / 1_000;
    micros as f64 / 1e6
}

fn stamped(record: &SlowRecord, topic: String, start: u64) -> TailRecord {
    TailRecord {
        vehicle: record.vehicle,
        sequence: record.sequence,
        topic,
        partition: record.partition,
        offset: record.offset,
        intended_s: seconds(record.intended, start),
        sent_s: seconds(record.sent, start),
        acked_s: record.acked.map(|acked| seconds(acked, start)),
        fetched_s: seconds(record.fetched, start),
        stored_s: seconds(record.stored, start),
    }
}

/// Returns the most frequent values with their counts.
fn most<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Vec<(T, u64)> {
    let mut counts: BTreeMap<T, u64> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut counts: Vec<(T, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts.truncate(LISTED);
    counts
}

/// Returns the runs of consecutive seconds with slow records, the fullest first.
fn windows(slowest: &[SlowRecord], start: u64) -> Vec<TailWindow> {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for record in slowest {
        let second = record.intended.saturating_sub(start) / 1_000_000_000;
        *counts.entry(second).or_default() += 1;
    }
    let mut windows: Vec<TailWindow> = Vec::new();
    for (second, records) in counts {
        let from_s = second as f64;
        match windows.last_mut() {
            Some(last) if last.to_s >= from_s => {
                last.to_s = from_s + 1.0;
                last.records += records;
            }
            _ => windows.push(TailWindow {
                from_s,
                to_s: from_s + 1.0,
                records,
            }),
        }
    }
    windows.sort_by_key(|window| Reverse(window.records));
    windows.truncate(LISTED);
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MS: u64 = 1_000_000;

    fn record(at_s: u64, partition: i32, vehicle: u32) -> SlowRecord {
        let intended = 5 * SECOND + at_s * SECOND;
        SlowRecord {
            topic: 0,
            partition,
            offset: 7,
            vehicle,
            sequence: 3,
            intended,
            sent: intended + MS,
            acked: Some(intended + 3 * MS),
            fetched: intended + 6 * MS,
            stored: intended + 50 * MS,
        }
    }

    fn tail(records: &[SlowRecord], measured: u64) -> Option<Tail> {
        let topics = ["sensor".to_owned()];
        let origin = TailOrigin {
            start: 5 * SECOND,
            topics: &topics,
        };
        Tail::new(records, measured, origin)
    }

    #[test]
    fn tail_has_the_time_by_stage_and_what_its_records_share() {
        let mut records: Vec<SlowRecord> = (0..30).map(|it| record(4, 2, it)).collect();
        records.extend((0..20).map(|it| record(5, 1, it)));
        records.extend((0..10).map(|_| record(9, 0, 77)));
        let tail = tail(&records, 6_000).unwrap();
        assert_eq!((tail.records, tail.from_us), (60, 50_000));
        assert_eq!(
            tail.stages().map(|(_, us)| us),
            [1_000, 2_000, 3_000, 44_000]
        );
        let windows: Vec<_> = tail
            .windows
            .iter()
            .map(|it| (it.from_s, it.to_s, it.records))
            .collect();
        assert_eq!(windows, [(4.0, 6.0, 50), (9.0, 10.0, 10)]);
        assert_eq!(tail.partitions[0].records, 30);
        assert_eq!(
            (tail.vehicles[0].vehicle, tail.vehicles[0].records),
            (77, 10)
        );
        assert_eq!((tail.worst.len(), tail.worst[0].sent_s), (20, 4.001));
    }

    #[test]
    fn only_the_slowest_hundredth_counts() {
        let mut records = vec![record(1, 0, 0); 25];
        records.extend(vec![record(8, 0, 0); 900]);
        let tail = tail(&records, 2_500).unwrap();
        assert_eq!((tail.records, tail.windows.len()), (25, 1));
    }

    #[test]
    fn few_records_have_no_tail() {
        assert_eq!(tail(&vec![record(1, 0, 0); 900], 1_900), None);
        assert_eq!(tail(&[], 90_000), None);
    }

    #[test]
    fn time_until_the_fetch_is_that_of_publishing_if_the_ack_is_unknown() {
        let unacked = SlowRecord {
            acked: None,
            ..record(1, 0, 0)
        };
        let tail = tail(&[unacked; 20], 2_000).unwrap();
        assert_eq!((tail.publish_latency_us, tail.fetch_latency_us), (5_000, 0));
    }
}
