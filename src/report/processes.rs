//! What a report says of one half of a run: the account of a producer, for an audit by others, and
//! what a consumer owned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::report::quantity;
use crate::report::value::Report;

/// What one producer emitted: enough for others to audit the run and to replay its schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Produced {
    /// Which part of the fleet, from 0; of how many.
    pub shard: u32,
    /// Parts of the fleet.
    pub shards: u32,
    /// The schedule of the whole fleet, in the words of the command line.
    pub schedule: Schedule,
    /// Readings handed to the producer path.
    pub emitted: u64,
    /// Those of them that became messages.
    pub messages: u64,
    /// Sum of the messages' fingerprints, 128 bits in hexadecimal.
    pub fingerprints: String,
    /// Messages by the value of the label column.
    pub labels: BTreeMap<String, u64>,
    /// Name of the label column.
    pub label_column: Option<String>,
    /// Readings of which nobody knows that the broker has them.
    pub not_acked: u64,
    /// Readings that no broker takes.
    pub dead_lettered: u64,
    /// Topics with their numbers of partitions.
    pub topics: BTreeMap<String, u32>,
    /// The process's epoch by the wall clock, milliseconds since 1970.
    pub epoch_unix_ms: u64,
    /// When the schedule began, nanoseconds after the epoch.
    pub start_ns: u64,
}

/// When which vehicle emits which row, as texts that are read as flags are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Vehicles of the whole fleet.
    pub vehicles: u32,
    /// Rate of every vehicle.
    pub rate: String,
    /// Rate of all vehicles together.
    pub total_rate: Option<String>,
    /// Shape of the arrivals.
    pub arrival: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Length of the warm-up, nanoseconds.
    pub warm_up_ns: u64,
    /// Length of the measured part, nanoseconds, where that is its bound.
    pub duration_ns: Option<u64>,
    /// Measured readings, where that is its bound. Without either bound it is every row once.
    pub records: Option<u64>,
    /// Rows of the dataset.
    pub rows: u64,
    /// Where the dataset was.
    pub dataset: String,
}

impl Schedule {
    /// Returns whether both emit the same; where the rows lay does not matter.
    pub fn same_as(&self, other: &Self) -> bool {
        let dataset = String::new();
        let without_place = |schedule: &Self| Self {
            dataset: dataset.clone(),
            ..schedule.clone()
        };
        without_place(self) == without_place(other)
    }
}

/// What one consumer did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consumed {
    /// The group whose partitions it shared.
    pub group: String,
    /// Runs whose records it read.
    pub runs: BTreeSet<String>,
    /// Every time in which it owned a partition.
    pub stints: Vec<Stint>,
    /// Earliest intended instant of a measured record, milliseconds since 1970.
    pub first_intended_unix_ms: Option<u64>,
    /// Latest durable write of a measured record, milliseconds since 1970.
    pub last_stored_unix_ms: Option<u64>,
}

/// A time in which a consumer owned a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stint {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The epoch of the lease.
    pub epoch: i64,
    /// Offset it began at.
    pub from: i64,
    /// Offset behind the last record read.
    pub to: i64,
    /// Whether another process had taken the partition when it ended.
    pub taken: bool,
}

/// What the reports of several processes were joined into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The reports.
    pub reports: Vec<String>,
    /// Producers among them.
    pub producers: u32,
    /// Consumers among them.
    pub consumers: u32,
    /// Whether the store was audited; without, there is no verdict.
    pub audited: bool,
    /// Whether the second look of an audit that failed had the rows at hand; absent where none was
    /// needed.
    pub examined_rows: Option<bool>,
}

impl Report {
    /// Returns whether the report has a verdict of its own.
    pub fn has_verdict(&self) -> bool {
        let half = self.produced.is_some() || self.consumed.is_some();
        match &self.merged {
            Some(merged) => merged.audited,
            None => !half,
        }
    }
}

/// Says what part of a run a report is about; nothing for a whole one.
pub(super) fn part(report: &Report) -> String {
    if let Some(merged) = &report.merged {
        let (producers, consumers) = (merged.producers, merged.consumers);
        return format!(" · {producers} producers and {consumers} consumers joined");
    }
    match (&report.produced, &report.consumed) {
        (Some(produced), _) if produced.shards > 1 => {
            format!(" · producer {} of {}", produced.shard + 1, produced.shards)
        }
        (Some(_), _) => " · producer".to_owned(),
        (None, Some(consumed)) => format!(" · consumer of group {}", consumed.group),
        (None, None) => String::new(),
    }
}

