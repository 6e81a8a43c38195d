//! Goal: `consume` says what became of records that it cannot store.
//! Method: records whose header is cut off by a fault, read by groups with different options.

use serde_json::Value;

use crate::place::{Outcome, Place};
use crate::serving::Up;

/// Records in the topic.
const RECORDS: u64 = 40;

/// A topic with records that no group can store.
struct Topic {
    place: Place,
    _up: Up,
    /// Records that cannot be stored.
    bad: u64,
}

impl Topic {
    fn with_bad_records() -> Self {
        let up = Up::alone("");
        let place = Place::with_rows().file(".env", &up.env);
        let outcome = place.convoy(&format!(
            "simulate --backend external --dataset rows.csv --topic bad --vehicles 2 --rate 100 \
             --records {RECORDS} --progress never --format json --faults data=truncated-header:0.2"
        ));
        assert_eq!(outcome.code, 0, "{outcome}");
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let bad = report["verdict"]["dead_lettered"].as_u64().unwrap();
        assert!(bad > 1, "{outcome}");
        Self {
            place,
            _up: up,
            bad,
        }
    }

    /// Consumes everything into a collection named after the group.
    fn consume(&self, group: &str, options: &str) -> (Outcome, Value) {
        let outcome = self.place.convoy(&format!(
            "consume --topic bad --group {group} --collection {group} --idle 1s --progress never \
             --format json {options}"
        ));
        let report = serde_json::from_str(&outcome.stdout);
        let report = report.unwrap_or_else(|error| panic!("{error}: {outcome}"));
        (outcome, report)
    }
}

fn counter(report: &Value, name: &str) -> u64 {
    report["counters"][name].as_u64().unwrap()
}

#[test]
fn dead_letters_fail_unless_they_are_allowed() {
    let topic = Topic::with_bad_records();
    let bad = topic.bad;
    let fewer = bad - 1;
    for (group, options, code) in [
        ("none", String::new(), 1),
        ("fewer", format!("--max-dead-letters {fewer}"), 1),
        ("all", format!("--max-dead-letters {bad}"), 0),
        ("more", "--max-dead-letters 1000".to_owned(), 0),
    ] {
        let (outcome, report) = topic.consume(group, &options);
        assert_eq!(outcome.code, code, "{outcome}");
        assert_eq!(counter(&report, "dead_lettered"), bad, "{outcome}");
        assert_eq!(counter(&report, "stored"), RECORDS - bad, "{outcome}");
        let place = format!(
            "{bad} records are dead letters, with reasons: in the collection \
             `convoy.{group}_dead_letters` and the topic `bad.dead-letters`"
        );
        assert!(outcome.stderr.contains(&place), "{outcome}");
        let hint = outcome
            .stderr
            .contains(&format!("--max-dead-letters {bad}`"));
        assert_eq!(hint, code == 1, "{outcome}");
    }
}

#[test]
fn first_bad_record_stops_a_consumer_that_is_told_so() {
    let topic = Topic::with_bad_records();
    let (outcome, report) = topic.consume("careful", "--on-error stop");
    assert_eq!(outcome.code, 1, "{outcome}");
    assert_eq!(counter(&report, "dead_lettered"), 0, "{outcome}");
    assert_eq!(report["status"], "invalid", "{outcome}");
    for said in ["bad", "offset", "--on-error dead-letter"] {
        let error = outcome.stderr.split("error: ").last().unwrap();
        assert!(error.contains(said), "{said}: {outcome}");
    }
    // Nothing is lost: the group goes on where it stopped.
    let (outcome, later) = topic.consume("careful", "--max-dead-letters 1000");
    assert_eq!(outcome.code, 0, "{outcome}");
    let stored = counter(&report, "stored") + counter(&later, "stored");
    assert_eq!(stored, RECORDS - topic.bad, "{outcome}");
    assert_eq!(counter(&later, "dead_lettered"), topic.bad, "{outcome}");
}

/// A topic with more records than a consumer stores at once.
struct LongTopic {
    place: Place,
    _up: Up,
}

/// Records in a [`LongTopic`], in one partition.
const MANY: u64 = 20_000;

impl LongTopic {
    fn new() -> Self {
        let up = Up::alone("");
        let place = Place::with_rows().file(".env", &up.env);
        let outcome = place.convoy(&format!(
            "produce --dataset rows.csv --topic long --partitions 1 --vehicles 10 --rate max \
             --records {MANY} --warmup 0s --progress never"
        ));
        assert_eq!(outcome.code, 0, "{outcome}");
        Self { place, _up: up }
    }
}

#[test]
fn a_consumer_tells_of_unread_records_and_fails_if_it_was_to_read_all() {
    let topic = LongTopic::new();
    for (group, options) in [
        ("all", "--idle 1s"),
        ("some", "--idle 10m --records 1"),
        ("short", "--duration 1ms"),
        ("late", "--idle 10m --duration 1ms"),
    ] {
        let outcome = topic.place.convoy(&format!(
            "consume --topic long --group {group} --collection {group} --batch-records 10 \
             --progress never --format json {options}"
        ));
        let report: Value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|error| panic!("{error}: {outcome}"));
        // How much is read in the time depends on the machine.
        let unread = MANY - counter(&report, "stored");
        let told = outcome.stderr.contains("unread")
            || outcome
                .stderr
                .contains("records of the owned partitions are not stored");
        let fails = group == "late" && told;
        assert_eq!(outcome.code, i32::from(fails), "{options}: {outcome}");
        assert!(!told || unread > 0, "{options}: {outcome}");
        if group == "all" {
            assert_eq!(unread, 0, "{options}: {outcome}");
        }
    }
}
