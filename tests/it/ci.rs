//! Goal: a CI system gets the outcome of a run in its own forms, and a run can be repeated.
//! Method: short runs of the executable, and the files that they write.

use std::fs;

use serde_json::Value;

use crate::place::Place;

/// A run that takes about a second.
const SHORT: &str = "simulate --backend embedded --dataset rows.csv --progress never \
                     --vehicles 5 --rate 20 --records 40";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn run_writes_junit_summary_events_and_history() {
    let place = Place::with_rows();
    let summary = place.path("summary.md");
    let place = place.variable("GITHUB_STEP_SUMMARY", summary.to_str().unwrap());
    let line = format!(
        "{SHORT} --run-id nightly --min-throughput 1000000 --junit junit.xml --events events.ndjson"
    );
    let outcome = place.convoy(&line);
    assert_eq!(outcome.code, 5, "{outcome}");

    let junit = fs::read_to_string(place.path("junit.xml")).unwrap();
    assert!(
        junit.contains(r#"tests="2" skipped="0" failures="1" errors="0""#),
        "{junit}"
    );
    assert!(
        junit.contains("--min-throughput 1,000,000 records/s: failed with"),
        "{junit}"
    );

    let summary = fs::read_to_string(summary).unwrap();
    assert!(
        summary.starts_with("### ❌ convoy run nightly\n"),
        "{summary}"
    );

    let events = fs::read_to_string(place.path("events.ndjson")).unwrap();
    let events: Vec<Value> = events.lines().map(json).collect();
    assert_eq!(events[0]["event"], "start");
    assert_eq!(events[0]["run"], "nightly");
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["passed"]),
        (&"end".into(), &false.into())
    );
    assert!(events.iter().any(|event| event["event"] == "interval"));

    let history = fs::read_to_string(place.path("runs/history.csv")).unwrap();
    assert_eq!(history.lines().count(), 2, "{history}");
    assert!(
        history.lines().nth(1).unwrap().starts_with("nightly,"),
        "{history}"
    );

    let again = place.convoy(&line);
    assert_eq!(again.code, 2, "{again}");
    assert!(
        again.stderr.contains("run `nightly` already exists"),
        "{again}"
    );
}

#[test]
fn command_that_fails_before_its_report_is_a_junit_error() {
    let place = Place::empty();
    let outcome =
        place.convoy("simulate --backend embedded --dataset absent.csv --junit junit.xml");
    assert_eq!(outcome.code, 3, "{outcome}");
    let junit = fs::read_to_string(place.path("junit.xml")).unwrap();
    assert!(junit.contains("absent.csv"), "{junit}");
    assert!(junit.contains(r#"errors="1""#), "{junit}");
}

#[test]
fn unwritable_output_is_rejected_before_the_run() {
    for option in ["junit", "events"] {
        let place = Place::with_rows().file("taken", "");
        let outcome = place.convoy(&format!("{SHORT} --{option} taken/file"));
        assert_eq!(outcome.code, 3, "{outcome}");
        assert!(
            outcome.stderr.contains("failed to write `taken/file`"),
            "{outcome}"
        );
        assert!(!place.path("runs").exists(), "{outcome}");
    }
}

#[test]
fn run_is_repeated_with_its_options_and_flags_override_them() {
    let place = Place::with_rows().variable("CONVOY_VEHICLES", "7");
    let line = "simulate --backend embedded --dataset rows.csv --progress never --rate 20 \
                --records 40 --seed 5 --linger 2ms --format json";
    let first = place.convoy(line);
    assert_eq!(first.code, 0, "{first}");
    let again = place.only_run();
    let place = place.variable("CONVOY_VEHICLES", "9");
    let line = format!(
        "simulate --again {} --seed 6 --format json",
        again.display()
    );
    let again = place.convoy(&line);
    assert_eq!(again.code, 0, "{again}");
    let (first, again) = (json(&first.stdout), json(&again.stdout));
    for setting in ["vehicles", "linger_ms", "records", "dataset"] {
        assert_eq!(
            again["settings"][setting], first["settings"][setting],
            "{setting}"
        );
    }
    assert_eq!(again["settings"]["vehicles"], 7);
    assert_eq!(
        (&first["run"]["seed"], &again["run"]["seed"]),
        (&5.into(), &6.into())
    );
}

#[test]
fn run_of_another_kind_cannot_be_repeated() {
    let place = Place::empty();
    let outcome = place.convoy("simulate --again absent");
    assert_eq!(outcome.code, 2, "{outcome}");
    assert!(
        outcome.stderr.contains("cannot repeat the run `absent`"),
        "{outcome}"
    );
}

#[test]
fn figures_are_exported_for_other_services() {
    let place = Place::with_rows();
    assert_eq!(place.convoy(SHORT).code, 0);
    let run = place.only_run();
    let export = |form: &str| {
        let outcome = place.convoy(&format!("report export --for {form} {}", run.display()));
        assert_eq!(outcome.code, 0, "{outcome}");
        json(&outcome.stdout)
    };
    assert!(export("bencher")["convoy"]["end_to_end_p99"]["value"].is_number());
    assert_eq!(export("action-bigger")[0]["name"], "convoy/throughput");
    assert_eq!(export("action-smaller")[0]["unit"], "ms");
}
