//! Goal: a run reports on stdout, in files and with its exit status, and leaves no other files.
//! Method: short runs of the executable against its embedded servers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::place::Place;

/// A run that takes about a second.
const SHORT: &str = "simulate --backend embedded --dataset rows.csv --progress never \
                     --vehicles 5 --rate 20 --records 40";

/// A run that only ends when it is interrupted.
const ENDLESS: &str = "simulate --backend embedded --dataset rows.csv --progress never \
                       --format json --rate 20 --warmup 0s --duration 1h";

pub fn published_schema() -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/report.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Waits until the child writes a line that starts with `start`.
fn wait_for(stderr: &mut BufReader<ChildStderr>, start: &str) {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "{said}");
        if line.starts_with(start) {
            return;
        }
        said.push_str(&line);
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn clean_run_reports_on_stdout_and_in_files() {
    let place = Place::with_rows();
    let outcome = place.convoy(&format!("{SHORT} --format json"));
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let errors: Vec<String> = published_schema()
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(report["status"], "complete");
    assert_eq!(report["verdict"]["emitted"], 40);
    assert_eq!(report["verdict"]["stored"], 40);
    assert_eq!(report["settings"]["vehicles"], 5);

    let run = place.only_run();
    let files = [
        "intervals.csv",
        "latency.hdr",
        "report.html",
        "report.json",
        "run.log",
    ];
    assert_eq!(entries(&run), files);
}

#[test]
fn page_alone_shows_the_report_and_is_written_again_from_the_other_files() {
    let place = Place::with_rows();
    let outcome = place.convoy(SHORT);
    assert_eq!(outcome.code, 0, "{outcome}");
    let run = place.only_run();
    let page = fs::read(run.join("report.html")).unwrap();
    fs::write(place.path("copy.html"), &page).unwrap();
    let shown = place.convoy("report show copy.html");
    assert_eq!(shown.code, 0, "{shown}");
    assert!(
        shown.stdout.contains("verdict, warm-up included: clean"),
        "{shown}"
    );

    fs::remove_file(run.join("report.html")).unwrap();
    let rebuilt = place.convoy(&format!("report html {}", run.display()));
    assert_eq!(rebuilt.code, 0, "{rebuilt}");
    assert_eq!(fs::read(run.join("report.html")).unwrap(), page);
}

#[test]
fn shipped_rows_are_replayed_without_a_dataset() {
    let outcome = Place::empty().convoy(
        "simulate --backend embedded --records 10 --rate max --vehicles 2 --progress never --format json",
    );
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
    assert_eq!(
        (outcome.code, &report["verdict"]["stored"]),
        (0, &10.into()),
        "{outcome}"
    );
}

#[test]
fn messages_with_schema_ids_are_stored() {
    let place = Place::with_rows();
    let outcome = place.convoy(&format!("{SHORT} --encoding confluent --format json"));
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["settings"]["encoding"], "confluent");
    assert_eq!(report["verdict"]["stored"], 40);
    assert_eq!(report["verdict"]["dead_lettered"], 0);
    assert_eq!(entries(place.temporary()), Vec::<String>::new());
}

#[test]
fn exceeded_threshold_fails_the_run() {
    let outcome = Place::with_rows().convoy(&format!("{SHORT} --min-throughput 1000000"));
    assert_eq!(outcome.code, 5, "{outcome}");
    assert!(
        outcome
            .stdout
            .contains("--min-throughput 1,000,000 records/s: FAILED"),
        "{outcome}"
    );
    // The report may be in a file: the reason is on stderr as well.
    let last = outcome.stderr.lines().last().unwrap();
    let reason = "error: --min-throughput 1,000,000 records/s: failed with ";
    assert!(last.starts_with(reason), "{outcome}");
}

#[test]
fn interrupted_run_drains_audits_and_reports() {
    let place = Place::with_rows();
    let mut child = place.start(ENDLESS);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for(&mut stderr, "run");
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["status"], "interrupted");
    assert_eq!(report["verdict"]["emitted"], report["verdict"]["stored"]);
    assert_eq!(entries(place.temporary()), Vec::<String>::new());
}

#[test]
fn next_run_removes_the_data_of_a_killed_one() {
    let place = Place::with_rows();
    let mut child = place.start(ENDLESS);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for(&mut stderr, "run");
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    assert_eq!(entries(place.temporary()).len(), 1);

    let outcome = place.convoy("clean --dry-run");
    assert!(
        outcome.stdout.starts_with("would remove directory"),
        "{outcome}"
    );
    assert_eq!(entries(place.temporary()).len(), 1);
    let outcome = place.convoy(SHORT);
    assert_eq!(outcome.code, 0, "{outcome}");
    assert_eq!(entries(place.temporary()), Vec::<String>::new());
}
