//! Text form, for people. Same order as the results in the JSON form.
//!
//! headline · stage table · verdict · thresholds · warnings · files

pub(super) mod external;
mod faults;
mod processes;
pub(super) mod stages;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::audit::Verdict;
use crate::measure::{Bounds, StageSummary};
use crate::report::threshold::{Threshold, ThresholdName};
use crate::report::topology::BackendKind;
use crate::report::value::{Report, Status};
use crate::text::{Ink, Page, quantity};

/// Writes a report, followed by the paths of its `files`.
pub fn write(
    report: &Report,
    files: &[PathBuf],
    page: &Page,
    mut output: impl Write,
) -> io::Result<()> {
    let faults = report.faults.as_ref();
    let sections = [
        headline(report, page),
        stages::section(report, page),
        verdict(report, page),
        external::section(report, page),
        bad_rows(report, page),
        faults.map_or_else(String::new, |it| faults::section(it, page)),
        thresholds(&report.thresholds, page),
        warnings(report, page),
        paths(files) + &data(report, page),
    ];
    let text: Vec<String> = sections
        .into_iter()
        .filter(|section| !section.is_empty())
        .collect();
    output.write_all(text.join("\n").as_bytes())
}

fn headline(report: &Report, page: &Page) -> String {
    let topology = &report.topology;
    let mut text = identity(report, page);
    if topology.broker == BackendKind::None {
        text.push_str(&page.items(pacing(report), 2));
        return text;
    }
    let durability = &report.durability;
    let (address, origin) = (&topology.broker_address, &topology.broker_origin);
    let broker = processes::server(topology.broker, address.as_deref(), origin.as_deref());
    text.push_str(&page.paragraph(&format!("broker {broker} · {}", durability.broker), 2));
    if !processes::publishes(report) {
        let (address, origin) = (&topology.store_address, &topology.store_origin);
        let store = processes::server(topology.store, address.as_deref(), origin.as_deref());
        text.push_str(&page.paragraph(&format!("store {store} · {}", durability.store), 2));
    }
    text.push('\n');
    let mut results = results(report);
    results[0] = page.paint(Ink::Strong, &results[0]);
    text.push_str(&page.items(results, 2));
    text.push_str(&findings(report, page));
    text
}

/// Returns the first finding with its evidence, and the others in a line each.
fn findings(report: &Report, page: &Page) -> String {
    let mut text = String::new();
    for (index, finding) in report.findings.iter().enumerate() {
        let message = &finding.message;
        text.push_str(&page.paragraph(&format!("finding: {message} ({})", finding.evidence), 2));
        if let (0, Some(advice)) = (index, &finding.advice) {
            text.push_str(&page.paragraph(&format!("  {advice}"), 0));
        }
    }
    text
}

/// Returns the first line: which run this is, and how it ended.
fn identity(report: &Report, page: &Page) -> String {
    let (run, topology) = (&report.run, &report.topology);
    let mut items = vec![format!("convoy {}", run.version), format!("run {}", run.id)];
    if report.consumed.is_none() {
        items.extend(run.seed.map(|seed| format!("seed {seed}")));
    }
    items.extend(processes::part(report));
    if topology.broker == BackendKind::None {
        items.push("pacer only, nothing sent".to_owned());
    } else if topology.pipeline_self_test() {
        items.push("pipeline self-test".to_owned());
    }
    if report.faults.is_some() {
        items.push("faults injected".to_owned());
    }
    match report.status {
        Status::Complete => {}
        Status::Interrupted => items.push(page.paint(Ink::Caution, "INTERRUPTED")),
        Status::Invalid => items.push(page.paint(Ink::Bad, "INVALID")),
    }
    page.items(items, 2)
}

