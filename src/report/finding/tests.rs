use serde_json::json;

use super::*;
use crate::measure::{Interval, IntervalPhase, Outage, PartitionLoad, Server, Stage, StageSummary};
use crate::report::Notice;
use crate::report::sample;
use crate::report::tail::{Tail, TailPartition, TailWindow};
use crate::report::value::Report;

/// A run whose stages took these milliseconds, with `linger` 5 ms and `batch-wait` 10 ms.
fn run(delay: f64, publish: f64, fetch: f64, store: f64) -> Report {
    let mut report = sample::report();
    report.settings = json!({"vehicles": 1_000, "linger_ms": 5.0, "batch_wait_ms": 10.0});
    report.warnings.clear();
    let stages = [
        (Stage::PublishDelay, delay),
        (Stage::PublishLatency, publish),
        (Stage::FetchLatency, fetch),
        (Stage::StoreLatency, store),
        (Stage::EndToEndLatency, delay + publish + fetch + store),
    ];
    for (stage, milliseconds) in stages {
        *report.summary.stages.get_mut(stage) = latency(milliseconds);
    }
    report
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small positive numbers"
)]
fn latency(milliseconds: f64) -> StageSummary {
    let us = (milliseconds * 1e3) as u64;
    StageSummary {
        count: 1_000,
        mean_us: Some(us),
        p50_us: Some(us),
        p99_us: Some(us * 2),
        ..StageSummary::default()
    }
}

fn ids(report: &Report) -> Vec<String> {
    findings(report).into_iter().map(|it| it.id).collect()
}

fn warn(report: &mut Report, code: &str) {
    report.warnings.push(Notice {
        code: code.to_owned(),
        message: String::new(),
        advice: String::new(),
    });
}

#[test]
fn largest_stage_names_the_cause() {
    for (times, id) in [
        ([90.0, 6.0, 1.0, 12.0], "generator"),
        ([0.1, 6.0, 0.3, 2.0], "linger"),
        ([0.1, 40.0, 1.0, 12.0], "broker"),
        ([0.1, 28.0, 60.0, 12.0], "broker"),
        ([0.1, 6.0, 60.0, 12.0], "fetch"),
        ([0.1, 5.0, 0.3, 11.5], "batch_wait"),
        ([0.1, 5.0, 0.3, 31.0], "store"),
        ([10.0, 9.0, 10.0, 11.0], "no_single_stage"),
    ] {
        let [delay, publish, fetch, store] = times;
        assert_eq!(ids(&run(delay, publish, fetch, store)), [id]);
    }
}

#[test]
fn records_that_wait_to_be_fetched_have_their_cause_before_or_after() {
    let without_waits = |publish, fetch, store| {
        let mut report = run(0.1, publish, fetch, store);
        report.settings = json!({"vehicles": 1_000, "linger_ms": 0.0, "batch_wait_ms": 0.0});
        report
    };
    assert_eq!(ids(&without_waits(0.4, 60.0, 2.0)), ["fetch"]);
    assert_eq!(ids(&without_waits(28.0, 60.0, 2.0)), ["broker"]);
    let slow_store = without_waits(0.4, 60.0, 30.0);
    assert_eq!(ids(&slow_store), ["store"]);
    let evidence = &findings(&slow_store)[0].evidence;
    assert!(
        evidence.ends_with("store latency p50 30.0 ms"),
        "{evidence}"
    );
}

#[test]
fn stage_that_is_slow_for_few_records_does_not_limit_the_run() {
    let mut report = run(0.1, 0.2, 0.3, 1.0);
    let fetch = &mut report.summary.stages.fetch_latency;
    (fetch.mean_us, fetch.p99_us) = (Some(10_000), Some(308_000));
    fetch.p90_us = Some(400);
    assert_eq!(ids(&report), Vec::<String>::new());
    report.summary.stages.fetch_latency.p90_us = Some(90_000);
    assert_eq!(
        ids(&report),
        Vec::<String>::new(),
        "most are fetched at once"
    );
    report.summary.stages.fetch_latency.p50_us = Some(9_000);
    assert_eq!(ids(&report), ["fetch"]);
}

