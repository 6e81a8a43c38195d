//! Text form, for people. Same order as the results in the JSON form.
//!
//! headline · stage table · verdict · thresholds · warnings · files

mod faults;
mod processes;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::audit::Verdict;
use crate::measure::{Stage, StageSummary};
use crate::report::quantity;
use crate::report::threshold::{Threshold, ThresholdName};
use crate::report::topology::BackendKind;
use crate::report::value::{Report, Status};

/// Width of the column of stage names.
const STAGE_WIDTH: usize = 20;

/// Width of a column of values.
const VALUE_WIDTH: usize = 10;

/// Writes a report, followed by the paths of its `files`.
pub fn write(report: &Report, files: &[PathBuf], mut output: impl Write) -> io::Result<()> {
    let sections = [
        headline(report),
        stages(report),
        verdict(report),
        report
            .faults
            .as_ref()
            .map_or_else(String::new, faults::section),
        thresholds(&report.thresholds),
        warnings(report),
        paths(files),
    ];
    let text: Vec<String> = sections
        .into_iter()
        .filter(|section| !section.is_empty())
        .collect();
    output.write_all(text.join("\n").as_bytes())
}

fn headline(report: &Report) -> String {
    let (run, summary, topology) = (&report.run, &report.summary, &report.topology);
    let mut text = format!("convoy {} · run {}", run.version, run.id);
    if report.consumed.is_none() {
        let _ = write!(text, " · seed {}", run.seed);
    }
    text.push_str(&processes::part(report));
    if topology.broker == BackendKind::None {
        text.push_str(" · pacer only, nothing sent");
    } else if topology.pipeline_self_test() {
        text.push_str(" · pipeline self-test");
    }
    if report.faults.is_some() {
        text.push_str(" · faults injected");
    }
    let _ = match report.status {
        Status::Complete => writeln!(text),
        Status::Interrupted => writeln!(text, " · INTERRUPTED"),
        Status::Invalid => writeln!(text, " · INVALID"),
    };
    if topology.broker == BackendKind::None {
        let per_second = summary.readings_emitted as f64 / summary.duration_s;
        let _ = writeln!(
            text,
            "{} readings/s emitted ({} in {} s) · publish delay p99 {}",
            quantity::rate(per_second),
            quantity::count(summary.readings_emitted),
            quantity::significant(summary.duration_s),
            quantity::duration(summary.stages.publish_delay.p99_us),
        );
        return text;
    }
    if let Some(publishing) = processes::publishing(report) {
        return text + &publishing;
    }
    let _ = writeln!(
        text,
        "broker {} ({}) · store {} ({})",
        topology.broker, report.durability.broker, topology.store, report.durability.store
    );
    let latency = &summary.stages.end_to_end_latency;
    if report.nothing_measured() {
        text.push_str("\nnothing was measured\n");
        return text;
    }
    let _ = writeln!(
        text,
        "\n{} records/s stored ({}/s) · end-to-end p50 {} · p99 {} · max {}",
        quantity::rate(summary.throughput_records_per_second),
        quantity::bytes(summary.throughput_bytes_per_second),
        quantity::duration(latency.p50_us),
        quantity::duration(latency.p99_us),
        quantity::duration(latency.max_us),
    );
    text
}

fn stages(report: &Report) -> String {
    if report.nothing_measured() {
        return String::new();
    }
    let mut text = format!("{:<STAGE_WIDTH$}", "stage");
    for title in ["count", "p50", "p90", "p99", "p99.9", "max"] {
        let _ = write!(text, "{title:>VALUE_WIDTH$}");
    }
    text.push('\n');
    for stage in Stage::ALL {
        let summary = report.summary.stages.get(stage);
        if summary.count > 0 {
            text.push_str(&stage_line(stage, summary));
        }
    }
    text.push_str(processes::unknown_stages(report));
    text
}

fn stage_line(stage: Stage, summary: &StageSummary) -> String {
    let mut text = format!("{:<STAGE_WIDTH$}", stage.to_string());
    let p999 = summary
        .p999_us
        .map_or_else(|| "–".to_owned(), quantity::duration);
    let values = [
        quantity::count(summary.count),
        quantity::duration(summary.p50_us),
        quantity::duration(summary.p90_us),
        quantity::duration(summary.p99_us),
        p999,
        quantity::duration(summary.max_us),
    ];
    for value in values {
        let _ = write!(text, "{value:>VALUE_WIDTH$}");
    }
    if summary.negative > 0 {
        let _ = write!(text, "  {} negative", quantity::count(summary.negative));
    }
    text.push('\n');
    text
}

fn verdict(report: &Report) -> String {
    if report.topology.broker == BackendKind::None {
        return String::new();
    }
    if !report.has_verdict() {
        return processes::account(report);
    }
    let verdict = &report.verdict;
    if report.status == Status::Invalid && verdict.clean() {
        return "verdict: none, because the run failed before its audit\n".to_owned();
    }
    let unaudited = verdict.emitted == 0 || verdict.emitted < report.counters.emitted;
    if report.status == Status::Interrupted && unaudited {
        let counters = &report.counters;
        return format!(
            "verdict: none, because the run was interrupted before its audit ended\n  emitted {} · acknowledged {} · stored {}\n",
            quantity::count(counters.emitted),
            quantity::count(counters.acked),
            quantity::count(counters.stored),
        );
    }
    let word = if verdict.clean() && !report.compares_content() {
        "counts match, content not compared"
    } else if verdict.clean() {
        "clean"
    } else if report.verdict_holds() {
        "no loss, dead letters within the limit"
    } else if report.status == Status::Interrupted {
        "incomplete"
    } else {
        "FAILED"
    };
    let mut text = format!("verdict, warm-up included: {word}\n ");
    for (name, value) in counts(verdict) {
        if name == "corrupt" && value == 0 && !report.compares_content() {
            text.push_str(" corrupt unknown ·");
        } else {
            let _ = write!(text, " {name} {} ·", quantity::count(value));
        }
    }
    text.truncate(text.trim_end_matches(" ·").len());
    text.push('\n');
    let details = [
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
    ];
    for (name, value, meaning) in details.into_iter().filter(|(_, value, _)| *value > 0) {
        let _ = writeln!(text, "  {name} {} ({meaning})", quantity::count(value));
    }
    for (label, count) in &verdict.labels {
        let _ = writeln!(
            text,
            "  `{label}`: emitted {} · stored {}",
            quantity::count(count.emitted),
            quantity::count(count.stored)
        );
    }
    text
}

fn counts(verdict: &Verdict) -> [(&'static str, u64); 8] {
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

fn thresholds(thresholds: &[Threshold]) -> String {
    let mut text = String::new();
    for threshold in thresholds {
        let word = if threshold.passed { "passed" } else { "FAILED" };
        let _ = writeln!(
            text,
            "{} {}: {word} with {}",
            threshold.name.flag(),
            amount(threshold.name, threshold.limit),
            amount(threshold.name, threshold.actual)
        );
    }
    text
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

fn warnings(report: &Report) -> String {
    let mut text = String::new();
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {}", warning.message);
        let _ = writeln!(text, "  {}", warning.advice);
    }
    text
}

fn paths(files: &[PathBuf]) -> String {
    let mut text = String::new();
    for file in files {
        let _ = writeln!(text, "{}", file.display());
    }
    text
}
