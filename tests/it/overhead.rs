//! Goal: what the audit costs while records flow stays below a tenth of the throughput.
//! Method: `just overhead` builds convoy with and without the hashes of the audit; both run as fast
//! as they can, one after the other and in turns, so that what the machine does meets both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Pairs of runs.
const PAIRS: usize = 7;

/// Share of the throughput that the audit may cost.
const MOST: f64 = 0.10;

#[test]
#[ignore = "needs two builds: just overhead"]
fn the_audit_costs_less_than_a_tenth_of_the_throughput() {
    let build = |name: &str| PathBuf::from(std::env::var_os(name).expect("run by just overhead"));
    let (with, without) = (build("CONVOY_AUDITED"), build("CONVOY_UNAUDITED"));
    let mut costs = Vec::new();
    for pair in 0..PAIRS {
        // Who comes first has the colder caches.
        let (audited, unaudited) = if pair % 2 == 0 {
            let audited = throughput(&with);
            (audited, throughput(&without))
        } else {
            let unaudited = throughput(&without);
            (throughput(&with), unaudited)
        };
        let cost = 1.0 - audited / unaudited;
        println!(
            "audited {audited:.0}/s, unaudited {unaudited:.0}/s: {:.1} %",
            cost * 100.0
        );
        costs.push(cost);
    }
    costs.sort_by(f64::total_cmp);
    let median = costs[PAIRS / 2];
    println!("median {:.1} %", median * 100.0);
    assert!(median < MOST, "{median}");
}

fn throughput(build: &Path) -> f64 {
    let place = tempfile::tempdir().unwrap();
    let build = fs::canonicalize(build).unwrap();
    let dataset = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
    let output = Command::new(build)
        .args(["simulate", "--backend", "embedded", "--progress", "never"])
        .args(["--vehicles", "1000", "--rate", "max", "--records", "200000"])
        .args(["--format", "json", "--dataset"])
        .arg(dataset)
        .current_dir(place.path())
        .env_clear()
        .env("TMPDIR", place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"]["stored"], 200_000, "{said}");
    let throughput = &report["summary"]["throughput_records_per_second"];
    throughput.as_f64().unwrap()
}
