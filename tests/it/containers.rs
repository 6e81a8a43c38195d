//! Goal: containers are started, connected to, watched and removed correctly, whatever happens.
//! Method: whole runs on images that stand in for Redpanda and MongoDB.
//!
//! Run with `just test-containers`; the tests that need no engine run with all others.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::place::{Outcome, Place};
use crate::stand_in::{Engine, MONGO, REDPANDA};

const COMMAND: &str = "simulate --backend containers --dataset rows.csv --progress never";

/// A run on images with these tags.
fn run_on(broker: &str, store: &str) -> String {
    format!("{COMMAND} --redpanda-image {REDPANDA}:{broker} --mongo-image {MONGO}:{store}")
}

fn short() -> String {
    format!(
        "{} --format json --vehicles 5 --rate 20 --records 40",
        run_on("works", "works")
    )
}

fn endless() -> String {
    format!(
        "{} --format json --rate 20 --warmup 0s --duration 1h",
        run_on("works", "works")
    )
}

/// A run that does not end by itself.
struct Running {
    child: Child,
    /// Reads its output, so that the pipe does not fill up.
    stderr: JoinHandle<String>,
}

impl Running {
    /// Starts a run; returns when it emits readings.
    fn start(place: &Place) -> Self {
        let mut child = place.start(&endless());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut output = String::new();
        while !output.lines().any(|line| line.starts_with("run")) {
            assert!(stderr.read_line(&mut output).unwrap() > 0, "{output}");
        }
        let stderr = std::thread::spawn(move || {
            stderr.read_to_string(&mut output).unwrap();
            output
        });
        Self { child, stderr }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended.
    fn outcome(self) -> Outcome {
        let output = self.child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: self.stderr.join().unwrap(),
        }
    }
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn clean_run_leaves_no_container() {
    let engine = Engine::with_images();
    let outcome = Place::with_rows().convoy(&short());
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["topology"]["broker"], "container");
    assert_eq!(report["topology"]["store"], "container");
    assert_eq!(report["verdict"]["stored"], 40);
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn auto_uses_containers_if_both_images_exist() {
    let engine = Engine::with_images();
    let line = short().replace("--backend containers", "--backend auto");
    let outcome = Place::with_rows().convoy(&line);
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["topology"]["broker"], "container");
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn broker_in_a_container_brings_its_schema_registry() {
    let engine = Engine::with_images();
    let line = format!("{} --encoding confluent", short());
    let outcome = Place::with_rows().convoy(&line);
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["verdict"]["stored"], 40);
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn broker_and_store_can_differ_in_kind() {
    let engine = Engine::with_images();
    let line = format!("{} --store embedded", short());
    let outcome = Place::with_rows().convoy(&line);
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["topology"]["broker"], "container");
    assert_eq!(report["topology"]["store"], "embedded");
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn interrupted_run_leaves_no_container() {
    let engine = Engine::with_images();
    let place = Place::with_rows();
    let run = Running::start(&place);
    assert_eq!(engine.containers().len(), 2);
    run.signal(Signal::INT);
    let outcome = run.outcome();
    assert_eq!(outcome.code, 130, "{outcome}");
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn container_that_exits_at_once_is_reported_with_its_log() {
    let engine = Engine::with_images();
    let outcome = Place::with_rows().convoy(&run_on("dies", "works"));
    assert_eq!(outcome.code, 3, "{outcome}");
    let expected = format!("error: the container of `{REDPANDA}:dies` ended before it was ready");
    assert!(outcome.stderr.contains(&expected), "{outcome}");
    assert!(
        outcome.stderr.contains("the stand-in ends at once"),
        "{outcome}"
    );
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn silent_container_times_out() {
    let engine = Engine::with_images();
    let line = format!("{} --start-timeout 2s", run_on("works", "silent"));
    let outcome = Place::with_rows().convoy(&line);
    assert_eq!(outcome.code, 3, "{outcome}");
    let expected = format!("error: the container of `{MONGO}:silent` was not ready within 2s");
    assert!(outcome.stderr.contains(&expected), "{outcome}");
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn missing_image_is_reported_with_its_name() {
    let engine = Engine::with_images();
    let line = format!("{COMMAND} --mongo-image localhost:1/convoy-test/absent:none");
    let line = format!("{line} --redpanda-image {REDPANDA}:works");
    let outcome = Place::with_rows().convoy(&line);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("localhost:1/convoy-test/absent:none"),
        "{outcome}"
    );
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn containers_of_a_killed_run_are_removed_by_the_next_run_only() {
    let engine = Engine::with_images();
    let place = Place::with_rows();
    let run = Running::start(&place);
    let kept = place.convoy("clean");
    assert!(kept.stdout.contains("its process is running"), "{kept}");
    assert_eq!(engine.containers().len(), 2);

    run.signal(Signal::KILL);
    run.outcome();
    let dry = place.convoy("clean --dry-run");
    assert!(dry.stdout.contains("would remove container"), "{dry}");
    assert_eq!(engine.containers().len(), 2);

    let outcome = place.convoy(&short());
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn killed_container_ends_the_run_and_its_results_are_kept() {
    let engine = Engine::with_images();
    let place = Place::with_rows();
    let run = Running::start(&place);
    engine.kill(REDPANDA);
    let clock = convoy_server_kit::RunClock::start();
    let outcome = run.outcome();
    assert!(Duration::from_nanos(clock.now()) < Duration::from_secs(45));
    assert_eq!(outcome.code, 3, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["status"], "invalid");
    assert!(engine.containers().is_empty());
}

/// Row 20 of the fault matrix: the end of the store's container is reported before any timeout.
#[test]
#[ignore = "needs a container engine: just test-containers"]
fn killed_store_ends_the_run_and_is_named() {
    let engine = Engine::with_images();
    let place = Place::with_rows();
    let child = place.start(&endless());
    engine.until_running(2);
    engine.kill(MONGO);
    let clock = convoy_server_kit::RunClock::start();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        Duration::from_nanos(clock.now()) < Duration::from_secs(45),
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains(MONGO), "{stderr}");
    assert!(engine.containers().is_empty());
}

/// Rows 1 and 4 of the fault matrix in containers: a paused server hangs.
#[test]
#[ignore = "needs a container engine: just test-containers"]
fn paused_broker_loses_nothing() {
    survives(|engine| {
        engine.pause(REDPANDA);
    });
}

/// Row 10 of the fault matrix, as far as a stand-in allows: the store is unreachable for a while.
#[test]
#[ignore = "needs a container engine: just test-containers"]
fn paused_store_loses_nothing() {
    survives(|engine| {
        engine.pause(MONGO);
    });
}

/// Disturbs the servers of a run and interrupts it; it must end clean.
fn survives(disturb: impl FnOnce(&Engine)) {
    let engine = Engine::with_images();
    let place = Place::with_rows();
    let run = Running::start(&place);
    disturb(&engine);
    run.signal(Signal::INT);
    let outcome = run.outcome();
    assert_eq!(outcome.code, 130, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["status"], "interrupted");
    assert_eq!(report["verdict"]["emitted"], report["verdict"]["stored"]);
    assert!(engine.containers().is_empty());
}

#[test]
#[ignore = "needs a container engine: just test-containers"]
fn kept_containers_stay_and_are_reported() {
    let engine = Engine::with_images();
    let place = Place::with_rows();
    let outcome = place.convoy(&format!("{} --keep", short()));
    assert_eq!(outcome.code, 0, "{outcome}");
    assert_eq!(engine.containers().len(), 2);
    assert!(outcome.stderr.contains("docker rm --force"), "{outcome}");
    place.convoy("clean");
    assert_eq!(engine.containers().len(), 2);
    engine.remove_containers();
}

#[test]
fn missing_engine_fails_fast_and_auto_says_why_it_is_not_used() {
    let place = Place::with_rows().variable("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let clock = convoy_server_kit::RunClock::start();
    let outcome = place.convoy(COMMAND);
    assert!(Duration::from_nanos(clock.now()) < Duration::from_secs(3));
    assert_eq!(outcome.code, 3, "{outcome}");
    assert!(
        outcome.stderr.contains("unix:///nowhere/docker.sock"),
        "{outcome}"
    );
    assert!(outcome.stderr.contains("--backend embedded"), "{outcome}");

    let line = COMMAND.replace("containers", "auto");
    let outcome = place.convoy(&format!("{line} --records 5"));
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("(default: cannot reach the container engine"),
        "{outcome}"
    );
}