/// Says what a producer acked and how fast; nothing for others.
pub(super) fn publishing(report: &Report) -> Option<String> {
    report
        .produced
        .as_ref()
        .filter(|_| report.merged.is_none())?;
    let acked = report.counters.get("acked").copied().unwrap_or_default();
    let latency = &report.summary.stages.publish_latency;
    Some(format!(
        "broker {} ({})\n\n{} records acknowledged · publish latency p50 {} · p99 {} · max {}\n",
        report.topology.broker,
        report.durability.broker,
        quantity::count(acked),
        quantity::duration(latency.p50_us),
        quantity::duration(latency.p99_us),
        quantity::duration(latency.max_us),
    ))
}

/// Says why stages are missing that only one process together with another could have measured.
pub(super) fn unknown_stages(report: &Report) -> &'static str {
    let apart = report.consumed.is_some() || report.merged.is_some();
    if apart && report.summary.stages.fetch_latency.count == 0 {
        "fetch latency is not known: records were acknowledged to another process than the one that fetched\n"
    } else {
        ""
    }
}

/// Says what is known without an audit, and how to make one.
pub(super) fn account(report: &Report) -> String {
    let mut text = String::new();
    if let Some(produced) = &report.produced {
        let counts = [
            ("emitted", produced.emitted),
            ("not acknowledged", produced.not_acked),
            ("dead-lettered", produced.dead_lettered),
        ];
        text.push_str(&account_line(&counts));
    }
    if let Some(consumed) = &report.consumed {
        let count = |name: &str| report.counters.get(name).copied().unwrap_or_default();
        let counts = [
            ("fetched", count("fetched")),
            ("stored", count("stored")),
            ("replayed", count("replayed")),
            ("producer-duplicated", count("producer_duplicated")),
            ("conflicting", count("conflicting")),
            ("dead-lettered", count("dead_lettered")),
        ];
        text.push_str(&account_line(&counts));
        for stint in &consumed.stints {
            let _ = writeln!(
                text,
                "  {}/{}: offsets {} to {}, epoch {}{}",
                stint.topic,
                stint.partition,
                stint.from,
                stint.to,
                stint.epoch,
                if stint.taken { ", then taken over" } else { "" }
            );
        }
        text.push_str(&caveats(count));
    }
    text.push_str(match report.merged {
        Some(_) => "verdict: none, because no store was audited; name it by `--store`\n",
        None => {
            "verdict: none for one process alone; `convoy report merge … --store URI` audits the run\n"
        }
    });
    text
}

fn account_line(counts: &[(&str, u64)]) -> String {
    let counts = counts.iter();
    let counts = counts.map(|(name, count)| format!("{name} {}", quantity::count(*count)));
    let counts: Vec<String> = counts.collect();
    format!("account, warm-up included: {}\n", counts.join(" · "))
}

/// Says of which records less is known than of others.
fn caveats(count: impl Fn(&str) -> u64) -> String {
    let known_less = [
        (
            "without_envelope",
            "were not written by convoy: topic, partition and offset identify them, so a record that was sent twice is stored twice",
        ),
        (
            "schema_unchecked",
            "name a schema and were not checked against it: set `ENDPOINT_SCHEMA_URL` to their registry",
        ),
        (
            "timed_by_wall_clock",
            "came from another machine or boot: their end-to-end latency is as good as the agreement of the wall clocks",
        ),
    ];
    let mut text = String::new();
    for (counter, what) in known_less {
        let records = count(counter);
        if records > 0 {
            let _ = writeln!(text, "  {} records {what}", quantity::count(records));
        }
    }
    text
}

/// Reports of halves that tests share.
#[cfg(test)]
pub(super) mod sample {
    use super::*;
    use crate::audit::Verdict;
    use crate::measure::StageSummary;
    use crate::report::value::BackendKind;

    fn half() -> Report {
        let mut report = crate::report::sample::report();
        report.run.id = "night".to_owned();
        (report.topology.broker, report.topology.store) =
            (BackendKind::External, BackendKind::External);
        report.verdict = Verdict::default();
        report.thresholds.clear();
        report.warnings.clear();
        report
    }

