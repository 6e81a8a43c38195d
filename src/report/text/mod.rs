//! The text form: what people read. Same order as the JSON form's results.
//!
//! headline · stage table · verdict · thresholds · warnings · files

mod faults;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::audit::Verdict;
use crate::measure::{Stage, StageSummary};
use crate::report::threshold::{Threshold, ThresholdName};
use crate::report::value::{BackendKind, Report, Status};
use crate::report::{processes as halves, quantity};

/// Width of the column with a stage's name.
const STAGE_WIDTH: usize = 20;

/// Width of a column with a value.
const VALUE_WIDTH: usize = 10;

/// Writes a report; `files` are named at its end.
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
        written(files),
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
    text.push_str(&halves::part(report));
    if topology.broker == BackendKind::None {
        text.push_str(" · pacer only, nothing sent");
    } else if topology.pipeline_self_test() {
        text.push_str(" · pipeline self-test");
    }
    if report.faults.is_some() {
        text.push_str(" · faults on purpose");
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
    if let Some(publishing) = halves::publishing(report) {
        return text + &publishing;
    }
    let _ = writeln!(
        text,
        "broker {} ({}) · store {} ({})",
        topology.broker, report.durability.broker, topology.store, report.durability.store
    );
    let latency = &summary.stages.end_to_end_latency;
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
    text.push_str(halves::unknown_stages(report));
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
        return halves::account(report);
    }
    let verdict = &report.verdict;
    if report.status == Status::Invalid && verdict.clean() {
        return "verdict: none, because the run failed before its audit\n".to_owned();
    }
    let word = if verdict.clean() {
        "clean"
    } else if report.verdict_holds() {
        "whole, with dead letters as allowed"
    } else if report.status == Status::Interrupted {
        "incomplete"
    } else {
        "FAILED"
    };
    let mut text = format!("verdict, warm-up included: {word}\n ");
    for (name, value) in counts(verdict) {
        let _ = write!(text, " {name} {} ·", quantity::count(value));
    }
    text.truncate(text.trim_end_matches(" ·").len());
    text.push('\n');
    let kept = [
        ("replayed", verdict.replayed),
        ("producer-duplicated", verdict.producer_duplicated),
    ];
    for (name, value) in kept.into_iter().filter(|(_, value)| *value > 0) {
        let _ = writeln!(
            text,
            "  {name} {} (sent again, stored once)",
            quantity::count(value)
        );
    }
    let told = [
        (
            "spoilt on purpose",
            verdict.declared,
            "expected among the dead letters",
        ),
        ("withheld on purpose", verdict.withheld, "never emitted"),
        (
            "stray",
            verdict.stray,
            "dead letters that are no reading of this run",
        ),
        (
            "logs cut short",
            verdict.log_truncations,
            "what was acknowledged is not in the broker any more",
        ),
    ];
    for (name, value, meaning) in told.into_iter().filter(|(_, value, _)| *value > 0) {
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

fn written(files: &[PathBuf]) -> String {
    let mut text = String::new();
    for file in files {
        let _ = writeln!(text, "{}", file.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn render(report: &Report) -> String {
        let files = [PathBuf::from("runs/20261123-042804-7f3a/report.json")];
        let mut written = Vec::new();
        write(report, &files, &mut written).unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn a_clean_self_test_reads_like_this() {
        insta::assert_snapshot!(render(&sample::report()), @"
        convoy 0.1.0 · run 20261123-042804-7f3a · seed 42 · pipeline self-test
        broker embedded (acks=all, fsync on append) · store embedded (w: majority, j: true)

        49.9 records/s stored (115 kB/s) · end-to-end p50 17.1 ms · p99 20.9 ms · max 31.2 ms

        stage                    count       p50       p90       p99     p99.9       max
        publish delay              500     61 µs    236 µs    412 µs         –   1.80 ms
        publish latency            500   5.48 ms   6.21 ms   6.93 ms         –   9.12 ms
        fetch latency              500    180 µs    410 µs    640 µs         –   2.21 ms  7 negative
        store latency              500   11.2 ms   12.5 ms   13.8 ms         –   21.4 ms
        end-to-end latency         500   17.1 ms   19.0 ms   20.9 ms         –   31.2 ms

        verdict, warm-up included: clean
          emitted 600 · stored 600 · missing 0 · duplicated 0 · corrupt 0 · reordered 0 · dead-lettered 0 · undelivered 0
          `neg`: emitted 590 · stored 590
          `pos`: emitted 10 · stored 10

        --max-end-to-end-p99 250 ms: passed with 20.9 ms

        warning: pipeline self-test: broker and store ran in the process that produced the load
          it measures this pipeline, not Redpanda or MongoDB; use `--backend containers` or `--backend external` to measure those

        runs/20261123-042804-7f3a/report.json
        ");
    }

    #[test]
    fn a_run_that_lost_a_record_says_so_in_its_first_line() {
        let mut report = sample::report();
        report.verdict.stored -= 1;
        report.verdict.missing = 1;
        report.verdict.replayed = 12;
        report.status = Status::of(&report.verdict, false);
        let text = render(&report);
        assert!(text.lines().next().unwrap().ends_with("INVALID"), "{text}");
        assert!(text.contains("verdict, warm-up included: FAILED"), "{text}");
        assert!(
            text.contains("replayed 12 (sent again, stored once)"),
            "{text}"
        );
    }

    #[test]
    fn a_run_that_failed_before_its_audit_claims_no_verdict() {
        let mut report = sample::report();
        report.status = Status::Invalid;
        report.verdict = Verdict::default();
        let text = render(&report);
        assert!(text.contains("verdict: none"), "{text}");
    }

    #[test]
    fn a_paced_null_sink_claims_nothing_about_storing() {
        let mut report = sample::report();
        report.topology.broker = BackendKind::None;
        report.topology.store = BackendKind::None;
        report.warnings.clear();
        report.thresholds.clear();
        let text = render(&report);
        assert!(text.contains("49.9 readings/s emitted"), "{text}");
        assert!(!text.contains("stored"), "{text}");
    }
}
