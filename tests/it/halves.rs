//! Goal: the halves of the pipeline work as processes of their own: parts of a fleet are a whole
//! one, consumers share the partitions, who dies is replaced, and what all did together can be
//! audited.
//! Method: the executable, several times, against servers of `convoy up`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::place::Place;
use crate::serving::Up;
use crate::simulate::published_schema;

/// A consumer that is noticed dead after a second, so that the tests need not wait for more.
const CONSUME: &str = "consume --topic readings --beat 100ms --progress never --format json";

/// How long such a consumer may give no sign of life.
const DEAD_AFTER: &str = "--dead-after 1s";

/// A fleet that emits for a few seconds, in two parts.
const PRODUCE: &str = "produce --dataset rows.csv --topic readings --run-id night --vehicles 20 \
                       --rate 20 --records 1600 --progress never --format json";

/// No line takes a tenth of this on an idle machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A consumer at work, killed if the test ends early.
struct Consumer {
    child: Child,
    lines: Receiver<String>,
}

impl Consumer {
    fn start(place: &Place, flags: &str) -> Self {
        let mut child = place.start(&format!("{CONSUME} {flags}"));
        let lines = lines(child.stderr.take().unwrap());
        Self { child, lines }
    }

    /// Waits until it owns exactly so many partitions of all.
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

    /// Waits until it ends; returns the exit status and the report.
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

/// Reads what a child says on a thread, so that waiting for a line has a deadline.
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

/// Checks a report against the published schema.
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

/// Directories of the consumers' reports: all but those of the run.
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
fn two_consumers_share_the_partitions_and_one_takes_over_when_the_other_is_killed() {
    let up = Up::alone("");
    let place = place(&up);
    let mut first = Consumer::start(&place, &format!("{DEAD_AFTER} --partitions 8"));
    first.wait_until_it_owns("8 of 8");
    let second = Consumer::start(&place, &format!("{DEAD_AFTER} --partitions 8 --idle 2s"));
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
    assert_eq!(publish_delay["count"], 1600, "both parts are in it");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn a_consumer_goes_on_where_the_last_one_stopped_and_an_audit_finds_what_is_wrong() {
    let up = Up::alone("");
    let place = place(&up);
    let produce = "produce --dataset rows.csv --topic readings --run-id night --vehicles 3 \
                   --rate max --records 300 --encoding confluent --progress never --format json";
    let (code, produced) = report(&place, produce);
    assert_eq!((code, &produced["produced"]["emitted"]), (0, &300.into()));

    // Not everything is consumed yet: the audit must not call that clean.
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
        "an orderly end leaves nothing to read again"
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
fn a_consumer_that_is_interrupted_frees_its_partitions_and_reports() {
    let up = Up::alone("");
    let place = place(&up);
    // Nobody could notice its death in time: only freed leases let the next one begin.
    let slow = "--dead-after 10m --partitions 2";
    let consumer = Consumer::start(&place, slow);
    consumer.wait_until_it_owns("2 of 2");
    let pid = Pid::from_raw(i32::try_from(consumer.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let (code, report) = consumer.end();
    assert_eq!(
        (code, &report["status"]),
        (Some(130), &"interrupted".into())
    );
    assert_eq!(report["consumed"]["stints"].as_array().unwrap().len(), 2);
    let next = Consumer::start(&place, slow);
    next.wait_until_it_owns("2 of 2");
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn existing_topics_are_used_as_they_are_unless_other_partitions_are_asked_for() {
    let up = Up::alone("");
    let place = place(&up);
    let produce = "produce --dataset rows.csv --topic readings --records 10 --rate max --progress never \
                   --format json";
    let (code, produced) = report(&place, &format!("{produce} --partitions 3"));
    assert_eq!((code, &produced["topology"]["partitions"]), (0, &3.into()));
    let (code, produced) = report(&place, produce);
    assert_eq!((code, &produced["topology"]["partitions"]), (0, &3.into()));
    let refused = place.convoy(&format!("{produce} --partitions 5"));
    assert_eq!(refused.code, 3, "{refused}");
    assert!(
        refused
            .stderr
            .contains("topic `readings` has 3 partitions, not 5"),
        "{refused}"
    );
    assert_eq!(up.stop().0, Some(0));
}

#[test]
fn what_is_missing_or_wrong_is_told_with_its_flag() {
    let told = [
        "produce",
        "consume --broker 127.0.0.1:9",
        "produce --broker 127.0.0.1:9 --shard 3/2",
        "produce --broker 127.0.0.1:9 --shard 0/2",
        "produce --broker 127.0.0.1:9 --run-id ../night",
        "consume --broker 127.0.0.1:9 --store mongodb://127.0.0.1:9 --dead-after 1s",
        "report merge absent",
    ]
    .map(|line| {
        let outcome = Place::empty().convoy(line);
        let expected = if line.starts_with("report") { 3 } else { 2 };
        assert_eq!(outcome.code, expected, "{line}: {outcome}");
        outcome.stderr.trim_end().to_owned()
    });
    insta::assert_snapshot!(told.join("\n\n"), @"
    error: the address of the broker is missing

    hint: give `--broker HOST:PORT`, or set `BOOTSTRAP_SERVER`

    error: the address of the store is missing

    hint: give `--store mongodb://HOST:PORT`, or set `MONGO_DB_URL`

    error: invalid value '3/2' for '--shard <K/N>': there is no part 3 of 2

    For more information, try '--help'.

    error: invalid value '0/2' for '--shard <K/N>': parts are counted from 1

    For more information, try '--help'.

    error: invalid value '../night' for '--run-id <NAME>': expected up to 64 letters, digits, `.`, `_` and `-`, a letter or digit first

    For more information, try '--help'.

    error: `--dead-after 1s` is shorter than two signs of life, 1s apart

    hint: raise `--dead-after`

    error: failed to read `absent`
      caused by: No such file or directory (os error 2)

    hint: name a run's directory, or the `report.json` in it
    ");
}
