//! Goal: `convoy ab` says which side is slower only if one is, and why it could not compare.
//! Method: short trials on embedded servers, of equal sides and with a slow store on one.

use serde_json::Value;

use crate::place::{Outcome, Place};

/// A short load for both sides.
const COMMON: &str = "--backend embedded --dataset rows.csv --vehicles 10 --rate 10 \
                      --duration 300ms --warmup 0s --progress never";

fn comparison(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("no comparison: {outcome}"))
}

fn saved(place: &Place) -> Vec<String> {
    let runs = std::fs::read_dir(place.path("runs")).unwrap();
    let run = runs
        .map(|it| it.unwrap().path())
        .find(|it| it.is_dir())
        .unwrap();
    let mut files: Vec<String> = ["a", "b", "."]
        .into_iter()
        .flat_map(|name| std::fs::read_dir(run.join(name)).into_iter().flatten())
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .strip_prefix(&run)
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    files.sort();
    files
}

#[test]
fn slow_store_on_one_side_is_slower_and_fails_the_gate() {
    let place = Place::with_rows();
    let compared = place.convoy(&format!(
        "ab {COMMON} --b faults=slow-store=200ms@0s+60s --rounds 4 --max-rounds 8 --confirm 1 --fail-on slower --format json"
    ));
    assert_eq!(compared.code, 5, "{compared}");
    let json = comparison(&compared);
    assert_eq!(json["verdict"], "slower", "{compared}");
    assert_eq!(json["design"], "paired");
    // Eight pairs or more, and two that confirmed the difference.
    let pairs = json["base"].as_array().unwrap().len();
    assert!((10..=20).contains(&pairs), "{compared}");
    let p50 = &json["metrics"][1];
    assert_eq!(
        (&p50["metric"], &p50["verdict"]),
        (&"end_to_end_latency_p50".into(), &"slower".into())
    );
    assert!(p50["ratio"].as_f64().unwrap() > 1.5, "{compared}");
    assert_eq!(json["differences"][0]["name"], "faults");
    // The saved trials are reports that can be compared again.
    assert_eq!(saved(&place).len(), 2 * pairs + 4, "{:?}", saved(&place));
}

#[test]
fn few_rounds_of_equal_sides_are_never_a_difference() {
    let place = Place::with_rows();
    let compared = place.convoy(&format!("ab {COMMON} --rounds 1 --fail-on different"));
    assert_eq!(compared.code, 0, "{compared}");
    assert!(
        compared.stdout.contains("nothing differs in settings"),
        "{compared}"
    );
    assert!(
        compared.stdout.contains("verdict: inconclusive"),
        "{compared}"
    );
    assert!(
        compared.stderr.contains("pair 2 of 2: throughput"),
        "{compared}"
    );
}

#[test]
fn executables_are_compared() {
    let place = Place::with_rows();
    let convoy = env!("CARGO_BIN_EXE_convoy");
    let compared = place.convoy(&format!(
        "ab {COMMON} --a-exe {convoy} --b-exe {convoy} --b linger=20ms --rounds 1 --format json"
    ));
    assert_eq!(compared.code, 0, "{compared}");
    let json = comparison(&compared);
    assert_eq!(json["base"].as_array().unwrap().len(), 2);
    assert_eq!(json["differences"][0]["name"], "linger_ms", "{compared}");
}

#[test]
fn wrong_sides_are_errors() {
    let place = Place::with_rows();
    for (line, code, message) in [
        ("--a lingr=5ms", 2, "invalid settings of `--a`"),
        ("--b linger=5", 2, "invalid settings of `--b`"),
        ("--b rounds=5", 2, "`--b` cannot set `rounds=5`"),
        ("--linger 5ms --b linger=6ms", 2, "--linger"),
        ("--rounds 0", 2, "must be at least 1"),
        ("--rounds 61", 2, "must be at most 60"),
        ("--max-rounds 201", 2, "must be at most 200"),
        ("--a-exe ./none --b-exe ./none", 127, "cannot run `./none`"),
        (
            "--a-exe /bin/false --b-exe /bin/false",
            3,
            "a trial of `/bin/false` failed",
        ),
        (
            "--a store=mongodb://user:sentinel@a,x --backend embedded",
            2,
            "--a",
        ),
    ] {
        let failed = place.convoy(&format!("ab {line}"));
        assert_eq!(failed.code, code, "{line}: {failed}");
        assert!(failed.stderr.contains(message), "{line}: {failed}");
        assert!(!failed.stderr.contains("sentinel"), "{line}: {failed}");
    }
}