fn pacing(report: &Report) -> Vec<String> {
    let summary = &report.summary;
    let delay = &summary.stages.publish_delay;
    if delay.count == 0 {
        return vec!["nothing was measured".to_owned()];
    }
    let emitted = quantity::count(summary.readings_emitted);
    let emitted = match summary.duration_s.filter(|duration| *duration > 0.0) {
        Some(duration) => format!(
            "{} readings/s emitted ({emitted} in {} s)",
            quantity::rate(summary.readings_emitted as f64 / duration),
            quantity::significant(duration),
        ),
        None => format!("{emitted} readings emitted"),
    };
    vec![emitted, named("publish delay p99", delay.p99_us)]
}

/// Returns the results that a reader looks for first.
pub(super) fn results(report: &Report) -> Vec<String> {
    let summary = &report.summary;
    if processes::publishes(report) {
        let acked = quantity::count(report.counters.acked);
        let acked = format!("{acked} records acknowledged");
        let latency = &summary.stages.publish_latency;
        return latencies(acked, "publish latency", latency, report);
    }
    let latency = &summary.stages.end_to_end_latency;
    if let Some(stored) = external::unmeasured(report) {
        return vec![
            stored,
            "latency not measured: the store is not embedded".to_owned(),
        ];
    }
    if latency.count == 0 {
        let why = match report.status {
            Status::Interrupted => "interrupted before a measured record was stored",
            _ => "no measured record was stored",
        };
        return vec![format!("nothing was measured: {why}")];
    }
    let rates = (
        summary.throughput_records_per_second,
        summary.throughput_bytes_per_second,
    );
    let stored = match rates {
        (Some(records), Some(bytes)) => format!(
            "{} records/s stored ({}/s)",
            quantity::rate(records),
            quantity::bytes(bytes)
        ),
        (Some(records), None) => format!("{} records/s stored", quantity::rate(records)),
        _ => format!("{} records stored", quantity::count(summary.records_stored)),
    };
    latencies(stored, "end-to-end", latency, report)
}

fn latencies(first: String, stage: &str, latency: &StageSummary, report: &Report) -> Vec<String> {
    if latency.count == 0 {
        return vec![first];
    }
    if report.unlimited_rate() {
        return vec![first, "latencies mean nothing at `--rate max`".to_owned()];
    }
    vec![
        first,
        named(&format!("{stage} p50"), latency.p50_us)
            + &bounds(latency.p50_us, latency.bounds.p50),
        named("p99", latency.p99_us) + &bounds(latency.p99_us, latency.bounds.p99),
        named("max", latency.max_us),
    ]
}

fn named(name: &str, us: Option<u64>) -> String {
    let value = us.map_or_else(|| "–".to_owned(), quantity::duration);
    format!("{name} {value}")
}

/// Returns the bounds of a percentile in parentheses; nothing if they are unknown.
pub(super) fn bounds(value: Option<u64>, bounds: Option<Bounds>) -> String {
    let shown = value.zip(bounds).map(|(value, it)| {
        let range = quantity::duration_bounds(value, it.low_us, it.high_us);
        format!(" ({range})")
    });
    shown.unwrap_or_default()
}

fn verdict(report: &Report, page: &Page) -> String {
    if report.topology.broker == BackendKind::None {
        return String::new();
    }
    if !report.has_verdict() {
        return processes::account(report, page);
    }
    let audited = report.verdict.as_ref();
    if report.status == Status::Invalid && audited.is_none_or(Verdict::clean) {
        let none = page.paint(Ink::Bad, "none");
        let line = format!("verdict: {none}, because the run failed before its audit");
        return page.paragraph(&line, 2);
    }
    let Some(verdict) = audited.filter(|verdict| ended(report, verdict)) else {
        return unaudited_counts(report, page);
    };
    let (ink, word) = verdict_word(report, verdict);
    let line = format!("verdict, warm-up included: {}", page.paint(ink, word));
    let mut text = page.paragraph(&line, 2);
    let counts = shown_counts(report, verdict);
    text.push_str(&indented(&counts, page));
    for (name, value, meaning) in details(verdict) {
        if value > 0 {
            let line = format!("  {name} {} ({meaning})", quantity::count(value));
            text.push_str(&page.paragraph(&line, 2));
        }
    }
    for (label, count) in &verdict.labels {
        let counts = [
            format!("`{label}`: emitted {}", quantity::count(count.emitted)),
            format!("stored {}", quantity::count(count.stored)),
        ];
        text.push_str(&indented(&counts, page));
    }
    text
}

