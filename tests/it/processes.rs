//! Goal: producers and consumers work as separate processes: shards form the whole fleet, consumers
//! share the partitions and take over those of a dead one, and all of it can be audited.
//! Method: several processes of the executable against the servers of `convoy up`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::place::Place;
use crate::serving::Up;
use crate::simulate::published_schema;

/// A consumer with a short heartbeat interval, and the shortest session timeout that `up` allows.
const CONSUME: &str = "consume --topic readings --heartbeat-interval 100ms --session-timeout 6s \
                       --progress never --format json";

/// A fleet that emits for a few seconds, in two shards.
const PRODUCE: &str = "produce --dataset rows.csv --topic readings --run-id night --vehicles 20 \
                       --rate 20 --records 1600 --progress never --format json";

/// On an idle machine, no line takes a tenth of this.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running consumer, killed if the test ends early.
struct Consumer {
    child: Child,
    lines: Receiver<String>,
}

impl Consumer {
    fn start(place: &Place, flags: &str) -> Self {
        Self::start_line(place, &format!("{CONSUME} {flags}"))
    }

    fn start_line(place: &Place, line: &str) -> Self {
        let mut child = place.start(line);
        let lines = lines(child.stderr.take().unwrap());
        Self { child, lines }
    }

    /// Waits until it owns exactly this many partitions.
    fn wait_until_it_owns(&self, owned: &str) {
        let start = format!("owns {owned} partitions");
        let mut said = String::new();
        loop {
            let line = self.lines.recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|_| panic!("no `{start}` in:\n{said}"));
            if line.starts_with(&start) {
                return;
            }
            said.push_str(&line);
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends. Returns the exit status and the report.
    fn end(mut self) -> (Option<i32>, Value) {
        let mut report = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut report).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, serde_json::from_str(&report).unwrap_or_default())
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads the stderr of a child on a thread, so that waiting for a line has a deadline.
fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line + "\n").is_err() {
                return;
            }
        }
    });
    receiver
}

