//! Snapshots of the text form.

use std::path::PathBuf;

use crate::audit::Verdict;
use crate::report::sample;
use crate::report::text::write;
use crate::report::topology::BackendKind;
use crate::report::value::{Report, Status};
use crate::report::warning::Warning;

fn render(report: &Report) -> String {
    let files = [PathBuf::from("runs/20261123-042804-7f3a/report.json")];
    let mut written = Vec::new();
    write(report, &files, &mut written).unwrap();
    String::from_utf8(written).unwrap()
}

#[test]
fn clean_self_test_is_rendered() {
    insta::assert_snapshot!(render(&sample::report()), @"
    convoy 0.1.0 · run 20261123-042804-7f3a · seed 42 · pipeline self-test
    broker embedded 127.0.0.1:9092 (default) · acks=all, fsync on append
    store embedded mongodb://127.0.0.1:27017 (default) · w: majority, j: true

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
fn run_with_a_missing_reading_is_invalid_in_the_first_line() {
    let mut report = sample::report();
    report.verdict.stored -= 1;
    report.verdict.missing = 1;
    report.verdict.replayed = 12;
    report.status = Status::new(&report.verdict, false);
    let text = render(&report);
    assert!(text.lines().next().unwrap().ends_with("INVALID"), "{text}");
    assert!(text.contains("verdict, warm-up included: FAILED"), "{text}");
    assert!(
        text.contains("replayed 12 (read again, stored once)"),
        "{text}"
    );
}

#[test]
fn run_that_failed_before_its_audit_has_no_verdict() {
    let mut report = sample::report();
    report.status = Status::Invalid;
    report.verdict = Verdict::default();
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
      emitted 600 · stored 600 · missing 0 · duplicated 0 · corrupt unknown · reordered 0 · dead-lettered 0 · undelivered 0
      `neg`: emitted 590 · stored 590
      `pos`: emitted 10 · stored 10
    ");
}

/// Renders without files and without most of the stages, which are shown as in every report.
fn render_without_stages(report: &Report) -> String {
    let mut written = Vec::new();
    write(report, &[], &mut written).unwrap();
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

    stage                    count       p50       p90       p99     p99.9       max
    publish delay              500     61 µs    236 µs    412 µs         –   1.80 ms

    counts, warm-up included: emitted 300 · not acknowledged 0 · dead-lettered 0
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

    stage                    count       p50       p90       p99     p99.9       max
    fetch latency: unknown, because producer and consumer were separate processes

    counts, warm-up included: fetched 310 · stored 300 · replayed 10 · producer-duplicated 0 · conflicting 0 · dead-lettered 0
      kafka-sensor-topic/3: offsets 100 to 410, epoch 2, taken over
      written by other producers 2 (identified by topic, partition and offset: a record appended twice is stored twice)
      schema not checked 1 (set `ENDPOINT_SCHEMA_URL` to the Schema Registry)
      timed by wall clock 300 (from another machine or boot: end-to-end latency includes the offset between the clocks)
    verdict: none for a single process; audit the run with `convoy report merge … --store URI`
    ");
}
