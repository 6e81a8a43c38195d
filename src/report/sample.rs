//! Reports that tests share.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::audit::{LabelCount, Verdict};
use crate::measure::{
    Counts, Interval, IntervalLatency, IntervalPhase, PercentileBounds, StageSummary, Stages,
};
use crate::report::machine::{BuildProfile, Machine};
use crate::report::processes::{Consumed, Lag, Ownership, PartitionLag, Produced, Schedule};
use crate::report::summary::{CpuPerRecord, Summary};
use crate::report::threshold::ThresholdName;
use crate::report::topology::{BackendKind, Durability, Topology};
use crate::report::value::{Dataset, FORMAT_VERSION, Report, Run, Status};
use crate::report::warning::Warning;

/// Returns the report of a complete embedded run of 500 records.
pub(super) fn report() -> Report {
    let summary = summary();
    Report {
        format_version: FORMAT_VERSION,
        status: Status::Complete,
        run: Run {
            id: "20261123-042804-7f3a".to_owned(),
            seed: Some(42),
            command: "convoy simulate --max-end-to-end-p99 250ms".to_owned(),
            version: "0.1.0".to_owned(),
            options: BTreeMap::new(),
            started_at: "2026-11-23T04:28:04.436Z".to_owned(),
        },
        settings: json!({"vehicles": 50, "rate_per_second": 1.0, "seed": 42}),
        machine: machine(),
        durability: Durability {
            broker: "acks=all, fsync on append".to_owned(),
            store: "w: majority, j: true".to_owned(),
        },
        topology: topology(),
        dataset: Some(dataset()),
        thresholds: vec![ThresholdName::MaxEndToEndP99Us.check(
            250_000.0,
            &summary,
            Some(&verdict()),
        )],
        summary,
        counters: Counts {
            emitted: 600,
            acked: 600,
            produce_requests: 180,
            fetched: 600,
            stored: 600,
            inserts: 140,
            checkpoints: 140,
            ..Counts::default()
        },
        cpu: CpuPerRecord {
            generator_us: Some(3.1),
            producer_us: Some(6.4),
            consumer_us: Some(9.8),
            broker_us: Some(2.2),
            store_us: None,
            display_us: None,
        },
        verdict: Some(verdict()),
        faults: None,
        findings: Vec::new(),
        warnings: vec![
            Warning::EmbeddedBackend {
                broker: true,
                store: true,
            }
            .notice(),
        ],
        outages: Vec::new(),
        partitions: Vec::new(),
        tail: None,
        intervals: (0..3).map(interval).collect(),
        produced: None,
        consumed: None,
        external_consumer: None,
        merged: None,
    }
}

fn topology() -> Topology {
    Topology {
        broker: BackendKind::Embedded,
        store: BackendKind::Embedded,
        broker_address: Some("127.0.0.1:9092".to_owned()),
        broker_origin: Some("default".to_owned()),
        store_address: Some("mongodb://127.0.0.1:27017".to_owned()),
        store_origin: Some("default".to_owned()),
        topics: vec!["kafka-sensor-topic".to_owned()],
        partitions: 4,
        consumers: 2,
        database: "convoy".to_owned(),
        collection: "sensor".to_owned(),
        key: "vehicle".to_owned(),
        tls: false,
    }
}

fn dataset() -> Dataset {
    Dataset {
        files: vec!["sample_data/kafka-sensor-topic/aps_failure_training_set1.csv".to_owned()],
        rows: 2_000,
        columns: 171,
        bad_rows: 0,
        first_bad_rows: Vec::new(),
        hash: "9f86d081884c7d65".to_owned(),
    }
}

fn machine() -> Machine {
    Machine {
        os: "linux".to_owned(),
        architecture: "x86_64".to_owned(),
        kernel: Some("6.8.0".to_owned()),
        cpu_model: Some("Example CPU".to_owned()),
        cores: 2,
        memory_bytes: Some(25_769_803_776),
        load_average: Some(0.25),
        steal_share: Some(0.0),
        build_profile: BuildProfile::Release,
        boot: Some("5d41402abc4b2a76".to_owned()),
    }
}