/// Validates a report with the published schema.
fn check(report: &Value) {
    let schema = published_schema();
    let errors: Vec<String> = schema
        .iter_errors(report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

fn place(up: &Up) -> Place {
    Place::with_rows().file(".env", &up.env)
}

fn report(place: &Place, line: &str) -> (i32, Value) {
    let outcome = place.convoy(line);
    let report = serde_json::from_str(&outcome.stdout);
    let report = report.unwrap_or_else(|_| panic!("{outcome}"));
    check(&report);
    (outcome.code, report)
}

/// Returns the directories of the consumer reports: all except those of the run.
fn consumers_reports(place: &Place) -> String {
    let runs = std::fs::read_dir(place.path("runs")).unwrap();
    let names = runs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let consumers = names.filter(|name| !name.starts_with("night"));
    let with_report = consumers.filter(|name| {
        let report = place.path("runs").join(name).join("report.json");
        report.exists()
    });
    with_report
        .map(|name| format!("runs/{name}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn consumer_takes_over_the_partitions_of_a_killed_one() {
    let up = Up::alone("");
    let place = place(&up);
    let mut first = Consumer::start(&place, "--partitions 8");
    first.wait_until_it_owns("8 of 8");
    let second = Consumer::start(&place, "--partitions 8 --idle 2s");
    second.wait_until_it_owns("4 of 8");
    first.wait_until_it_owns("4 of 8");

    let mut parts = ["1/2", "2/2"].map(|part| place.start(&format!("{PRODUCE} --shard {part}")));
    first.kill();
    second.wait_until_it_owns("8 of 8");
    for part in &mut parts {
        let said = lines(part.stderr.take().unwrap());
        let mut account = String::new();
        let mut stdout = part.stdout.take().unwrap();
        stdout.read_to_string(&mut account).unwrap();
        let code = part.wait().unwrap().code();
        assert_eq!(
            code,
            Some(0),
            "{account}\n{:?}",
            said.iter().collect::<Vec<_>>()
        );
    }
    let (code, consumed) = second.end();
    assert_eq!((code, &consumed["status"]), (Some(0), &"complete".into()));
    check(&consumed);
    assert_eq!(consumed["consumed"]["runs"], serde_json::json!(["night"]));

    let reports = format!(
        "runs/night-1of2 runs/night-2of2 {}",
        consumers_reports(&place)
    );
    let line = format!("report merge {reports} --format json");
    let (code, merged) = report(&place, &line);
    let verdict = &merged["verdict"];
    assert_eq!(code, 0, "{merged}");
    assert_eq!(verdict["emitted"], 1600, "{verdict}");
    assert_eq!(verdict["stored"], 1600, "{verdict}");
    assert_eq!(verdict["missing"], 0, "{verdict}");
    assert_eq!(verdict["duplicated"], 0, "{verdict}");
    assert_eq!(merged["merged"]["audited"], true);
    let publish_delay = &merged["summary"]["stages"]["publish_delay"];
    assert_eq!(publish_delay["count"], 1600, "both shards are in it");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn consumer_continues_at_the_checkpoint_and_the_audit_finds_errors() {
    let up = Up::alone("");
    let place = place(&up);
    let produce = "produce --dataset rows.csv --topic readings --run-id night --vehicles 3 \
                   --rate max --records 300 --encoding confluent --progress never --format json";
    let (code, produced) = report(&place, produce);
    assert_eq!((code, &produced["produced"]["emitted"]), (0, &300.into()));

    // Nothing is consumed yet, so the audit must not be clean.
    let merge = "report merge runs/night --format json";
    let (code, merged) = report(&place, merge);
    assert_eq!(
        (code, &merged["status"]),
        (1, &"invalid".into()),
        "{merged}"
    );
    assert_eq!(merged["verdict"]["missing"], 300);

    let first = Consumer::start(&place, "--records 100 --batch-records 20");
    let (code, first) = first.end();
    assert_eq!(code, Some(0), "{first}");
    let second = Consumer::start(&place, "--idle 1s");
    let (code, second) = second.end();
    assert_eq!(code, Some(0), "{second}");
    let count = |report: &Value, name: &str| report["counters"][name].as_u64().unwrap();
    assert_eq!(count(&first, "stored") + count(&second, "stored"), 300);
    for report in [&first, &second] {
        assert_eq!(
            count(report, "schema_unchecked"),
            0,
            "the registry was asked"
        );
    }
    assert_eq!(
        count(&second, "replayed"),
        0,
        "after an orderly end, nothing is read again"
    );

    let (code, merged) = report(&place, merge);
    assert_eq!(
        (code, &merged["verdict"]["stored"]),
        (0, &300.into()),
        "{merged}"
    );
    let again = place.convoy(produce);
    assert_eq!(again.code, 2, "{again}");
    assert!(again.stderr.contains("already exists"), "{again}");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn interrupted_consumer_leaves_its_group_and_reports() {
    let up = Up::alone("");
    let place = place(&up);
    // No member is evicted within the test, so the next one can start only after this one has left.
    let slow = "--group slow --partitions 2";
    let consume = CONSUME.replace("6s", "10m");
    let consumer = Consumer::start_line(&place, &format!("{consume} {slow}"));
    consumer.wait_until_it_owns("2 of 2");
    let pid = Pid::from_raw(i32::try_from(consumer.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let (code, report) = consumer.end();
    assert_eq!(
        (code, &report["status"]),
        (Some(130), &"interrupted".into())
    );
    assert_eq!(report["consumed"]["stints"].as_array().unwrap().len(), 2);
    let next = Consumer::start_line(&place, &format!("{consume} {slow}"));
    next.wait_until_it_owns("2 of 2");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn existing_topic_with_another_number_of_partitions_is_rejected() {
    let up = Up::alone("");
    let place = place(&up);
    let produce = "produce --dataset rows.csv --topic readings --records 10 --rate max --progress never \
                   --format json";
    let (code, produced) = report(&place, &format!("{produce} --partitions 3"));
    assert_eq!((code, &produced["topology"]["partitions"]), (0, &3.into()));
    let (code, produced) = report(&place, produce);
    assert_eq!((code, &produced["topology"]["partitions"]), (0, &3.into()));
    let rejected = place.convoy(&format!("{produce} --partitions 5"));
    assert_eq!(rejected.code, 3, "{rejected}");
    assert!(
        rejected
            .stderr
            .contains("topic `readings` has 3 partitions, not 5"),
        "{rejected}"
    );
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn missing_and_invalid_options_are_reported_with_their_flag() {
    let errors = [
        "produce",
        "consume --broker 127.0.0.1:9",
        "produce --broker 127.0.0.1:9 --shard 3/2",
        "produce --broker 127.0.0.1:9 --shard 0/2",
        "produce --broker 127.0.0.1:9 --run-id ../night",
        "consume --broker 127.0.0.1:9 --store mongodb://127.0.0.1:9 --session-timeout 1s",
        "report merge absent",
    ]
    .map(|line| {
        let outcome = Place::empty().convoy(line);
        let expected = if line.starts_with("report") { 3 } else { 2 };
        assert_eq!(outcome.code, expected, "{line}: {outcome}");
        outcome.stderr.trim_end().to_owned()
    });
    insta::assert_snapshot!(errors.join("\n\n"), @"
    error: the address of the broker is missing

    hint: pass `--broker HOST:PORT`, or set `CONVOY_BROKER` or `BOOTSTRAP_SERVER`

    error: the address of the store is missing

    hint: pass `--store mongodb://HOST:PORT`, or set `CONVOY_STORE` or `MONGO_DB_URL`

    error: invalid value '3/2' for '--shard <K/N>': there are only 2 parts, not 3

    For more information, try '--help'.

    error: invalid value '0/2' for '--shard <K/N>': parts are numbered from 1

    For more information, try '--help'.

    error: invalid value '../night' for '--run-id <NAME>': expected up to 64 letters, digits, `.`, `_` and `-`, starting with a letter or a digit

    For more information, try '--help'.

    error: `--session-timeout` (1s) must be at least twice `--heartbeat-interval` (1s)

    hint: increase `--session-timeout`

    error: failed to read `absent`
      caused by: No such file or directory (os error 2)

    hint: pass a run's directory or its `report.json`
    ");
}
