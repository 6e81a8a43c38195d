//! Snapshots of the text form.

use std::path::PathBuf;

use crate::report::sample;
use crate::report::text::write;
use crate::report::topology::BackendKind;
use crate::report::value::{BadRow, Report, Status};
use crate::report::warning::Warning;
use crate::text::{Ink, Page};

fn render(report: &Report) -> String {
    let files = [PathBuf::from("runs/20261123-042804-7f3a/report.json")];
    let mut written = Vec::new();
    write(report, &files, &Page::default(), &mut written).unwrap();
    String::from_utf8(written).unwrap()
}

#[test]
fn clean_self_test_is_rendered() {
    insta::assert_snapshot!(render(&sample::report()), @"
    convoy 0.1.0 · run 20261123-042804-7f3a · seed 42 · pipeline self-test
    broker embedded 127.0.0.1:9092 (default) · acks=all, fsync on append
    store embedded mongodb://127.0.0.1:27017 (default) · w: majority, j: true

    49.9 records/s stored (115 kB/s) · end-to-end p50 17.1 ms · p99 20.9 ms · max 31.2 ms

    stage               count      min     mean      p50      p90      p95      p99      max
    publish delay         500    30 µs    62 µs    61 µs   236 µs   410 µs   412 µs  1.80 ms
    publish latency       500  2.74 ms  5.48 ms  5.48 ms  6.21 ms  6.93 ms  6.93 ms  9.12 ms
    fetch latency         500    90 µs   181 µs   180 µs   410 µs   638 µs   640 µs  2.21 ms
    store latency         500  5.60 ms  11.2 ms  11.2 ms  12.5 ms  13.8 ms  13.8 ms  21.4 ms
    end-to-end latency    500  8.55 ms  17.1 ms  17.1 ms  19.0 ms  20.9 ms  20.9 ms  31.2 ms
    fetch latency below zero: 7 (fetched before the acknowledgement)

    verdict, warm-up included: clean
      emitted 600 · stored 600
      `neg`: emitted 590 · stored 590
      `pos`: emitted 10 · stored 10

    --max-end-to-end-p99 250 ms: passed with 20.9 ms

    warning: pipeline self-test: broker and store ran in the process that produced the load
      it measures this pipeline, not Redpanda or MongoDB; use `--backend containers` or `--backend external` to measure those

    runs/20261123-042804-7f3a/report.json
    data removed with the run; keep it with `--data-dir DIR`
    ");
}

#[test]
fn run_with_a_missing_reading_is_invalid_in_the_first_line() {
    let mut report = sample::report();
    let verdict = report.verdict.as_mut().unwrap();
    verdict.stored -= 1;
    verdict.missing = 1;
    verdict.replayed = 12;
    report.status = Status::new(verdict, false);
    let text = render(&report);
    assert!(text.lines().next().unwrap().ends_with("INVALID"), "{text}");
    assert!(text.contains("verdict, warm-up included: FAILED"), "{text}");
    assert!(
        text.contains("replayed 12 (read again, stored once)"),
        "{text}"
    );
}

#[test]
fn bad_rows_are_counted_and_the_first_are_named() {
    let mut report = sample::report();
    assert!(!render(&report).contains("bad rows"));
    let dataset = report.dataset.as_mut().unwrap();
    dataset.bad_rows = 1_200;
    dataset.first_bad_rows = vec![BadRow {
        file: "rows.csv".to_owned(),
        line: 4,
        byte: 37,
        reason: "expected 3 fields as in the header, found 2".to_owned(),
    }];
    let text = render(&report);
    assert!(text.contains("bad rows left out: 1,200\n"), "{text}");
    let named = "  `rows.csv`, line 4, byte 37: expected 3 fields as in the header, found 2\n";
    assert!(text.contains(named), "{text}");
}

#[test]
fn run_that_failed_before_its_audit_has_no_verdict() {
    let mut report = sample::report();
    report.status = Status::Invalid;
    report.verdict = None;
    let text = render(&report);
    assert!(text.contains("verdict: none"), "{text}");
}

#[test]
fn null_sink_report_does_not_mention_storing() {
    let mut report = sample::report();
    report.topology.broker = BackendKind::None;
    report.topology.store = BackendKind::None;
    report.warnings.clear();
    report.thresholds.clear();
    let text = render(&report);
    assert!(text.contains("49.9 readings/s emitted"), "{text}");
    assert!(!text.contains("stored"), "{text}");
}

#[test]
fn unaudited_build_does_not_claim_a_clean_verdict() {
    let mut report = sample::report();
    report.warnings = vec![Warning::UnauditedBuild.notice()];
    let text = render(&report);
    insta::assert_snapshot!(text.split("\n\n").nth(3).unwrap(), @"
    verdict, warm-up included: counts match, content not compared
      emitted 600 · stored 600 · corrupt unknown
      `neg`: emitted 590 · stored 590
      `pos`: emitted 10 · stored 10
    ");
}

/// Renders without files and without most of the stages, which are shown as in every report.
fn render_without_stages(report: &Report) -> String {
    let mut written = Vec::new();
    write(report, &[], &Page::default(), &mut written).unwrap();
    let text = String::from_utf8(written).unwrap();
    let lines = text.lines().filter(|line| !line.contains("latency   "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn producer_report_has_counts_and_no_verdict() {
    insta::assert_snapshot!(render_without_stages(&sample::producer(1, 2)), @"
    convoy 0.1.0 · run night · seed 42 · producer 2 of 2
    broker external 127.0.0.1:9092 (default) · acks=all, fsync on append

    300 records acknowledged · publish latency p50 5.48 ms · p99 6.93 ms · max 9.12 ms

    stage               count      min     mean      p50      p90      p95      p99      max
    publish delay         500    30 µs    62 µs    61 µs   236 µs   410 µs   412 µs  1.80 ms
    fetch latency below zero: 7 (fetched before the acknowledgement)

    counts, warm-up included: emitted 300 · not acknowledged 0
    verdict: none for a single process; audit the run with `convoy report merge … --store URI`
    ");
}

#[test]
fn consumer_report_has_ownerships_and_caveats() {
    insta::assert_snapshot!(render_without_stages(&sample::consumer()), @"
    convoy 0.1.0 · run night · consumer of group convoy
    broker external 127.0.0.1:9092 (default) · acks=all, fsync on append
    store external mongodb://127.0.0.1:27017 (default) · w: majority, j: true

    49.9 records/s stored (115 kB/s) · end-to-end p50 17.1 ms · p99 20.9 ms · max 31.2 ms

    stage               count      min     mean      p50      p90      p95      p99      max
    fetch latency: unknown, because producer and consumer were separate processes

    counts, warm-up included: fetched 310 · stored 300 · replayed 10
      kafka-sensor-topic/3: offsets 100 to 410, epoch 2, taken over
    lag at the end: 12 in 1 partitions
      kafka-sensor-topic/1: 12 from offset 488
      written by other producers 2 (identified by topic, partition and offset: a record appended twice is stored twice)
      schema not checked 1 (set `ENDPOINT_SCHEMA_URL` to the Schema Registry)
      timed by wall clock 298 (from another machine or boot: end-to-end latency includes the offset between the clocks)
    verdict: none for a single process; audit the run with `convoy report merge … --store URI`
    ");
}

fn render_at(report: &Report, page: Page) -> String {
    let mut written = Vec::new();
    write(report, &[], &page, &mut written).unwrap();
    String::from_utf8(written).unwrap()
}

fn reports() -> [Report; 4] {
    let mut failed = sample::report();
    failed.verdict.as_mut().unwrap().missing = 3;
    failed.status = Status::Invalid;
    [
        sample::report(),
        failed,
        sample::producer(1, 2),
        sample::consumer(),
    ]
}

#[test]
fn lines_fit_the_page_and_words_stay_whole() {
    for report in reports() {
        let words = |text: &str| -> Vec<String> {
            let words = text.split_whitespace();
            words.map(str::to_owned).collect()
        };
        let wide = words(&render_at(&report, Page::new(Some(200), false)));
        for width in [40, 60, 80, 100] {
            let text = render_at(&report, Page::new(Some(width), false));
            let too_wide = text.lines().find(|line| line.chars().count() > width);
            assert_eq!(too_wide, None, "{width} columns:\n{text}");
            let broken = words(&text).into_iter().find(|word| !wide.contains(word));
            assert_eq!(broken, None, "{width} columns:\n{text}");
        }
    }
}

#[test]
fn colors_only_add_escape_sequences() {
    let escape = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
    for report in reports() {
        for width in [None, Some(40)] {
            let colored = render_at(&report, Page::new(width, true));
            let plain = render_at(&report, Page::new(width, false));
            assert!(!plain.contains('\x1b'), "{plain}");
            assert_eq!(escape.replace_all(&colored, ""), plain);
        }
    }
    let page = Page::new(None, true);
    let [clean, failed, ..] = reports();
    assert!(render_at(&clean, page).contains(&page.paint(Ink::Good, "clean")));
    assert!(render_at(&failed, page).contains(&page.paint(Ink::Bad, "FAILED")));
    assert!(render_at(&clean, page).contains(&page.paint(Ink::Caution, "warning:")));
}

#[test]
fn narrow_page_has_the_most_important_columns() {
    let text = render_at(&sample::report(), Page::new(Some(40), false));
    insta::assert_snapshot!(text, @"
    convoy 0.1.0 ·
      run 20261123-042804-7f3a · seed 42 ·
      pipeline self-test
    broker embedded 127.0.0.1:9092 (default)
      · acks=all, fsync on append
    store embedded mongodb://127.0.0.1:27017
      (default) · w: majority, j: true

    49.9 records/s stored (115 kB/s) ·
      end-to-end p50 17.1 ms · p99 20.9 ms ·
      max 31.2 ms

    stage              p50      p99      max
    publish delay    61 µs   412 µs  1.80 ms
    publish        5.48 ms  6.93 ms  9.12 ms
    fetch           180 µs   640 µs  2.21 ms
    store          11.2 ms  13.8 ms  21.4 ms
    end-to-end     17.1 ms  20.9 ms  31.2 ms
    fetch latency below zero: 7 (fetched
      before the acknowledgement)

    verdict, warm-up included: clean
      emitted 600 · stored 600
      `neg`: emitted 590 · stored 590
      `pos`: emitted 10 · stored 10

    --max-end-to-end-p99 250 ms: passed with
      20.9 ms

    warning: pipeline self-test: broker and
      store ran in the process that produced
      the load
      it measures this pipeline, not
      Redpanda or MongoDB; use `--backend
      containers` or `--backend external` to
      measure those

    data removed with the run; keep it with
      `--data-dir DIR`
    ");
}

#[test]
fn interrupt_in_the_warm_up_shows_no_latency() {
    let mut report = sample::report();
    report.status = Status::Interrupted;
    report.summary = crate::report::summary::Summary::default();
    report.warnings.clear();
    report.thresholds.clear();
    let text = render(&report);
    assert!(!text.contains("0 µs") && !text.contains("p99"), "{text}");
    assert!(
        text.contains("nothing was measured: interrupted before a measured record was stored"),
        "{text}"
    );
}

#[test]
fn latencies_of_an_unlimited_rate_are_no_headline() {
    let mut report = sample::report();
    report.warnings = vec![Warning::UnlimitedRate.notice()];
    let text = render(&report);
    let headline = text.lines().nth(4).unwrap();
    assert!(
        headline.ends_with("· latencies mean nothing at `--rate max`"),
        "{text}"
    );
}

#[test]
fn records_of_other_programs_are_not_said_to_be_of_another_machine() {
    let mut report = sample::consumer();
    report.counters.timed_by_wall_clock = 2;
    let text = render(&report);
    assert!(text.contains("written by other producers 2"), "{text}");
    assert!(!text.contains("another machine"), "{text}");
}
