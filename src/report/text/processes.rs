//! Text of a report of a single process, and of merged reports.

use std::fmt::Write as _;

use crate::measure::Counts;
use crate::report::quantity;
use crate::report::topology::BackendKind;
use crate::report::value::Report;

/// Names a server by kind, address and what chose it.
pub(super) fn server(
    kind: BackendKind,
    address: &Option<String>,
    origin: &Option<String>,
) -> String {
    match (address, origin) {
        (Some(address), Some(origin)) => format!("{kind} {address} ({origin})"),
        _ => kind.to_string(),
    }
}

/// Returns which part of a run a report covers; empty for a whole run.
pub(super) fn part(report: &Report) -> String {
    if let Some(merged) = &report.merged {
        let (producers, consumers) = (merged.producers, merged.consumers);
        return format!(" · merged from {producers} producers and {consumers} consumers");
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

/// Returns the acknowledged records and publish latency of a producer; `None` for other reports.
pub(super) fn publishing(report: &Report) -> Option<String> {
    if report.produced.is_none() || report.merged.is_some() {
        return None;
    }
    let latency = &report.summary.stages.publish_latency;
    Some(format!(
        "broker {} · {}\n\n{} records acknowledged · publish latency p50 {} · p99 {} · max {}\n",
        server(
            report.topology.broker,
            &report.topology.broker_address,
            &report.topology.broker_origin
        ),
        report.durability.broker,
        quantity::count(report.counters.acked),
        quantity::duration(latency.p50_us),
        quantity::duration(latency.p99_us),
        quantity::duration(latency.max_us),
    ))
}

/// Returns why the fetch latency is missing, if it is: only one process can measure it.
pub(super) fn unknown_stages(report: &Report) -> &'static str {
    let separate = report.consumed.is_some() || report.merged.is_some();
    if separate && report.summary.stages.fetch_latency.count == 0 {
        "fetch latency: unknown, because producer and consumer were separate processes\n"
    } else {
        ""
    }
}

/// Returns the counts of a report without a verdict, and how to get one.
pub(super) fn account(report: &Report) -> String {
    let mut text = String::new();
    if let Some(produced) = &report.produced {
        let counts = [
            ("emitted", produced.emitted),
            ("not acknowledged", produced.not_acked),
            ("dead-lettered", produced.dead_lettered),
        ];
        text.push_str(&counts_line(&counts));
    }
    if let Some(consumed) = &report.consumed {
        let counters = &report.counters;
        let counts = [
            ("fetched", counters.fetched),
            ("stored", counters.stored),
            ("replayed", counters.replayed),
            ("producer-duplicated", counters.producer_duplicated),
            ("conflicting", counters.conflicting),
            ("dead-lettered", counters.dead_lettered),
        ];
        text.push_str(&counts_line(&counts));
        for ownership in &consumed.ownerships {
            let _ = writeln!(
                text,
                "  {}/{}: offsets {} to {}, epoch {}{}",
                ownership.topic,
                ownership.partition,
                ownership.from,
                ownership.to,
                ownership.epoch,
                if ownership.taken { ", taken over" } else { "" }
            );
        }
        text.push_str(&caveats(counters));
    }
    text.push_str(if report.merged.is_some() {
        "verdict: none, because no store was audited; pass `--store URI`\n"
    } else {
        "verdict: none for a single process; audit the run with `convoy report merge … --store URI`\n"
    });
    text
}

fn counts_line(counts: &[(&str, u64)]) -> String {
    let counts = counts.iter();
    let counts = counts.map(|(name, count)| format!("{name} {}", quantity::count(*count)));
    let counts: Vec<String> = counts.collect();
    format!("counts, warm-up included: {}\n", counts.join(" · "))
}

/// Returns a line per kind of record that the consumer could not fully check or time.
fn caveats(counters: &Counts) -> String {
    let caveats = [
        (
            "written by other producers",
            counters.without_envelope,
            "identified by topic, partition and offset: a record appended twice is stored twice",
        ),
        (
            "schema not checked",
            counters.schema_unchecked,
            "set `ENDPOINT_SCHEMA_URL` to the Schema Registry",
        ),
        (
            "timed by wall clock",
            counters.timed_by_wall_clock,
            "from another machine or boot: end-to-end latency includes the offset between the clocks",
        ),
    ];
    let mut text = String::new();
    for (name, count, meaning) in caveats.into_iter().filter(|(_, count, _)| *count > 0) {
        let _ = writeln!(text, "  {name} {} ({meaning})", quantity::count(count));
    }
    text
}
