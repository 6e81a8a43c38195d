//! The finding of a run names the cause that was put into it.

use serde_json::Value;

use crate::place::Place;

/// Runs a small fleet and returns its report.
fn report(flags: &str) -> Value {
    let place = Place::with_rows();
    let load = ["--vehicles 20", "--rate 5", "--duration 3s"];
    let given = |option: &&&str| !flags.contains(option.split(' ').next().unwrap());
    let load: Vec<&str> = load.iter().filter(given).copied().collect();
    let line = format!(
        "simulate {} --warmup 500ms --backend embedded --format json --progress never {flags}",
        load.join(" ")
    );
    let outcome = place.convoy(&line);
    assert_eq!(outcome.code, 0, "{outcome}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// Returns the ids of the findings of a report.
fn ids(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let ids = findings
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[test]
fn finding_names_the_partition_with_too_many_records() {
    // Two of the three vehicles share a partition, which gets more than its consumer inserts.
    let found = ids(&report(
        "--vehicles 3 --rate 40 --partitions 4 --consumers 4 --batch-records 2 --batch-wait 0ms \
         --faults slow-store=20ms@0s+60s",
    ));
    assert!(found.contains(&"partition_skew".to_owned()), "{found:?}");
}

/// On a busy machine all records are slow, so that the slowest are not far from the others.
#[test]
fn finding_names_the_seconds_of_the_slowest_records() {
    let report = report("--rate 20 --duration 6s --faults store-hang@2s+1s");
    let slowest = report["tail"]["from_us"].as_u64().unwrap();
    let p50 = report["summary"]["stages"]["end_to_end_latency"]["p50_us"].as_u64();
    if slowest >= 5 * p50.unwrap() {
        assert!(ids(&report).contains(&"tail".to_owned()), "{report:#}");
    }
}

#[test]
fn finding_names_the_server_or_the_setting_that_limits_the_run() {
    let causes = [
        ("--faults slow-store=300ms@0s+60s", "store"),
        ("--faults slow-broker=900ms@0s+60s", "broker"),
        ("--linger 2s", "linger"),
        ("--batch-wait 2s", "batch_wait"),
    ];
    std::thread::scope(|scope| {
        let runs = causes.map(|(flags, id)| (flags, id, scope.spawn(|| ids(&report(flags)))));
        for (flags, id, run) in runs {
            assert_eq!(run.join().unwrap(), [id], "{flags}");
        }
    });
}
