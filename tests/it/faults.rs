//! Goal: injected faults are reported, accounted for and reproducible, and a broken promise fails the
//! run.
//! Method: short runs of the executable with `--faults`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::place::{Outcome, Place};
use crate::serving::Up;

/// A run of about two seconds and 1,200 readings.
const RUN: &str = "simulate --backend embedded --dataset rows.csv --progress never \
                   --vehicles 30 --rate 20 --warmup 0s --duration 2s --format json";

fn faulty_run(faults: &str) -> Outcome {
    Place::with_rows().convoy(&format!("{RUN} --faults {faults}"))
}

fn report(outcome: &Outcome) -> Value {
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| {
        panic!("no report: {outcome}");
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/report.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let errors = schema.iter_errors(&report);
    let errors: Vec<String> = errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    report
}

fn list<'a>(report: &'a Value, name: &str) -> &'a Vec<Value> {
    report["faults"][name].as_array().unwrap()
}

/// Names of the invariants that held, or that did not.
fn held(report: &Value, held: bool) -> Vec<&str> {
    let these = list(report, "invariants").iter();
    these
        .filter(|invariant| invariant["held"] == held)
        .map(|invariant| invariant["name"].as_str().unwrap())
        .collect()
}

fn warned(report: &Value) -> bool {
    let mut warnings = report["warnings"].as_array().unwrap().iter();
    warnings.any(|warning| warning["code"] == "faults_injected")
}

#[test]
fn every_kind_of_data_fault_is_accounted_for() {
    let outcome = faulty_run(
        "data=missing-batch:0.05+out-of-order:0.03+duplicate:0.03+na-storm:0.03+wrong-type:0.02\
         +extra-column:0.02+missing-column:0.02+truncated-header:0.02+oversized:0.003",
    );
    assert_eq!(outcome.code, 0, "{outcome}");
    let report = report(&outcome);
    let data = list(&report, "data");
    assert_eq!(data.len(), 9);
    for account in data {
        assert!(account["injected"].as_u64() > Some(0), "{account}");
        assert_eq!(account["injected"], account["accounted"], "{account}");
    }
    let verdict = &report["verdict"];
    let count = |name: &str| verdict[name].as_u64().unwrap();
    assert_eq!(count("emitted"), count("stored") + count("dead_lettered"));
    assert_eq!(count("declared"), count("dead_lettered"));
    assert_eq!(count("emitted") + count("withheld"), 1_200);
    assert_eq!(held(&report, false), Vec::<&str>::new());
    assert!(warned(&report));
}

#[test]
fn data_faults_with_schema_ids_are_accounted_for() {
    let outcome = faulty_run(
        "data=na-storm:0.03+wrong-type:0.03+extra-column:0.03+missing-column:0.03 \
         --encoding confluent",
    );
    assert_eq!(outcome.code, 0, "{outcome}");
    for account in list(&report(&outcome), "data") {
        assert!(account["injected"].as_u64() > Some(0), "{account}");
        assert_eq!(account["injected"], account["accounted"], "{account}");
    }
}

#[test]
fn restarts_hangs_and_cut_connections_lose_no_record() {
    let outcome = faulty_run(
        "broker-restart@600ms,store-restart@1s,store-hang@1200ms+300ms,broker-hang@1500ms+200ms,\
         slow-store=20ms@200ms+300ms,broker-cut-after-append=0.02,store-cut-after-apply=0.02,\
         broker-not-ready=0.02,store-concern-unmet=0.02",
    );
    assert_eq!(outcome.code, 0, "{outcome}");
    let report = report(&outcome);
    assert_eq!(report["status"], "complete");
    assert_eq!(report["verdict"]["stored"], 1_200);
    let events = list(&report, "events");
    assert_eq!(events.len(), 5, "{events:?}");
    // A fault that follows another within a second has no complete second before it.
    assert!(
        events.iter().any(|event| event.get("effect").is_some()),
        "{events:?}"
    );
    for event in events {
        assert!(event.get("outcome").is_none(), "{event}");
    }
    let requests = list(&report, "requests").iter();
    let injected: u64 = requests
        .filter_map(|request| request["count"].as_u64())
        .sum();
    assert!(injected > 0);
    let all = ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9"];
    assert_eq!(held(&report, true), all);
}

#[test]
fn proxies_inject_faults_before_existing_servers() {
    let up = Up::alone("--tls");
    let place = Place::with_rows().file(".env", &up.env);
    let line = RUN.replace("--backend embedded", "--backend external");
    let outcome = place.convoy(&format!(
        "{line} --faults store-cut-before-apply=0.05,store-cut-after-apply=0.05,\
         store-hang@700ms+300ms,slow-store=10ms@1200ms+300ms,\
         broker-cut-before-append=0.01,broker-cut-after-append=0.01,broker-cut-on-fetch=0.01,\
         broker-hang@1000ms+300ms,slow-broker=5ms@1400ms+300ms"
    ));
    assert_eq!(outcome.code, 0, "{outcome}");
    let report = report(&outcome);
    let alike = outcome.stderr.matches("retrying a fetch").count();
    assert!(alike <= 3, "{outcome}");
    assert_eq!(report["topology"]["broker"], "external");
    assert_eq!(report["topology"]["store"], "external");
    assert_eq!(report["verdict"]["stored"], 1_200);
    assert_eq!(list(&report, "events").len(), 4);
    for request in list(&report, "requests") {
        assert!(request["count"].as_u64() > Some(0), "{request}");
    }
    for restart in ["broker-restart@1s", "store-restart@1s"] {
        let refused = place.convoy(&format!("{line} --faults {restart}"));
        assert_eq!(refused.code, 2, "{refused}");
    }
    assert_eq!(up.stop().0, Some(0));
}

