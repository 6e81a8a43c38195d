//! Goal: a comparison of saved runs says what they tell, and no more.
//! Method: `convoy report compare` on reports with known differences, as files and as pages.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::place::Place;

/// Writes reports of one side into `runs/SIDE-N`, with the p50 of the end-to-end latency times a factor.
fn save(place: &Place, side: &str, factors: &[f64]) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/report.v1.json");
    let golden: Value = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
    for (number, factor) in factors.iter().enumerate() {
        let mut report = golden.clone();
        report["warnings"] = json!([]);
        report["run"]["id"] = json!(format!("{side}-{number}"));
        let latency = &mut report["summary"]["stages"]["end_to_end_latency"];
        let p50 = latency["p50_us"].as_f64().unwrap() * factor;
        let rounded: u64 = format!("{p50:.0}").parse().unwrap();
        latency["p50_us"] = json!(rounded);
        let directory = place.path(format!("runs/{side}-{number}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("report.json"), report.to_string()).unwrap();
    }
}

/// The names of five runs of a side.
fn five(side: &str) -> String {
    let names: Vec<String> = (0..5)
        .map(|number| format!("runs/{side}-{number}"))
        .collect();
    names.join(" ")
}

fn place() -> Place {
    let place = Place::empty();
    save(&place, "base", &[1.0, 1.01, 0.99, 1.0, 1.02]);
    save(&place, "equal", &[1.0, 1.0, 1.01, 0.99, 1.0]);
    save(&place, "slow", &[1.5, 1.6, 1.55, 1.45, 1.5]);
    save(&place, "wild", &[0.5, 1.9, 1.0, 0.8, 1.3]);
    place
}

#[test]
fn verdict_follows_from_the_runs() {
    let place = place();
    let base = five("base");
    for (side, verdict) in [
        ("equal", "same"),
        ("slow", "slower"),
        ("wild", "inconclusive"),
    ] {
        let compared = place.convoy(&format!(
            "report compare {base} --with {} --format json",
            five(side)
        ));
        assert_eq!(compared.code, 0, "{compared}");
        let json: Value = serde_json::from_str(&compared.stdout).unwrap();
        assert_eq!(json["verdict"], verdict, "{compared}");
    }
    let faster = place.convoy(&format!("report compare {} --with {base}", five("slow")));
    assert!(faster.stdout.contains("verdict: faster"), "{faster}");
}

#[test]
fn gate_exits_with_5_and_says_why() {
    let place = place();
    let compare = |side: &str, flags: &str| {
        let (base, side) = (five("base"), five(side));
        place.convoy(&format!("report compare {base} --with {side} {flags}"))
    };
    for (side, gate, code) in [
        ("slow", "slower", 5),
        ("slow", "different", 5),
        ("slow", "inconclusive", 5),
        ("equal", "inconclusive", 0),
        ("wild", "slower", 0),
        ("wild", "inconclusive", 5),
    ] {
        let compared = compare(side, &format!("--fail-on {gate}"));
        assert_eq!(compared.code, code, "{side} {gate}: {compared}");
        assert_eq!(
            compared.stderr.contains("end-to-end p50"),
            code == 5,
            "{compared}"
        );
    }
    let large = compare("slow", "--fail-on slower --threshold 80%");
    assert_eq!(large.code, 0, "{large}");
}

#[test]
fn markdown_has_a_table() {
    let place = place();
    let compared = place.convoy(&format!(
        "report compare {} --with {} --format markdown",
        five("base"),
        five("slow")
    ));
    assert!(
        compared.stdout.starts_with("### ❌ slower: end-to-end p50"),
        "{compared}"
    );
    assert!(
        compared.stdout.contains("| metric | base | candidate |"),
        "{compared}"
    );
}

#[test]
fn page_is_read_as_its_report() {
    let place = place();
    for number in 0..5 {
        let page = place.convoy(&format!("report html runs/slow-{number}"));
        assert_eq!(page.code, 0, "{page}");
        fs::remove_file(place.path(format!("runs/slow-{number}/report.json"))).unwrap();
    }
    let compared = place.convoy(&format!(
        "report compare {} --with {}",
        five("base"),
        five("slow")
    ));
    assert!(compared.stdout.contains("verdict: slower"), "{compared}");
}

#[test]
fn few_runs_have_no_verdict() {
    let place = place();
    let compared = place.convoy("report compare runs/base-0 --with runs/slow-0");
    assert_eq!(compared.code, 0, "{compared}");
    assert!(
        compared.stdout.contains("verdict: inconclusive"),
        "{compared}"
    );
    assert!(
        compared
            .stdout
            .contains("bounds need at least 4 more runs a side"),
        "{compared}"
    );
}

#[test]
fn impossible_comparisons_are_errors() {
    let place = place().file("runs/other.json", "{}");
    for (line, code, message) in [
        (
            "runs/base-0 --with runs/base-0/report.json",
            2,
            "is given twice",
        ),
        (
            "runs/base-0 runs/base-0 --with runs/slow-0",
            2,
            "is given twice",
        ),
        (
            "runs/base-0 --with runs/none",
            3,
            "failed to read `runs/none",
        ),
        (
            "runs/base-0 --with runs/other.json",
            3,
            "is not a convoy report",
        ),
        ("runs/base-0", 2, "--with"),
        ("runs/base-0 --with runs/slow-0 --threshold 5", 2, "`5%`"),
        (
            "runs/base-0 --with runs/slow-0 --confidence 100%",
            2,
            "99.99%",
        ),
    ] {
        let failed = place.convoy(&format!("report compare {line}"));
        assert_eq!(failed.code, code, "{line}: {failed}");
        assert!(failed.stderr.contains(message), "{line}: {failed}");
    }
}