/// Returns what was emitted and stored, and every other count above 0.
fn shown_counts(report: &Report, verdict: &Verdict) -> Vec<String> {
    let counts = verdict_counts(verdict).into_iter();
    let shown = counts.filter_map(|(name, value)| {
        let always = ["emitted", "stored"].contains(&name);
        if name == "corrupt" && value == 0 && !report.compares_content() {
            Some("corrupt unknown".to_owned())
        } else {
            (always || value > 0).then(|| format!("{name} {}", quantity::count(value)))
        }
    });
    shown.collect()
}

/// Returns how many rows were left out, and the first of them.
fn bad_rows(report: &Report, page: &Page) -> String {
    let Some(dataset) = report.dataset.as_ref().filter(|it| it.bad_rows > 0) else {
        return String::new();
    };
    let label = page.paint(Ink::Caution, "bad rows left out:");
    let mut text = page.paragraph(&format!("{label} {}", quantity::count(dataset.bad_rows)), 2);
    for bad in &dataset.first_bad_rows {
        let (file, line, byte) = (&bad.file, bad.line, bad.byte);
        let line = format!("  `{file}`, line {line}, byte {byte}: {}", bad.reason);
        text.push_str(&page.paragraph(&line, 4));
    }
    text
}

/// Returns the verdict in one sentence.
pub(super) fn verdict_sentence(report: &Report) -> (Ink, String) {
    let audited = report.verdict.as_ref();
    let without = |why: &str| (Ink::Caution, format!("No verdict: {why}"));
    if report.topology.broker == BackendKind::None {
        return without("only the pacer ran, and nothing was sent");
    }
    if !report.has_verdict() {
        return without(
            "this process saw only a part of the run; `convoy report merge` audits all",
        );
    }
    if report.status == Status::Invalid && audited.is_none_or(Verdict::clean) {
        return (
            Ink::Bad,
            "No verdict: the run failed before its audit".to_owned(),
        );
    }
    let Some(verdict) = audited.filter(|verdict| ended(report, verdict)) else {
        return without("the run was interrupted before its audit ended");
    };
    let (ink, word) = verdict_word(report, verdict);
    let counts = shown_counts(report, verdict);
    (ink, format!("Verdict: {word} ({})", counts.join(", ")))
}

/// Returns whether the audit ended. Earlier versions wrote a verdict of zeros if it did not.
fn ended(report: &Report, verdict: &Verdict) -> bool {
    let all = verdict.emitted > 0 && verdict.emitted >= report.counters.emitted;
    all || report.status != Status::Interrupted
}

/// Returns what is known of a run whose audit did not end.
fn unaudited_counts(report: &Report, page: &Page) -> String {
    let none = page.paint(Ink::Caution, "none");
    let line = format!("verdict: {none}, because the run was interrupted before its audit ended");
    let counters = &report.counters;
    let counts = [
        ("emitted", counters.emitted),
        ("acknowledged", counters.acked),
        ("stored", counters.stored),
    ];
    let counts = counts.map(|(name, count)| format!("{name} {}", quantity::count(count)));
    page.paragraph(&line, 2) + &indented(&counts, page)
}

/// Joins items to a line with two blanks before it.
fn indented(items: &[String], page: &Page) -> String {
    let mut items = items.to_vec();
    if let Some(first) = items.first_mut() {
        first.insert_str(0, "  ");
    }
    page.items(items, 2)
}