fn summary() -> Summary {
    let stage = |p50_us: u64, p99_us, max_us| StageSummary {
        count: 500,
        min_us: Some(p50_us / 2),
        mean_us: Some(p50_us + 1),
        p50_us: Some(p50_us),
        p90_us: Some(u64::midpoint(p50_us, p99_us)),
        p95_us: Some(p99_us - 2),
        p99_us: Some(p99_us),
        p999_us: None,
        max_us: Some(max_us),
        negative: 0,
        saturated: 0,
        bounds: PercentileBounds::default(),
    };
    Summary {
        startup_to_first_stored_ms: None,
        readings_emitted: 500,
        records_stored: 500,
        throughput_records_per_second: Some(49.93),
        throughput_bytes_per_second: Some(115_438.2),
        duration_s: Some(10.014),
        peak_resident_bytes: Some(48_300_032),
        stages: Stages {
            publish_delay: stage(61, 412, 1_804),
            publish_latency: stage(5_480, 6_930, 9_120),
            fetch_latency: StageSummary {
                negative: 7,
                ..stage(180, 640, 2_210)
            },
            store_latency: stage(11_200, 13_800, 21_400),
            end_to_end_latency: stage(17_100, 20_900, 31_250),
        },
    }
}

fn verdict() -> Verdict {
    let label = |count| LabelCount {
        emitted: count,
        stored: count,
    };
    Verdict {
        emitted: 600,
        stored: 600,
        labels: BTreeMap::from([
            ("neg".to_owned(), label(590)),
            ("pos".to_owned(), label(10)),
        ]),
        ..Verdict::default()
    }
}

fn interval(second: u32) -> Interval {
    let latency = |p50_us: u64| IntervalLatency {
        p50_us: Some(p50_us),
        p90_us: Some(p50_us + 1_000),
        p99_us: Some(p50_us + 3_500),
        max_us: Some(p50_us + 14_250),
    };
    Interval {
        start_s: f64::from(second),
        phase: Some(IntervalPhase::Run),
        emitted: 50,
        acked: 50,
        fetched: 50,
        stored: 50,
        backlog: 1,
        lag: None,
        stages: Stages {
            publish_delay: latency(60),
            publish_latency: latency(5_400),
            fetch_latency: latency(180),
            store_latency: latency(11_200),
            end_to_end_latency: latency(17_000),
        },
    }
}

/// Returns the report of one shard of run `night`.
pub(super) fn producer(shard: u32, shards: u32) -> Report {
    let mut report = process();
    report.summary.records_stored = 0;
    report.counters = Counts {
        acked: 300,
        ..Counts::default()
    };
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

/// Returns the report of a consumer that read run `night`.
pub(super) fn consumer() -> Report {
    let mut report = process();
    let stages = &mut report.summary.stages;
    for unknown in [
        &mut stages.publish_delay,
        &mut stages.publish_latency,
        &mut stages.fetch_latency,
    ] {
        *unknown = StageSummary::default();
    }
    report.counters = Counts {
        fetched: 310,
        stored: 300,
        replayed: 10,
        without_envelope: 2,
        schema_unchecked: 1,
        timed_by_wall_clock: 300,
        ..Counts::default()
    };
    report.consumed = Some(Consumed {
        group: "convoy".to_owned(),
        runs: BTreeSet::from(["night".to_owned()]),
        ownerships: vec![Ownership {
            topic: "kafka-sensor-topic".to_owned(),
            partition: 3,
            epoch: 2,
            from: 100,
            to: 410,
            taken: true,
        }],
        lag: Some(Lag {
            records: Some(12),
            partitions: vec![PartitionLag {
                topic: "kafka-sensor-topic".to_owned(),
                partition: 1,
                committed: 488,
                end: Some(500),
                records: Some(12),
            }],
        }),
        first_intended_unix_ms: None,
        last_stored_unix_ms: None,
    });
    report
}

/// Returns what the reports of single processes have in common.
fn process() -> Report {
    let mut report = report();
    report.run.id = "night".to_owned();
    report.topology.broker = BackendKind::External;
    report.topology.store = BackendKind::External;
    report.verdict = None;
    report.thresholds.clear();
    report.warnings.clear();
    report
}
