//! The rules behind the findings.

use crate::measure::Stage;
use crate::report::finding::skew::partition_skew;
use crate::report::finding::tail::tail;
use crate::report::finding::{Confidence, Finding};
use crate::report::value::Report;
use crate::report::warning::{backlog_growth, emitting};
use crate::text::quantity;

/// Fewer samples than this say nothing about a stage.
const LEAST_SAMPLES: u64 = 100;

/// Fewer seconds than this, in half of a run, do not show that a backlog keeps growing.
const LEAST_SECONDS: usize = 4;

/// Share of the end-to-end latency from which a stage is its cause.
const MOST: f64 = 0.6;

/// Share from which a stage is the largest of several causes.
const MUCH: f64 = 0.35;

/// Time that a server may take beyond the wait for a batch until it counts as slow, microseconds. A
/// stage that takes no longer limits nothing.
const SERVED_US: f64 = 4_000.0;

/// Causes that also matter in a fast stage: settings that make records wait.
const WAITS: [&str; 3] = ["linger", "batch_wait", "connection_pool"];

/// Returns what limited the run, the most important first. Empty if the numbers do not tell: without
/// a schedule, or with few samples. An outage explains all latencies but those of the tail.
pub fn findings(report: &Report) -> Vec<Finding> {
    if report.unlimited_rate() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if report.outages.is_empty() {
        found.extend(falls_behind(report));
        found.extend(partition_skew(report));
        found.extend(latency(report));
    }
    found.extend(tail(report));
    found
}

fn falls_behind(report: &Report) -> Option<Finding> {
    let emitting = emitting(&report.intervals);
    let growth = backlog_growth(&emitting)?;
    // At the start every backlog grows, until as many records are stored as are emitted.
    let second_half = &emitting[emitting.len() / 2..];
    if second_half.len() < LEAST_SECONDS {
        return None;
    }
    backlog_growth(second_half)?;
    let seconds = emitting.len() as f64;
    let emitted: u64 = emitting.iter().map(|it| it.emitted).sum();
    let emitted = emitted as f64 / seconds;
    let stored = emitted - growth;
    if stored <= 0.0 {
        return None;
    }
    if report.external_consumer.is_some() {
        return Some(consumer_falls_behind(growth, emitted, stored));
    }
    let excess = 100.0 * (emitted / stored - 1.0);
    let load = match vehicles(report) {
        Some(vehicles) => format!(
            "{} vehicles are {excess:.0} % too many",
            quantity::count(vehicles)
        ),
        None => format!("the load is {excess:.0} % too high"),
    };
    Some(Finding {
        id: "falls_behind".to_owned(),
        message: format!(
            "the pipeline falls behind by {} records/s: {load}",
            quantity::rate(growth)
        ),
        evidence: format!(
            "emitted {}/s, stored {}/s",
            quantity::rate(emitted),
            quantity::rate(stored)
        ),
        advice: Some(
            "lower `--vehicles` or `--rate`, or raise `--consumers` and `--partitions`".to_owned(),
        ),
        confidence: Confidence::High,
    })
}

fn consumer_falls_behind(growth: f64, emitted: f64, stored: f64) -> Finding {
    Finding {
        id: "falls_behind".to_owned(),
        message: format!(
            "the external consumer falls behind by {} records/s",
            quantity::rate(growth)
        ),
        evidence: format!(
            "emitted {}/s, stored {}/s",
            quantity::rate(emitted),
            quantity::rate(stored)
        ),
        advice: Some("lower `--vehicles` or `--rate` to what it sustains".to_owned()),
        confidence: Confidence::High,
    }
}

fn vehicles(report: &Report) -> Option<u64> {
    report.settings.get("vehicles")?.as_u64()
}

/// Finds the stage that takes most of the mean end-to-end latency.
fn latency(report: &Report) -> Option<Finding> {
    let stages = &report.summary.stages;
    if stages.end_to_end_latency.count < LEAST_SAMPLES {
        return None;
    }
    let mean = |stage: Stage| stages.get(stage).mean_us.unwrap_or_default() as f64;
    if report.external_consumer.is_some() {
        let published = mean(Stage::PublishDelay) + mean(Stage::PublishLatency);
        return of_consumer(mean(Stage::EndToEndLatency), published);
    }
    let parts = [
        Stage::PublishDelay,
        Stage::PublishLatency,
        Stage::FetchLatency,
        Stage::StoreLatency,
    ];
    let total: f64 = parts.into_iter().map(mean).sum();
    let largest = parts
        .into_iter()
        .max_by(|a, b| mean(*a).total_cmp(&mean(*b)))?;
    if total <= 0.0 {
        return None;
    }
    let p50 = stages.get(largest).p50_us? as f64;
    // A few slow records are the matter of the tail.
    let p90 = stages.get(largest).p90_us.map_or(p50, |us| us as f64);
    // A stop of the store or of a consumer makes some records wait, not most.
    let stopped = largest == Stage::FetchLatency;
    let fast = p50 <= SERVED_US && (stopped || p90.min(mean(largest)) <= 2.0 * SERVED_US);
    let share = mean(largest) / total;
    let confidence = match share {
        share if share >= MOST => Confidence::High,
        share if share >= MUCH => Confidence::Medium,
        _ if fast => return None,
        _ => return Some(no_single_stage(largest, share, mean(largest))),
    };
    let cause = cause(report, largest);
    if fast && !WAITS.contains(&cause.id) {
        return None;
    }
    let mut evidence = format!(
        "{largest} is {:.0} % of the mean end-to-end latency: p50 {}, p99 {}",
        100.0 * share,
        shown(stages.get(largest).p50_us),
        shown(stages.get(largest).p99_us),
    );
    if largest == Stage::FetchLatency && cause.id == "store" {
        let store = shown(stages.store_latency.p50_us);
        evidence.push_str("; store latency p50 ");
        evidence.push_str(&store);
    }
    Some(Finding {
        id: cause.id.to_owned(),
        message: cause.message,
        evidence,
        advice: cause.advice,
        confidence,
    })
}