fn verdict_word(report: &Report, verdict: &Verdict) -> (Ink, &'static str) {
    if verdict.clean() && !report.compares_content() {
        (Ink::Caution, "counts match, content not compared")
    } else if verdict.clean() {
        (Ink::Good, "clean")
    } else if report.verdict_holds() {
        (Ink::Good, "no loss, dead letters within the limit")
    } else if report.status == Status::Interrupted {
        (Ink::Caution, "incomplete")
    } else {
        (Ink::Bad, "FAILED")
    }
}

fn details(verdict: &Verdict) -> [(&'static str, u64, &'static str); 6] {
    [
        ("replayed", verdict.replayed, "read again, stored once"),
        (
            "producer-duplicated",
            verdict.producer_duplicated,
            "appended again, stored once",
        ),
        (
            "made invalid by faults",
            verdict.declared,
            "expected as dead letters",
        ),
        ("withheld by faults", verdict.withheld, "not emitted"),
        (
            "stray",
            verdict.stray,
            "dead letters that are not readings of this run",
        ),
        (
            "log truncations",
            verdict.log_truncations,
            "the broker lost acknowledged records",
        ),
    ]
}

pub(super) fn verdict_counts(verdict: &Verdict) -> [(&'static str, u64); 8] {
    [
        ("emitted", verdict.emitted),
        ("stored", verdict.stored),
        ("missing", verdict.missing),
        ("duplicated", verdict.duplicated),
        ("corrupt", verdict.corrupt),
        ("reordered", verdict.reordered),
        ("dead-lettered", verdict.dead_lettered),
        ("undelivered", verdict.undelivered),
    ]
}

fn thresholds(thresholds: &[Threshold], page: &Page) -> String {
    let lines = thresholds.iter().map(|threshold| {
        let word = if threshold.passed {
            page.paint(Ink::Good, "passed")
        } else {
            page.paint(Ink::Bad, "FAILED")
        };
        let (limit, actual) = threshold_outcome(threshold);
        page.paragraph(&format!("{limit}: {word} {actual}"), 2)
    });
    lines.collect()
}

/// Returns a limit with its option, and the measured value.
pub(super) fn threshold_outcome(threshold: &Threshold) -> (String, String) {
    let shown = |value| amount(threshold.name, value);
    let limit = format!("{} {}", threshold.name.flag(), shown(threshold.limit));
    let actual = match threshold.actual {
        Some(actual) => format!("with {}", shown(actual)),
        None => "because nothing was measured".to_owned(),
    };
    (limit, actual)
}

fn amount(name: ThresholdName, value: f64) -> String {
    match name {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "microseconds, non-negative"
        )]
        ThresholdName::MaxEndToEndP99Us => quantity::duration(value.round() as u64),
        ThresholdName::MinThroughputRecordsPerSecond => {
            format!("{} records/s", quantity::rate(value))
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count, non-negative"
        )]
        ThresholdName::MaxDeadLetters => quantity::count(value as u64),
    }
}

fn warnings(report: &Report, page: &Page) -> String {
    let mut text = String::new();
    for warning in &report.warnings {
        let label = page.paint(Ink::Caution, "warning:");
        text.push_str(&page.paragraph(&format!("{label} {}", warning.message), 2));
        text.push_str(&page.paragraph(&format!("  {}", warning.advice), 0));
    }
    text
}

/// Paths are not wrapped, so that they can be copied.
fn paths(files: &[PathBuf]) -> String {
    let lines = files.iter().map(|file| format!("{}\n", file.display()));
    lines.collect()
}

/// Returns where the data of embedded servers is.
fn data(report: &Report, page: &Page) -> String {
    if !report.topology.pipeline_self_test() {
        return String::new();
    }
    let line = match report.settings.get("data_dir").and_then(|it| it.as_str()) {
        Some(directory) => format!(
            "data kept in `{directory}`; serve it again with `convoy up --data-dir {directory}`"
        ),
        None => "data removed with the run; keep it with `--data-dir DIR`".to_owned(),
    };
    page.paragraph(&line, 2)
}
