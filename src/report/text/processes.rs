//! Text of a report of a single process, and of merged reports.

use std::fmt::Write as _;

use crate::measure::Counts;
use crate::report::processes::Consumed;
use crate::report::topology::BackendKind;
use crate::report::value::Report;
use crate::text::{Page, quantity};

/// Names a server by kind, address and what chose it.
pub(super) fn server(kind: BackendKind, address: Option<&str>, origin: Option<&str>) -> String {
    match (address, origin) {
        (Some(address), Some(origin)) => format!("{kind} {address} ({origin})"),
        _ => kind.to_string(),
    }
}

/// Returns which part of a run a report covers; `None` for a whole run.
pub(super) fn part(report: &Report) -> Option<String> {
    if let Some(merged) = &report.merged {
        let (producers, consumers) = (merged.producers, merged.consumers);
        return Some(format!(
            "merged from {producers} producers and {consumers} consumers"
        ));
    }
    match (&report.produced, &report.consumed) {
        (Some(produced), _) if produced.shards > 1 => Some(format!(
            "producer {} of {}",
            produced.shard + 1,
            produced.shards
        )),
        (Some(_), _) => Some("producer".to_owned()),
        (None, Some(consumed)) => Some(format!("consumer of group {}", consumed.group)),
        (None, None) => None,
    }
}

/// Returns whether a report is that of a single producer.
pub(super) fn publishes(report: &Report) -> bool {
    report.produced.is_some() && report.merged.is_none()
}

/// Returns why the fetch latency is missing, if it is: only one process can measure it.
pub(super) fn unknown_stages(report: &Report) -> Option<&'static str> {
    let separate = report.consumed.is_some() || report.merged.is_some();
    (separate && report.summary.stages.fetch_latency.count == 0)
        .then_some("fetch latency: unknown, because producer and consumer were separate processes")
}

/// Returns the counts of a report without a verdict, and how to get one.
pub(super) fn account(report: &Report, page: &Page) -> String {
    let mut text = String::new();
    if let Some(produced) = &report.produced {
        let counts = [
            ("emitted", produced.emitted),
            ("not acknowledged", produced.not_acked),
            ("dead-lettered", produced.dead_lettered),
        ];
        text.push_str(&counts_line(&counts, page));
    }
    if let Some(consumed) = &report.consumed {
        let counters = &report.counters;
        let counts = [
            ("fetched", counters.fetched),
            ("stored", counters.stored),
            ("replayed", counters.replayed),
            ("producer-duplicated", counters.producer_duplicated),
            ("conflicting", counters.conflicting),
            ("tombstones skipped", counters.tombstones),
            ("dead-lettered", counters.dead_lettered),
            ("dead letters stored", counters.dead_letters_replayed),
            ("dead letters kept", counters.dead_letters_kept),
        ];
        text.push_str(&counts_line(&counts, page));
        for ownership in &consumed.ownerships {
            let line = format!(
                "  {}/{}: offsets {} to {}, epoch {}{}",
                ownership.topic,
                ownership.partition,
                ownership.from,
                ownership.to,
                ownership.epoch,
                if ownership.taken { ", taken over" } else { "" }
            );
            text.push_str(&page.paragraph(&line, 2));
        }
        text.push_str(&lag(consumed, page));
        text.push_str(&page.paragraphs(&caveats(counters), 2));
    }
    let verdict = if report.merged.is_some() {
        "verdict: none, because no store was audited; pass `--store URI`"
    } else {
        "verdict: none for a single process; audit the run with `convoy report merge … --store URI`"
    };
    text.push_str(&page.paragraph(verdict, 2));
    text
}

/// Returns what was left of the owned partitions: the sum, and each partition with a lag.
fn lag(consumed: &Consumed, page: &Page) -> String {
    let Some(lag) = &consumed.lag else {
        return String::new();
    };
    let count =
        |records: Option<u64>| records.map_or_else(|| "unknown".to_owned(), quantity::count);
    let mut line = format!("lag at the end: {}", count(lag.records));
    if lag.partitions.is_empty() {
        line.push_str(" (no partition was owned)");
    } else {
        let _ = write!(line, " in {} partitions", lag.partitions.len());
    }
    let mut text = page.paragraph(&line, 2);
    for left in lag.partitions.iter().filter(|left| left.records != Some(0)) {
        let line = format!(
            "  {}/{}: {} from offset {}",
            left.topic,
            left.partition,
            count(left.records),
            left.committed
        );
        text.push_str(&page.paragraph(&line, 4));
    }
    text
}

/// Counts after the first two are left out if they are zero.
fn counts_line(counts: &[(&str, u64)], page: &Page) -> String {
    let mut items = vec!["counts, warm-up included:".to_owned()];
    for (number, (name, count)) in counts.iter().enumerate() {
        if number < 2 || *count > 0 {
            items.push(format!("{name} {}", quantity::count(*count)));
        }
    }
    // The title and the first count are one item.
    let first = items.remove(0);
    items[0] = format!("{first} {}", items[0]);
    page.items(items, 2)
}

/// Returns a line per kind of record that the consumer could not fully check or time.
fn caveats(counters: &Counts) -> String {
    let caveats = [
        (
            "offset gaps",
            counters.offset_gaps,
            "offsets without a record, as compaction leaves them",
        ),
        (
            "skipped control batches",
            counters.skipped_control_batches,
            "the ends of transactions",
        ),
        (
            "aborted records",
            counters.aborted_records,
            "left out with their transactions; `--isolation read-uncommitted` reads them",
        ),
        (
            "partitions read anew",
            counters.recreated_partitions,
            "their topics were deleted and created again",
        ),
        (
            "logs cut short",
            counters.log_truncations,
            "the broker lost records before a checkpoint; others with their offsets were read",
        ),
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
            // A record of another producer has only the broker's wall clock; it is counted above.
            counters
                .timed_by_wall_clock
                .saturating_sub(counters.without_envelope),
            "from another machine or boot: end-to-end latency includes the offset between the clocks",
        ),
    ];
    let mut text = String::new();
    for (name, count, meaning) in caveats.into_iter().filter(|(_, count, _)| *count > 0) {
        let _ = writeln!(text, "  {name} {} ({meaning})", quantity::count(count));
    }
    text
}
