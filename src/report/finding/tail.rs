//! What the slowest records share.

use crate::measure::{Interval, IntervalPhase, Stage};
use crate::report::finding::{Confidence, Finding};
use crate::report::tail::{Tail, TailWindow};
use crate::report::value::Report;
use crate::text::quantity;

/// The slowest hundredth takes at least this many times as long as the median.
const FAR: u64 = 5;

/// Latency below which the slowest records are fast, in microseconds.
const FAST_US: u64 = 8_000;

/// Share of the slowest records that have something in common.
const MOST: f64 = 0.6;

/// Share of a run that a few of its seconds are.
const FEW_SECONDS: f64 = 0.25;

/// Times the share of all records, from which a partition or a vehicle has more than its part.
const OVER_REPRESENTED: f64 = 2.5;

/// Fewer vehicles than this say nothing if one of them stands out.
const LEAST_VEHICLES: u64 = 10;

/// Fewer measured seconds than this are not many.
const LEAST_SECONDS: usize = 4;

/// Finds what the slowest records have in common; `None` if they are not far slower than the others,
/// or share nothing that the others do not.
pub fn tail(report: &Report) -> Option<Finding> {
    let tail = report.tail.as_ref()?;
    let p50 = report.summary.stages.end_to_end_latency.p50_us?;
    if tail.from_us < FAST_US || tail.from_us < FAR.saturating_mul(p50) {
        return None;
    }
    let place = place(report, tail);
    let shared: Vec<String> = [
        in_seconds(report, tail),
        in_partition(report, tail),
        of_vehicle(report, tail),
    ]
    .into_iter()
    .flatten()
    .collect();
    let elsewhere = place.as_ref().is_some_and(|it| it.elsewhere);
    if shared.is_empty() && !elsewhere {
        return None;
    }
    let mut parts = shared;
    parts.extend(place.map(|it| it.sentence));
    Some(Finding {
        id: "tail".to_owned(),
        message: format!("the slowest 1 %: {}", parts.join("; ")),
        evidence: format!(
            "{} records from {} on, p50 {}",
            quantity::count(tail.records),
            quantity::duration(tail.from_us),
            quantity::duration(p50)
        ),
        advice: None,
        confidence: Confidence::Medium,
    })
}

/// Where the slowest records spent most of their time.
struct Place {
    sentence: String,
    /// Whether the others spend most of theirs in another stage.
    elsewhere: bool,
}

fn place(report: &Report, tail: &Tail) -> Option<Place> {
    let stages = &report.summary.stages;
    let known = |stage: Stage| stages.get(stage).count > 0;
    if !tail.stages().iter().all(|(stage, _)| known(*stage)) {
        return None;
    }
    let mean = |stage: Stage| stages.get(stage).mean_us.unwrap_or_default() as f64;
    let total: u64 = tail.stages().iter().map(|(_, us)| us).sum();
    let total_of_all: f64 = tail.stages().iter().map(|(stage, _)| mean(*stage)).sum();
    let (stage, us) = tail.stages().into_iter().max_by_key(|(_, us)| *us)?;
    let share = us as f64 / total.max(1) as f64;
    let of_all = mean(stage) / total_of_all.max(1.0);
    (share >= MOST).then(|| Place {
        sentence: format!(
            "{stage} is {:.0} % of their time, and {:.0} % of that of all records",
            100.0 * share,
            100.0 * of_all
        ),
        elsewhere: of_all < MOST / 2.0,
    })
}

fn share(records: u64, tail: &Tail) -> f64 {
    records as f64 / tail.records.max(1) as f64
}

fn in_seconds(report: &Report, tail: &Tail) -> Option<String> {
    let measured = |it: &&Interval| it.phase == Some(IntervalPhase::Run);
    let seconds = report.intervals.iter().filter(measured).count();
    if seconds < LEAST_SECONDS {
        return None;
    }
    let mut records = 0;
    let mut length = 0.0;
    let mut taken: Vec<&TailWindow> = Vec::new();
    for window in &tail.windows {
        records += window.records;
        length += window.to_s - window.from_s;
        taken.push(window);
        if share(records, tail) >= MOST {
            break;
        }
    }
    if share(records, tail) < MOST || length > FEW_SECONDS * seconds as f64 {
        return None;
    }
    let names: Vec<String> = taken.iter().map(|window| named(report, window)).collect();
    Some(format!(
        "{:.0} % of them were due {}",
        100.0 * share(records, tail),
        names.join(" and ")
    ))
}

/// Returns a window with the fault or the outage in it.
fn named(report: &Report, window: &TailWindow) -> String {
    // Records wait that were due shortly before.
    let overlaps = |from: f64, to: f64| from < window.to_s + 1.0 && to > window.from_s;
    let events = report.faults.iter().flat_map(|faults| &faults.events);
    let fault = events
        .filter(|it| overlaps(it.at_s, it.at_s + it.duration_s))
        .map(|it| it.kind.clone())
        .next();
    let outages = report.outages.iter();
    let outage = || {
        let server = |it: &crate::measure::Outage| match it.server {
            crate::measure::Server::Broker => "broker outage".to_owned(),
            crate::measure::Server::Store => "store outage".to_owned(),
        };
        outages
            .clone()
            .find(|it| overlaps(it.from_s, it.to_s))
            .map(server)
    };
    let cause = fault.or_else(outage);
    let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
    format!("from {:.0} s to {:.0} s{cause}", window.from_s, window.to_s)
}

fn in_partition(report: &Report, tail: &Tail) -> Option<String> {
    let most = tail.partitions.first()?;
    let all: u64 = report.partitions.iter().map(|load| load.stored).sum();
    let own = report
        .partitions
        .iter()
        .find(|load| load.topic == most.topic && load.partition == most.partition)?;
    let (share, expected) = (
        share(most.records, tail),
        own.stored as f64 / all.max(1) as f64,
    );
    (report.partitions.len() > 1 && share >= MOST && share >= OVER_REPRESENTED * expected).then(|| {
        format!(
            "{:.0} % of them passed through partition {} of `{}`, which has {:.0} % of all records",
            100.0 * share,
            most.partition,
            most.topic,
            100.0 * expected
        )
    })
}

fn of_vehicle(report: &Report, tail: &Tail) -> Option<String> {
    let vehicles = report.settings.get("vehicles")?.as_u64()?;
    let most = tail.vehicles.first()?;
    let share = share(most.records, tail);
    (vehicles >= LEAST_VEHICLES && share >= MOST).then(|| {
        format!(
            "{:.0} % of them are of vehicle {}",
            100.0 * share,
            most.vehicle
        )
    })
}