/// Finds whether another program takes most of the time; its own stages are not seen.
fn of_consumer(end_to_end_us: f64, published_us: f64) -> Option<Finding> {
    let rest = end_to_end_us - published_us;
    let share = rest / end_to_end_us;
    (share >= MOST).then(|| Finding {
        id: "external_consumer".to_owned(),
        message: "the external consumer takes most of the time".to_owned(),
        evidence: format!(
            "from the acknowledgement to the durable document: {:.0} % of the mean end-to-end latency ({})",
            100.0 * share,
            quantity::microseconds(rest),
        ),
        advice: Some("look at its batches, its polls and its commits".to_owned()),
        confidence: Confidence::High,
    })
}

fn no_single_stage(largest: Stage, share: f64, mean_us: f64) -> Finding {
    Finding {
        id: "no_single_stage".to_owned(),
        message: "no stage takes most of the time".to_owned(),
        evidence: format!(
            "the largest, {largest}, is {:.0} % of the mean end-to-end latency ({})",
            100.0 * share,
            quantity::microseconds(mean_us),
        ),
        advice: None,
        confidence: Confidence::Medium,
    }
}

/// A cause of the latency of a stage.
struct Cause {
    id: &'static str,
    message: String,
    advice: Option<String>,
}

fn cause(report: &Report, stage: Stage) -> Cause {
    match stage {
        Stage::PublishDelay => generator(report),
        Stage::PublishLatency => publishing(report),
        Stage::FetchLatency => fetching(report),
        Stage::StoreLatency | Stage::EndToEndLatency => storing(report),
    }
}

fn generator(report: &Report) -> Cause {
    if report.warns_of("client_cpu_bound") {
        return Cause {
            id: "machine",
            message: "the machine limits the run: this process used nearly all of its cores"
                .to_owned(),
            advice: Some("lower the load, or run broker and store on other machines".to_owned()),
        };
    }
    Cause {
        id: "generator",
        message: "the generator limits the run: readings are sent later than scheduled".to_owned(),
        advice: Some(
            "lower `--vehicles` or `--rate`, or split the fleet with `convoy produce --shard`"
                .to_owned(),
        ),
    }
}

fn publishing(report: &Report) -> Cause {
    let publish = &report.summary.stages.publish_latency;
    let Some(linger) = waited(report, "linger_ms", publish.p50_us) else {
        return broker("acknowledge");
    };
    Cause {
        id: "linger",
        message: format!(
            "records wait up to {} for others of their batch before they are sent",
            quantity::microseconds(linger)
        ),
        advice: Some(shorter("--linger", linger)),
    }
}

fn broker(action: &str) -> Cause {
    Cause {
        id: "broker",
        message: format!("the broker limits the run: it takes long to {action} records"),
        advice: None,
    }
}

/// A broker that delivers late also acknowledges late, and a consumer does not fetch while a slow store
/// holds its inserts.
fn fetching(report: &Report) -> Cause {
    let stages = &report.summary.stages;
    if is_late(report, "linger_ms", stages.publish_latency.p50_us) {
        return broker("acknowledge and deliver");
    }
    if is_late(report, "batch_wait_ms", stages.store_latency.p50_us) {
        return storing(report);
    }
    Cause {
        id: "fetch",
        message: "acknowledged records wait to be fetched: the consumers are busy or too few"
            .to_owned(),
        advice: Some("raise `--consumers`, and `--partitions` to at least as many".to_owned()),
    }
}

fn storing(report: &Report) -> Cause {
    if report.warns_of("mongo_pool_saturated") {
        return Cause {
            id: "connection_pool",
            message: "inserts wait for a free connection to the store".to_owned(),
            advice: Some("add `maxPoolSize` to the URI of `--store`".to_owned()),
        };
    }
    let store = &report.summary.stages.store_latency;
    let Some(wait) = waited(report, "batch_wait_ms", store.p50_us) else {
        return Cause {
            id: "store",
            message: "the store limits the run: it takes long to insert documents".to_owned(),
            advice: None,
        };
    };
    Cause {
        id: "batch_wait",
        message: format!(
            "records wait up to {} for others of their batch before they are stored",
            quantity::microseconds(wait)
        ),
        advice: Some(shorter("--batch-wait", wait)),
    }
}

/// Returns a wait in microseconds, if it explains the median of its stage.
fn waited(report: &Report, setting: &str, p50_us: Option<u64>) -> Option<f64> {
    let wait = report.settings.get(setting)?.as_f64()? * 1e3;
    let p50 = p50_us? as f64;
    (wait > 0.0 && p50 <= wait + SERVED_US.max(wait * 0.25)).then_some(wait)
}

/// Returns whether a stage takes longer than a wait explains.
fn is_late(report: &Report, setting: &str, p50_us: Option<u64>) -> bool {
    let late = p50_us.is_some_and(|p50| p50 as f64 > SERVED_US);
    late && waited(report, setting, p50_us).is_none()
}

fn shorter(flag: &str, wait_us: f64) -> String {
    format!(
        "try `{flag} {}ms`: smaller batches, less waiting, more CPU time per record",
        wait_us / 4e3
    )
}

fn shown(us: Option<u64>) -> String {
    us.map_or_else(|| "–".to_owned(), quantity::duration)
}