/// Row 2 of the fault matrix.
#[test]
fn broker_crash_that_loses_acknowledged_records_fails_the_run() {
    let outcome = faulty_run("broker-crash@1s");
    assert_eq!(outcome.code, 1, "{outcome}");
    let report = report(&outcome);
    assert_eq!(report["status"], "invalid");
    assert!(
        report["verdict"]["log_truncations"].as_u64() > Some(0),
        "{outcome}"
    );
    let lost = list(&report, "events")[0]["outcome"].as_str().unwrap();
    assert!(lost.ends_with("acknowledged records lost"), "{lost}");
    assert!(held(&report, false).contains(&"I6"), "{outcome}");
}

#[test]
fn chaos_loses_no_record_and_is_reproducible() {
    let place = Place::with_rows();
    for seed in [7, 8] {
        let outcome = place.convoy(&format!("{RUN} --faults chaos --seed {seed}"));
        assert_eq!(outcome.code, 0, "seed {seed}: {outcome}");
        let first = report(&outcome);
        let replay = first["faults"]["replay"].as_str().unwrap();
        assert!(!replay.contains("chaos"), "{replay}");
        assert!(outcome.stderr.contains(replay), "{outcome}");
        let line = replay.strip_prefix("convoy ").unwrap();
        let again = report(&place.convoy(line));
        assert_eq!(again["faults"]["plan"], first["faults"]["plan"]);
        let injected = |report: &Value| -> Vec<(Value, Value)> {
            let data = list(report, "data").iter();
            data.map(|it| (it["kind"].clone(), it["injected"].clone()))
                .collect()
        };
        assert_eq!(injected(&again), injected(&first));
    }
}

#[test]
fn dead_letters_above_the_limit_fail_the_run() {
    let limited = |limit| faulty_run(&format!("data=wrong-type:0.02 --max-dead-letters {limit}"));
    let outcome = limited(1);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert_eq!(report(&outcome)["thresholds"][0]["passed"], false);
    assert_eq!(limited(1_000).code, 0);
}

#[test]
fn scenario_accepts_a_fault_plan() {
    let place = Place::with_rows().file("plan.toml", "faults = \"data=duplicate:0.05\"\n");
    let outcome = place.convoy(&format!("{RUN} --scenario plan.toml"));
    assert_eq!(outcome.code, 0, "{outcome}");
    let report = report(&outcome);
    assert_eq!(report["settings"]["faults"], "data=duplicate:0.05");
    assert_eq!(list(&report, "data")[0]["kind"], "duplicate");
}

#[test]
fn invalid_fault_plan_is_rejected_before_the_start() {
    let place = Place::with_rows();
    let errors = [
        "--faults broker-restrt@5s",
        "--faults data=duplicates:0.1",
        "--faults data=out-of-order:0.1 --key none",
        "--faults broker-restart@1s --sink null",
        "--faults broker-restart@1s --broker 127.0.0.1:1 --store embedded",
    ]
    .map(|flags| {
        let line = RUN.replace("--backend embedded", "");
        let outcome = place.convoy(&format!("{line} {flags}"));
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (2, ""),
            "{outcome}"
        );
        outcome.stderr
    });
    insta::assert_snapshot!(errors.join("\n"), @"
    error: invalid value 'broker-restrt@5s' for '--faults <PLAN>': at character 1: unknown fault `broker-restrt`; did you mean `broker-restart`?

    For more information, try '--help'.

    error: invalid value 'data=duplicates:0.1' for '--faults <PLAN>': at character 6: unknown data fault `duplicates`; did you mean `duplicate`?

    For more information, try '--help'.

    error: the fault `out-of-order` needs `--key vehicle`, but `--key` is `none`

    hint: remove the fault, or pass `--key vehicle`

    error: `--faults` cannot be used with `--sink null`

    hint: remove one of the two options

    dataset rows · 3 rows · 3 columns: 1 integer, 1 decimal, 1 text
      rows.csv: delimiter `,`, header in line 1, UTF-8
      missing values: empty (1), `na` (1)
    broker: external 127.0.0.1:1 (--broker)
    store: embedded (--store)
    provisioning
    provisioning: injecting faults; repeat them with: convoy simulate --dataset rows.csv --progress never --vehicles 30 --rate 20 --warmup 0s --duration 2s --format json --broker 127.0.0.1:1 --store embedded --faults=broker-restart@1s --seed=42
    error: cannot inject `broker-restart` into this broker

    hint: pass `--broker embedded`, which supports every fault; `docs/faults.md` lists the faults of other servers
    ");
}
