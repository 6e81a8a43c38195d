//! Metrics of a run for Prometheus.

use crate::host::roles::{CpuTime, Role};
use crate::measure::{Histogram, PartitionLoad, Stage};
use crate::pipeline::Context;
use crate::report::{History, Run};
use crate::web::{Kind, Metrics};

/// Upper bounds of the buckets, in microseconds: 100 µs to 100 s in steps of 1, 2, 5.
const BOUNDS_US: [u64; 19] = [
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
];

/// Returns the metrics of a run.
pub(super) fn of(
    context: &Context,
    run: &Run,
    history: &History,
    backlog: Option<u64>,
    lag: Option<u64>,
) -> String {
    let mut metrics = Metrics::default();
    let counts = context.counters.snapshot();
    let counts = serde_json::to_value(counts).unwrap_or_default();
    for (name, value) in counts.as_object().into_iter().flatten() {
        let metric = format!("convoy_{name}_total");
        let help = format!("Counter `{name}` of the report.");
        metrics.single(Kind::Counter, &metric, &help, value);
    }
    let partitions = context.partition_loads();
    partition_metrics(&mut metrics, &partitions);
    metrics.metric(Kind::Gauge, "convoy_run_info", "The run.");
    let labels = [("run", run.id.as_str()), ("version", &run.version)];
    metrics.sample("convoy_run_info", &labels, 1);
    if let Some(backlog) = backlog {
        let help = "Readings emitted and not yet stored.";
        metrics.single(Kind::Gauge, "convoy_backlog_records", help, backlog);
    }
    if let Some(lag) = lag {
        let help = "Records of the owned partitions that are not stored.";
        metrics.single(Kind::Gauge, "convoy_lag_records", help, lag);
    }
    stage_metrics(&mut metrics, |stage| history.stages.get(stage));
    cpu_metrics(&mut metrics, &CpuTime::read());
    metrics.finish()
}

fn partition_metrics(metrics: &mut Metrics, partitions: &[PartitionLoad]) {
    let of_each = [
        (
            "convoy_partition_acked_total",
            "Records of a partition that the broker acknowledged.",
            (|load| load.acked) as fn(&PartitionLoad) -> u64,
        ),
        (
            "convoy_partition_stored_total",
            "Documents stored from a partition.",
            |load| load.stored,
        ),
    ];
    for (name, help, value) in of_each {
        metrics.metric(Kind::Counter, name, help);
        for load in partitions {
            let partition = load.partition.to_string();
            let labels = [("topic", load.topic.as_str()), ("partition", &partition)];
            metrics.sample(name, &labels, value(load));
        }
    }
}

fn stage_metrics<'a>(metrics: &mut Metrics, histogram: impl Fn(Stage) -> &'a Histogram) {
    const NAME: &str = "convoy_stage_duration_seconds";
    let help = "Time of the measured records in each stage.";
    metrics.metric(Kind::Histogram, NAME, help);
    for stage in Stage::ALL {
        let histogram = histogram(stage);
        let bucket = format!("{NAME}_bucket");
        for (bound, count) in BOUNDS_US.iter().zip(cumulative(histogram)) {
            let bound = (*bound as f64 / 1e6).to_string();
            let labels = [("stage", stage.key()), ("le", &bound)];
            metrics.sample(&bucket, &labels, count);
        }
        let labels = [("stage", stage.key()), ("le", "+Inf")];
        metrics.sample(&bucket, &labels, histogram.count());
        let labels = [("stage", stage.key())];
        let seconds = histogram.values().mean() * histogram.count() as f64 / 1e6;
        metrics.sample(&format!("{NAME}_sum"), &labels, seconds);
        metrics.sample(&format!("{NAME}_count"), &labels, histogram.count());
    }
}

/// Returns the number of samples up to each bound.
fn cumulative(histogram: &Histogram) -> [u64; BOUNDS_US.len()] {
    let mut counts = [0; BOUNDS_US.len()];
    for value in histogram.values().iter_recorded() {
        let bucket = BOUNDS_US.partition_point(|bound| *bound < value.value_iterated_to());
        if let Some(count) = counts.get_mut(bucket) {
            *count += value.count_since_last_iteration();
        }
    }
    let mut sum = 0;
    counts.map(|count| {
        sum += count;
        sum
    })
}

fn cpu_metrics(metrics: &mut Metrics, cpu: &CpuTime) {
    const NAME: &str = "convoy_cpu_seconds_total";
    metrics.metric(
        Kind::Counter,
        NAME,
        "CPU time of each role in this process.",
    );
    for role in Role::ALL {
        if let Some(used) = cpu.of(role) {
            metrics.sample(NAME, &[("role", role.thread_name())], used.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let mut histogram = Histogram::default();
        for microseconds in [50, 100, 101, 4_000, 200_000_000] {
            histogram.record(0, microseconds * 1_000);
        }
        let counts = cumulative(&histogram);
        assert_eq!(counts[..2], [2, 3]);
        assert_eq!((counts[5], counts[18]), (4, 4));
        assert!(counts.is_sorted());
    }
}
