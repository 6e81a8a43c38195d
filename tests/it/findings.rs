//! The finding of a run names the cause that was put into it.

use serde_json::Value;

use crate::place::Place;

/// Runs a small fleet and returns the ids of its findings.
fn findings(flags: &str) -> Vec<String> {
    let place = Place::with_rows();
    let line = format!(
        "simulate --vehicles 20 --rate 5 --warmup 500ms --duration 3s --backend embedded \
         --format json --progress never {flags}"
    );
    let outcome = place.convoy(&line);
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let ids = findings
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned());
    ids.collect()
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
        let runs = causes.map(|(flags, id)| (flags, id, scope.spawn(|| findings(flags))));
        for (flags, id, run) in runs {
            assert_eq!(run.join().unwrap(), [id], "{flags}");
        }
    });
}
