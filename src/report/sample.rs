//! One fixed report that tests of every form share.

use std::collections::BTreeMap;

use serde_json::json;

use crate::audit::Verdict;
use crate::audit::verdict::LabelCount;
use crate::measure::{Interval, StageSummary, Stages};
use crate::report::machine::{BuildProfile, Environment};
use crate::report::threshold::ThresholdName;
use crate::report::value::{
    BackendKind, CpuPerRecord, Dataset, Durability, FORMAT_VERSION, Report, Run, Status, Summary,
    Topology,
};
use crate::report::warning::Warning;

/// Returns a complete embedded run of 500 records.
pub(super) fn report() -> Report {
    let summary = summary();
    Report {
        format_version: FORMAT_VERSION,
        status: Status::Complete,
        run: Run {
            id: "20261123-042804-7f3a".to_owned(),
            seed: 42,
            command: "convoy simulate --max-end-to-end-p99 250ms".to_owned(),
            version: "0.1.0".to_owned(),
            started_at: "2026-11-23T04:28:04.436Z".to_owned(),
        },
        settings: json!({"vehicles": 50, "rate_per_second": 1.0, "seed": 42}),
        environment: environment(),
        durability: Durability {
            broker: "acks=all, fsync on append".to_owned(),
            store: "w: majority, j: true".to_owned(),
        },
        topology: Topology {
            broker: BackendKind::Embedded,
            store: BackendKind::Embedded,
            topics: vec!["kafka-sensor-topic".to_owned()],
            partitions: 4,
            consumers: 2,
            database: "convoy".to_owned(),
            collection: "sensor".to_owned(),
            key: "vehicle".to_owned(),
            tls: false,
        },
        dataset: Dataset {
            files: vec!["sample_data/kafka-sensor-topic/aps_failure_training_set1.csv".to_owned()],
            rows: 2_000,
            columns: 171,
            hash: "9f86d081884c7d65".to_owned(),
        },
        thresholds: vec![ThresholdName::MaxEndToEndP99Us.check(250_000.0, &summary, &verdict())],
        summary,
        counters: BTreeMap::from([
            ("batches_published".to_owned(), 180),
            ("sends_unknown".to_owned(), 0),
        ]),
        cpu: CpuPerRecord {
            generator_us: Some(3.1),
            producer_us: Some(6.4),
            consumer_us: Some(9.8),
            broker_us: Some(2.2),
            store_us: None,
        },
        verdict: verdict(),
        faults: None,
        warnings: vec![
            Warning::EmbeddedBackend {
                broker: true,
                store: true,
            }
            .notice(),
        ],
        intervals: (0..3).map(interval).collect(),
        produced: None,
        consumed: None,
        merged: None,
    }
}

fn environment() -> Environment {
    Environment {
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
        p50_us,
        p90_us: u64::midpoint(p50_us, p99_us),
        p99_us,
        p999_us: None,
        max_us,
        negative: 0,
        saturated: 0,
    };
    Summary {
        startup_to_first_stored_ms: None,
        readings_emitted: 500,
        records_stored: 500,
        throughput_records_per_second: 49.93,
        throughput_bytes_per_second: 115_438.2,
        duration_s: 10.014,
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
    Interval {
        start_s: f64::from(second),
        emitted: 50,
        acked: 50,
        fetched: 50,
        stored: 50,
        backlog: 1,
        end_to_end_latency_p50_us: 17_000,
        end_to_end_latency_p99_us: 20_500,
        end_to_end_latency_max_us: 31_250,
    }
}
