//! Goal: a report describes the run that took place: the connections, the topics and the build.
//! Method: the executable against servers of `convoy up`, and against its embedded servers.

use serde_json::Value;

use crate::place::{Outcome, Place};
use crate::serving::Up;

/// A short run through existing servers.
const EXTERNAL: &str = "simulate --backend external --dataset rows.csv --topic readings \
                        --vehicles 2 --rate max --records 10 --progress never --format json";

/// A short run through embedded servers.
const EMBEDDED: &str = "simulate --backend embedded --dataset rows.csv --vehicles 2 --rate max \
                        --records 10 --progress never";

fn report(outcome: &Outcome) -> Value {
    assert_eq!(outcome.code, 0, "{outcome}");
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("no report: {outcome}"))
}

fn pool_saturated(report: &Value) -> bool {
    let mut warnings = report["warnings"].as_array().unwrap().iter();
    warnings.any(|warning| warning["code"] == "mongo_pool_saturated")
}

#[test]
fn topology_of_a_run_over_tls_is_encrypted() {
    for (flags, encrypted) in [("--tls", true), ("", false)] {
        let up = Up::alone(flags);
        let place = Place::with_rows().file(".env", &up.env);
        let report = report(&place.convoy(EXTERNAL));
        assert_eq!(report["topology"]["broker"], "external");
        assert_eq!(report["topology"]["tls"], encrypted, "`up {flags}`");
        assert_eq!(up.stop().0, Some(0));
    }
}

#[test]
fn topology_has_the_partitions_of_an_existing_topic() {
    let up = Up::alone("");
    let place = Place::with_rows().file(".env", &up.env);
    let created = report(&place.convoy(&format!("{EXTERNAL} --partitions 3")));
    assert_eq!(created["topology"]["partitions"], 3);
    let existing = report(&place.convoy(EXTERNAL));
    assert_eq!(existing["topology"]["partitions"], 3);
    assert_eq!(up.stop().0, Some(0));
}

/// `RUSTFLAGS="--cfg convoy_unaudited" cargo test --test it reports::` checks the other build.
#[test]
fn only_a_build_without_hashes_reports_that_content_was_not_compared() {
    let unaudited = cfg!(convoy_unaudited);
    let place = Place::with_rows();
    let json = report(&place.convoy(&format!("{EMBEDDED} --format json")));
    let warnings = json["warnings"].as_array().unwrap();
    let warned = warnings.iter().any(|it| it["code"] == "unaudited_build");
    assert_eq!(warned, unaudited, "{warnings:?}");
    let text = place.convoy(EMBEDDED).stdout;
    assert_eq!(text.contains("content not compared"), unaudited, "{text}");
    assert_eq!(
        text.contains("verdict, warm-up included: clean"),
        !unaudited,
        "{text}"
    );
}

/// A consumer has one writer per partition, so 32 partitions need more than its connections.
#[test]
fn waits_for_store_connections_are_a_warning() {
    let up = Up::alone("");
    let place = Place::with_rows().file(".env", &up.env);
    let produced = place.convoy(
        "produce --dataset rows.csv --topic readings --partitions 32 --vehicles 64 --rate max \
         --records 2000 --progress never",
    );
    assert_eq!(produced.code, 0, "{produced}");
    let consumed = report(&place.convoy(
        "consume --topic readings --batch-records 1 --idle 1s --progress never --format json",
    ));
    assert!(pool_saturated(&consumed), "{}", consumed["warnings"]);
    let simulated = report(&place.convoy(&EXTERNAL.replace("readings", "others")));
    assert!(!pool_saturated(&simulated), "{}", simulated["warnings"]);
    assert_eq!(up.stop().0, Some(0));
}