    /// Returns the report of a part of run `night`.
    pub(in crate::report) fn producer(shard: u32, shards: u32) -> Report {
        let mut report = half();
        report.summary.records_stored = 0;
        report.counters = BTreeMap::from([("acked".to_owned(), 300)]);
        report.produced = Some(Produced {
            shard,
            shards,
            schedule: Schedule {
                vehicles: 50,
                rate: "1".to_owned(),
                total_rate: None,
                arrival: "uniform".to_owned(),
                seed: 42,
                warm_up_ns: 0,
                duration_ns: None,
                records: Some(600),
                rows: 2_000,
                dataset: "sample_data".to_owned(),
            },
            emitted: 300,
            messages: 300,
            fingerprints: "0123456789abcdef0123456789abcdef".to_owned(),
            labels: BTreeMap::from([("neg".to_owned(), 300)]),
            label_column: Some("class".to_owned()),
            not_acked: 0,
            dead_lettered: 0,
            topics: BTreeMap::from([("kafka-sensor-topic".to_owned(), 4)]),
            epoch_unix_ms: 1_795_408_084_436,
            start_ns: 5_000_000,
        });
        report
    }

    /// Returns the report of a consumer that has read run `night`.
    pub(in crate::report) fn consumer() -> Report {
        let mut report = half();
        let stages = &mut report.summary.stages;
        for unknown in [
            &mut stages.publish_delay,
            &mut stages.publish_latency,
            &mut stages.fetch_latency,
        ] {
            *unknown = StageSummary::default();
        }
        let counts = [("fetched", 310), ("stored", 300), ("replayed", 10)];
        let others = [
            ("without_envelope", 2),
            ("schema_unchecked", 1),
            ("timed_by_wall_clock", 300),
        ];
        let counts = counts.into_iter().chain(others);
        report.counters = counts
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        report.consumed = Some(Consumed {
            group: "convoy".to_owned(),
            runs: BTreeSet::from(["night".to_owned()]),
            stints: vec![Stint {
                topic: "kafka-sensor-topic".to_owned(),
                partition: 3,
                epoch: 2,
                from: 100,
                to: 410,
                taken: true,
            }],
            first_intended_unix_ms: None,
            last_stored_unix_ms: None,
        });
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text;

    fn render(report: &Report) -> String {
        let mut written = Vec::new();
        text::write(report, &[], &mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        // The stages are shown as those of every report.
        let lines = text.lines().filter(|line| !line.contains("latency   "));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_producer_says_what_it_emitted_and_claims_no_verdict() {
        insta::assert_snapshot!(render(&sample::producer(1, 2)), @"
        convoy 0.1.0 · run night · seed 42 · producer 2 of 2
        broker external (acks=all, fsync on append)

        300 records acknowledged · publish latency p50 5.48 ms · p99 6.93 ms · max 9.12 ms

        stage                    count       p50       p90       p99     p99.9       max
        publish delay              500     61 µs    236 µs    412 µs         –   1.80 ms

        account, warm-up included: emitted 300 · not acknowledged 0 · dead-lettered 0
        verdict: none for one process alone; `convoy report merge … --store URI` audits the run
        ");
    }

    #[test]
    fn a_consumer_says_what_it_owned_and_how_far_its_word_goes() {
        insta::assert_snapshot!(render(&sample::consumer()), @"
        convoy 0.1.0 · run night · consumer of group convoy
        broker external (acks=all, fsync on append) · store external (w: majority, j: true)

        49.9 records/s stored (115 kB/s) · end-to-end p50 17.1 ms · p99 20.9 ms · max 31.2 ms

        stage                    count       p50       p90       p99     p99.9       max
        fetch latency is not known: records were acknowledged to another process than the one that fetched

        account, warm-up included: fetched 310 · stored 300 · replayed 10 · producer-duplicated 0 · conflicting 0 · dead-lettered 0
          kafka-sensor-topic/3: offsets 100 to 410, epoch 2, then taken over
          2 records were not written by convoy: topic, partition and offset identify them, so a record that was sent twice is stored twice
          1 records name a schema and were not checked against it: set `ENDPOINT_SCHEMA_URL` to their registry
          300 records came from another machine or boot: their end-to-end latency is as good as the agreement of the wall clocks
        verdict: none for one process alone; `convoy report merge … --store URI` audits the run
        ");
    }
}
