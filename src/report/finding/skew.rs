//! Whether one partition has more than its part of the records, and is slower for it.

use crate::measure::PartitionLoad;
use crate::report::finding::{Confidence, Finding};
use crate::report::value::Report;
use crate::text::quantity;

/// Records of a partition, as a multiple of the mean, from which it has too many.
const TOO_MANY: f64 = 1.5;

/// Mean latency of a partition, as a multiple of that of the others, from which it is slower.
const SLOWER: f64 = 2.0;

/// Mean latency below which a partition is fast, in microseconds.
const FAST_US: f64 = 4_000.0;

/// Fewer records than this are not spread evenly in any case.
const LEAST_RECORDS: u64 = 200;

/// Finds the partition that limits the run.
pub fn partition_skew(report: &Report) -> Option<Finding> {
    let loads = &report.partitions;
    let total: u64 = loads.iter().map(|load| load.stored).sum();
    if loads.len() < 2 || total < LEAST_RECORDS {
        return None;
    }
    let fullest = loads.iter().max_by_key(|load| load.stored)?;
    let times = fullest.stored as f64 * loads.len() as f64 / total as f64;
    let mean_us = fullest.mean_us? as f64;
    let others = mean_of_others(loads, fullest)?;
    if times < TOO_MANY || mean_us < FAST_US || mean_us < SLOWER * others {
        return None;
    }
    let advice = match report.topology.key.as_str() {
        "none" => None,
        _ => Some(
            "choose a `--key` with more values, or raise `--partitions` if several hot keys share one"
                .to_owned(),
        ),
    };
    Some(Finding {
        id: "partition_skew".to_owned(),
        message: format!(
            "partition {} of `{}` has {times:.1} times the mean number of records, and is slower than the others",
            fullest.partition, fullest.topic
        ),
        evidence: format!(
            "{} of {} records; mean end-to-end latency {}, others {}",
            quantity::count(fullest.stored),
            quantity::count(total),
            quantity::microseconds(mean_us),
            quantity::microseconds(others)
        ),
        advice,
        confidence: Confidence::High,
    })
}

/// Returns the mean latency of the records in the other partitions; `None` if they have none.
fn mean_of_others(loads: &[PartitionLoad], fullest: &PartitionLoad) -> Option<f64> {
    let others = loads.iter().filter(|load| !std::ptr::eq(*load, fullest));
    let (sum, records) = others
        .filter_map(|load| Some((load.mean_us? as f64 * load.stored as f64, load.stored)))
        .fold((0.0, 0), |(sum, records), (us, stored)| {
            (sum + us, records + stored)
        });
    (records > 0).then(|| sum / records as f64)
}