#[test]
fn warnings_of_the_run_decide_between_causes_of_one_stage() {
    let mut late = run(90.0, 6.0, 1.0, 12.0);
    warn(&mut late, "client_cpu_bound");
    assert_eq!(ids(&late), ["machine"]);
    let mut waiting = run(0.1, 5.0, 0.3, 31.0);
    warn(&mut waiting, "mongo_pool_saturated");
    assert_eq!(ids(&waiting), ["connection_pool"]);
}

#[test]
fn finding_has_numbers_and_a_value_to_try() {
    let found = findings(&run(0.1, 5.0, 0.3, 11.5)).remove(0);
    assert_eq!(
        found.evidence,
        "store latency is 68 % of the mean end-to-end latency: p50 11.5 ms, p99 23.0 ms"
    );
    assert!(found.advice.unwrap().contains("`--batch-wait 2.5ms`"));
    assert_eq!(found.confidence, Confidence::High);
}

#[test]
fn growing_backlog_comes_first_with_the_excess_of_vehicles() {
    let mut report = run(0.1, 5.0, 0.3, 900.0);
    report.intervals = (0..20)
        .map(|second| Interval {
            start_s: f64::from(second),
            emitted: 1_000,
            stored: 700,
            backlog: 300 * u64::try_from(second).unwrap(),
            ..Interval::default()
        })
        .collect();
    let found = findings(&report);
    assert_eq!(ids(&report), ["falls_behind", "store"]);
    assert_eq!(
        found[0].message,
        "the pipeline falls behind by 300 records/s: 1,000 vehicles are 43 % too many"
    );
}

#[test]
fn numbers_that_tell_nothing_have_no_finding() {
    let mut outage = run(0.1, 5.0, 0.3, 31.0);
    outage.outages = vec![Outage {
        server: Server::Store,
        from_s: 1.0,
        to_s: 3.0,
        failed_requests: 1,
    }];
    assert_eq!(findings(&outage), []);
    let mut unlimited = run(0.1, 5.0, 0.3, 31.0);
    warn(&mut unlimited, "unlimited_rate");
    assert_eq!(findings(&unlimited), []);
    let mut few = run(0.1, 5.0, 0.3, 31.0);
    few.summary.stages.end_to_end_latency.count = 99;
    assert_eq!(findings(&few), []);
}

#[test]
fn stages_of_a_few_milliseconds_limit_nothing_unless_a_setting_makes_records_wait() {
    let without_waits = |delay, publish, fetch, store| {
        let mut report = run(delay, publish, fetch, store);
        report.settings = json!({"vehicles": 50, "linger_ms": 0.0, "batch_wait_ms": 0.0});
        ids(&report)
    };
    assert_eq!(without_waits(0.1, 0.4, 0.1, 1.5), [] as [&str; 0]);
    assert_eq!(without_waits(0.1, 2.5, 0.1, 1.5), [] as [&str; 0]);
    assert_eq!(without_waits(0.5, 0.5, 0.5, 0.5), [] as [&str; 0]);
    assert_eq!(without_waits(0.1, 0.4, 0.1, 9.0), ["store"]);
    assert_eq!(without_waits(0.1, 9.0, 0.1, 1.5), ["broker"]);
    let mut tails = run(0.1, 0.4, 0.1, 3.0);
    tails.settings = json!({"batch_wait_ms": 0.0});
    let store = &mut tails.summary.stages.store_latency;
    (store.mean_us, store.p90_us) = (Some(40_000), Some(200_000));
    assert_eq!(ids(&tails), ["store"]);
}

fn load(partition: i32, stored: u64, mean_us: u64) -> PartitionLoad {
    PartitionLoad {
        topic: "sensor".to_owned(),
        partition,
        acked: stored,
        stored,
        mean_us: Some(mean_us),
        max_us: Some(3 * mean_us),
    }
}

