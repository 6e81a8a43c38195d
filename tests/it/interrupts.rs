//! Goal: Ctrl-C, SIGTERM and SIGHUP end a command in order, within a bound, in every phase.
//! Method: signals to the executable after lines of its progress; servers that hang are frozen ones
//! or listeners that never respond.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr};
use std::time::Duration;

use convoy_server_kit::RunClock;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::Place;
use crate::serving::Up;

/// Returns the signals that end a command. Under `nohup` programs keep ignoring SIGHUP, so another one
/// takes its place.
fn signals() -> [Signal; 3] {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let ignored = mask.is_some_and(|mask| mask >> (Signal::HUP.as_raw() - 1) & 1 == 1);
    let third = if ignored { Signal::TERM } else { Signal::HUP };
    [Signal::INT, Signal::TERM, third]
}

/// Options of a run that ends only when it is interrupted.
const ENDLESS: &str = "--dataset rows.csv --progress never --rate 20 --duration 1h";

/// The interrupt timeout of these tests, and what a loaded machine may add.
const TIMEOUT: &str = "--interrupt-timeout 4s";
const BOUND: Duration = Duration::from_secs(20);

/// A command with its stderr read line by line.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

/// How a command ended after a signal.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Running {
    fn start(place: &Place, line: &str) -> Self {
        let mut child = place.start(line);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// Waits for a line that starts with `start`.
    fn until(mut self, start: &str) -> Self {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "{said}");
            if line.starts_with(start) {
                return self;
            }
            said.push_str(&line);
        }
    }

    fn signal(self, signal: Signal) -> Self {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self
    }

    /// Waits for the end, which must come within the bound.
    fn end(mut self) -> Ended {
        let clock = RunClock::start();
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let elapsed = Duration::from_nanos(clock.now());
        assert!(elapsed < BOUND, "{elapsed:?}: {stderr}");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr,
        }
    }
}

fn assert_empty(directory: &Path) {
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
}

/// Options for a broker that accepts connections and never responds.
fn silent_broker(listener: &TcpListener) -> String {
    let address = listener.local_addr().unwrap();
    format!("--broker {address} --security-protocol plaintext {TIMEOUT}")
}

#[test]
fn waiting_for_a_silent_broker_is_cancelled_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let broker = silent_broker(&listener);
    let store = "--store mongodb://127.0.0.1:9";
    let commands = [
        format!("simulate {ENDLESS} {broker} --store embedded"),
        format!("produce {ENDLESS} {broker}"),
        format!("consume --topic a --progress never {broker} {store}"),
    ];
    for (command, signal) in commands.iter().zip(signals()) {
        let place = Place::with_rows();
        let running = Running::start(&place, command).until("provisioning");
        let ended = running.signal(signal).end();
        assert_eq!(ended.code, Some(130), "{command}: {}", ended.stderr);
        let stderr = &ended.stderr;
        assert!(
            stderr.contains("nothing was measured"),
            "{command}: {stderr}"
        );
        assert!(!stderr.contains("storing"), "{command}: {stderr}");
        assert_empty(place.temporary());
    }
}

#[test]
fn warm_up_ends_without_percentiles_and_without_warnings_about_them() {
    for signal in signals() {
        let place = Place::with_rows();
        let line = format!("simulate --backend embedded {ENDLESS} --warmup 1h");
        let ended = Running::start(&place, &line)
            .until("warm-up")
            .signal(signal)
            .end();
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        let report = &ended.stdout;
        assert!(report.contains("INTERRUPTED"), "{report}");
        assert!(
            report.contains("\nnothing was measured: interrupted"),
            "{report}"
        );
        for spurious in ["p50", "samples", "not sustained"] {
            assert!(!report.contains(spurious), "{report}");
        }
        assert_empty(place.temporary());
    }
}

#[test]
fn measured_run_is_drained_audited_and_reported() {
    for signal in signals() {
        let place = Place::with_rows();
        let line = format!("simulate --backend embedded {ENDLESS} --warmup 0s");
        let ended = Running::start(&place, &line)
            .until("run: ")
            .signal(signal)
            .end();
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        assert!(ended.stdout.contains("verdict"), "{}", ended.stdout);
        assert!(ended.stdout.contains("report.json"), "{}", ended.stdout);
        assert_empty(place.temporary());
    }
}

/// Runs against servers that are frozen after the first readings.
fn frozen(up: &Up, place: &Place, timeout: &str) -> Running {
    let line = format!("simulate --backend external {ENDLESS} --warmup 0s {timeout}");
    let running = Running::start(place, &line).until("run: ");
    kill_process(up.pid(), Signal::STOP).unwrap();
    running
}

#[test]
fn servers_that_hang_delay_the_end_only_up_to_the_bound() {
    let up = Up::alone("");
    let place = Place::with_rows().file(".env", &up.env);
    let ended = frozen(&up, &place, TIMEOUT).signal(Signal::INT).end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    let report = &ended.stdout;
    assert!(report.contains("INTERRUPTED"), "{report} {}", ended.stderr);
    assert!(
        report.contains("interrupted before its audit ended"),
        "{report}"
    );
}