#[test]
fn partition_with_too_many_records_that_is_slower_for_it_is_named() {
    let skewed = |loads: &[PartitionLoad]| {
        let mut report = run(0.1, 0.4, 0.1, 1.5);
        report.settings = json!({"batch_wait_ms": 0.0});
        report.partitions = loads.to_vec();
        findings(&report)
    };
    let found = skewed(&[load(0, 900, 60_000), load(1, 50, 5_000), load(2, 50, 5_000)]);
    assert_eq!(found[0].id, "partition_skew");
    assert_eq!(
        found[0].message,
        "partition 0 of `sensor` has 2.7 times the mean number of records, and is slower than the others"
    );
    for even in [
        // Not slower, not fuller, fast, or too few.
        [load(0, 900, 6_000), load(1, 50, 5_000)],
        [load(0, 500, 60_000), load(1, 500, 5_000)],
        [load(0, 900, 3_000), load(1, 50, 1_000)],
        [load(0, 90, 60_000), load(1, 5, 5_000)],
    ] {
        assert_eq!(skewed(&even), [], "{even:?}");
    }
}

/// A run of 20 s whose slowest records were due in one window, passed through one partition, and
/// spent their time in the store.
fn run_with_tail(window: (f64, f64), partition: i32, store_us: u64) -> Report {
    let mut report = run(0.1, 0.4, 0.1, 1.5);
    report.settings = json!({"vehicles": 1_000, "batch_wait_ms": 0.0});
    report.summary.stages.end_to_end_latency.count = 20_000;
    report.intervals = (0..20)
        .map(|second| Interval {
            start_s: f64::from(second),
            phase: Some(IntervalPhase::Run),
            emitted: 1_000,
            stored: 1_000,
            ..Interval::default()
        })
        .collect();
    report.partitions = (0..4)
        .map(|partition| load(partition, 5_000, 2_000))
        .collect();
    report.tail = Some(Tail {
        records: 200,
        from_us: 80_000,
        publish_delay_us: 100,
        publish_latency_us: 100_000 - store_us,
        store_latency_us: store_us,
        windows: vec![TailWindow {
            from_s: window.0,
            to_s: window.1,
            records: 150,
        }],
        partitions: vec![TailPartition {
            topic: "sensor".to_owned(),
            partition,
            records: if partition == 3 { 190 } else { 60 },
        }],
        ..Tail::default()
    });
    report
}

#[test]
fn tail_says_when_and_where_its_records_waited() {
    let found = findings(&run_with_tail((4.0, 6.0), 3, 95_000));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].message,
        "the slowest 1 %: 75 % of them were due from 4 s to 6 s; 95 % of them passed through partition 3 of \
         `sensor`, which has 25 % of all records; store latency is 95 % of their time, and 71 % of that of all records"
    );
    assert_eq!(
        found[0].evidence,
        "200 records from 80.0 ms on, p50 2.10 ms"
    );
}

#[test]
fn tail_names_the_outage_in_its_window() {
    let mut report = run_with_tail((4.0, 6.0), 0, 95_000);
    report.outages = vec![Outage {
        server: Server::Store,
        from_s: 5.0,
        to_s: 6.0,
        failed_requests: 0,
    }];
    let found = findings(&report);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].message.contains("from 4 s to 6 s (store outage)"),
        "{found:?}"
    );
}

#[test]
fn tail_whose_records_wait_where_the_others_do_not_is_told() {
    let found = findings(&run_with_tail((0.0, 20.0), 0, 5_000));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .message
            .contains("publish latency is 95 % of their time"),
        "{found:?}"
    );
}

#[test]
fn tail_that_shares_nothing_or_is_not_far_is_no_finding() {
    assert_eq!(findings(&run_with_tail((0.0, 20.0), 0, 95_000)), []);
    let mut near = run_with_tail((4.0, 6.0), 3, 95_000);
    near.tail.as_mut().unwrap().from_us = 10_000;
    near.summary.stages.end_to_end_latency.p50_us = Some(2_100);
    assert_eq!(findings(&near), []);
}