#[test]
fn drain_ends_within_the_bound_after_each_signal() {
    for signal in signals() {
        let up = Up::alone("");
        let place = Place::with_rows().file(".env", &up.env);
        let line = format!(
            "simulate --backend external --dataset rows.csv --progress never --warmup 0s \
             --rate 20 --duration 1s {TIMEOUT}"
        );
        let running = Running::start(&place, &line).until("run: ");
        kill_process(up.pid(), Signal::STOP).unwrap();
        let ended = running.until("drain").signal(signal).end();
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        assert!(ended.stdout.contains("INTERRUPTED"), "{}", ended.stdout);
        assert!(ended.stdout.contains("report.json"), "{}", ended.stdout);
    }
}

#[test]
fn signal_in_audit_or_report_costs_no_report() {
    for signal in signals() {
        let place = Place::with_rows();
        let line = "simulate --backend embedded --dataset rows.csv --progress never --warmup 0s \
                    --vehicles 20 --rate max --records 1000";
        let ended = Running::start(&place, line)
            .until("audit")
            .signal(signal)
            .end();
        // The audit may have ended before the signal.
        let ends = [
            (Some(130), "INTERRUPTED"),
            (Some(130), "clean"),
            (Some(0), "clean"),
        ];
        let expected =
            |(code, word): &(Option<i32>, &str)| ended.code == *code && ended.stdout.contains(word);
        assert!(
            ends.iter().any(expected),
            "{:?} {} {}",
            ended.code,
            ended.stdout,
            ended.stderr
        );
        assert!(ended.stdout.contains("report.json"), "{}", ended.stdout);
        assert_empty(place.temporary());
    }
}

#[test]
fn processes_that_share_a_run_end_in_order_after_each_signal() {
    let up = Up::alone("");
    for signal in signals() {
        let place = Place::with_rows().file(".env", &up.env);
        let produce = format!("produce --topic shared {ENDLESS} --warmup 0s {TIMEOUT}");
        let produced = Running::start(&place, &produce)
            .until("run: ")
            .signal(signal)
            .end();
        let consume = format!("consume --topic shared --progress never {TIMEOUT}");
        let consumed = Running::start(&place, &consume)
            .until("owns 4")
            .signal(signal)
            .end();
        for ended in [produced, consumed] {
            assert_eq!(ended.code, Some(130), "{}", ended.stderr);
            assert!(ended.stdout.contains("INTERRUPTED"), "{}", ended.stdout);
            assert!(ended.stdout.contains("report.json"), "{}", ended.stdout);
        }
        assert_empty(place.temporary());
    }
}

#[test]
fn servers_stop_in_order_after_each_signal() {
    for signal in signals() {
        let place = Place::empty();
        let up = Up::start(&place, "");
        let (code, stderr) = up.stop_by(signal);
        assert_eq!(code, Some(0), "{stderr}");
        assert_empty(place.temporary());
    }
}

#[test]
fn injected_faults_do_not_delay_the_end() {
    let faults = [
        "store-hang@1s+600s",
        "broker-hang@1s+600s",
        "broker-restart@1s,store-restart@2s",
    ];
    std::thread::scope(|scope| {
        for (signal, faults) in signals().into_iter().zip(faults) {
            scope.spawn(move || {
                let place = Place::with_rows();
                let line = format!(
                    "simulate --backend embedded {ENDLESS} --warmup 0s {TIMEOUT} --faults {faults}"
                );
                // The second line comes when the faults have begun.
                let running = Running::start(&place, &line).until("run: ").until("run: ");
                let ended = running.signal(signal).end();
                assert_eq!(ended.code, Some(130), "{faults}: {}", ended.stderr);
                let report = &ended.stdout;
                assert!(report.contains("INTERRUPTED"), "{faults}: {report}");
                assert_empty(place.temporary());
            });
        }
    });
}

#[test]
fn second_signal_in_the_drain_says_what_is_lost() {
    let up = Up::alone("");
    let place = Place::with_rows().file(".env", &up.env);
    let running = frozen(&up, &place, "--interrupt-timeout 1h");
    let running = running.signal(Signal::TERM).until("drain");
    let ended = running.signal(Signal::INT).end();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let expected = "aborted: interrupted twice; there is no report\n";
    assert!(ended.stderr.ends_with(expected), "{}", ended.stderr);
    let files = fs::read_dir(place.only_run()).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["run.log"], "partial files are removed");
}

#[test]
fn report_is_on_stdout_if_its_files_cannot_be_written() {
    let place = Place::with_rows();
    let line = "simulate --backend embedded --dataset rows.csv --progress never --warmup 0s \
                --rate 20 --duration 2s";
    let running = Running::start(&place, line).until("run: ");
    fs::remove_dir_all(place.path("runs")).unwrap();
    fs::write(place.path("runs"), "").unwrap();
    let ended = running.end();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("verdict, warm-up included: clean"),
        "{}",
        ended.stdout
    );
    assert!(ended.stderr.contains("--output DIR"), "{}", ended.stderr);
    assert_empty(place.temporary());
}

#[test]
fn fifo_in_the_temporary_directory_hangs_nothing() {
    let place = Place::empty();
    let directory = place.temporary().join("convoy-fifo");
    fs::create_dir(&directory).unwrap();
    mkfifoat(CWD, directory.join("owner.lock"), Mode::RUSR | Mode::WUSR).unwrap();
    let outcome = place.convoy("clean");
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(directory.exists());
}
