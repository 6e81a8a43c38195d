//! Goal: `convoy up -- COMMAND` gives any program servers of its own, and ends as the program does.
//! Method: the executable around small shell scripts; a listener, a reader or a file shows the end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::place::{Outcome, Place};
use crate::serving::UP;

/// Runs a script with servers.
fn around(place: &Place, options: &str, script: &str) -> Outcome {
    fs::write(place.path("script.sh"), script).unwrap();
    place.convoy(&format!("up {options} -- sh script.sh"))
}

/// Starts a script with servers and waits until it has printed a line, which is returned.
fn started(place: &Place, options: &str, script: &str) -> (Child, String) {
    fs::write(place.path("script.sh"), script).unwrap();
    // If a signal is ignored, as in the background of a shell, the command does not end by it.
    let limit = if options.contains("--timeout") {
        ""
    } else {
        "--timeout 100s"
    };
    let mut child = place.start(&format!("up {limit} {options} -- sh script.sh"));
    let mut line = String::new();
    // Unbuffered, so that the caller reads the rest.
    let stdout = child.stdout.as_mut().unwrap();
    let mut byte = [0];
    while stdout.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(char::from(byte[0]));
    }
    (child, line)
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// Waits for the end. Returns the exit code, and the rest of stdout and of stderr.
fn ended(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn exit_code_is_that_of_the_command() {
    let place = Place::empty();
    for (script, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
    ] {
        let outcome = around(&place, "", script);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (code, ""),
            "{outcome}"
        );
    }
    let outcome = place.convoy("up -- no-such-program");
    assert_eq!(outcome.code, 127, "{outcome}");
    assert!(
        outcome.stderr.contains("cannot run `no-such-program`"),
        "{outcome}"
    );
    let outcome = place.convoy("up -- ./script.sh");
    assert_eq!(outcome.code, 126, "{outcome}");
    assert_eq!(fs::read_dir(place.temporary()).unwrap().count(), 0);
}

#[test]
fn command_gets_the_variables_and_stdout_for_itself() {
    let place = Place::empty();
    let outcome = around(
        &place,
        "",
        "env | grep -c -E '^(BOOTSTRAP_SERVER|API_SECRET_KEY|MONGO_DB_URL|ENDPOINT_SCHEMA_URL)=.'; echo $BOOTSTRAP_SERVER",
    );
    assert_eq!(outcome.code, 0, "{outcome}");
    let (count, address) = outcome.stdout.trim().split_once('\n').unwrap();
    assert_eq!(count, "4", "{outcome}");
    assert!(!address.ends_with(":9092"), "a free port: {outcome}");
    assert!(outcome.stderr.contains("running `sh`"), "{outcome}");
    let gone = TcpStream::connect(address);
    assert!(gone.is_err(), "the servers end with the command");
}

#[test]
fn servers_start_with_topics_and_documents() {
    let place = Place::with_rows().file(
        "seed.json",
        r#"[{"_id": 1}, {"at": {"$date": "2025-03-03T08:00:00Z"}}]"#,
    );
    let convoy = env!("CARGO_BIN_EXE_convoy");
    let simulate = format!(
        "exec {convoy} simulate --backend external --dataset rows.csv --records 5 --rate 50 --progress never --format json"
    );
    for options in ["", "--anonymous", "--tls"] {
        let options = format!("{options} --topic rows:3,other --load seed.json:shop.items");
        let outcome = around(&place, &options, &simulate);
        assert_eq!(outcome.code, 0, "{outcome}");
        let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(report["topology"]["partitions"], 3, "{outcome}");
        assert!(
            outcome
                .stderr
                .contains("loaded 2 documents into `shop.items`"),
            "{outcome}"
        );
    }
}

#[test]
fn content_that_cannot_be_loaded_starts_no_command() {
    let place = Place::empty()
        .file("broken.json", "{\"a\":1}\n{\"a\":\n")
        .file("twice.json", "{\"_id\":1}\n{\"_id\":1}\n");
    for (options, code, reason) in [
        ("--load absent.json:a.b", 3, "absent.json"),
        ("--load broken.json:a.b", 3, "line 3"),
        ("--load twice.json:a.b", 3, "refused a document"),
        ("--load twice.json", 2, "FILE:DATABASE.COLLECTION"),
        ("--topic a:0", 2, "at least 1"),
        ("--topic a/b", 2, "expected letters"),
        ("--timeout 0s", 2, "longer than 0"),
    ] {
        let outcome = around(&place, options, "echo started");
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (code, ""),
            "{outcome}"
        );
        assert!(outcome.stderr.contains(reason), "{reason}: {outcome}");
    }
}

#[test]
fn topic_of_a_data_directory_keeps_its_partitions() {
    let place = Place::empty();
    let code = |topic: &str| {
        let options = format!("--data-dir data --topic {topic}");
        around(&place, &options, "exit 0").code
    };
    assert_eq!([code("a:2"), code("a:2"), code("a:3")], [0, 0, 2]);
}

#[test]
fn signals_reach_the_command_and_its_children() {
    // The command ends in its own way.
    for (signal, code) in [(Signal::INT, 5), (Signal::TERM, 6)] {
        let place = Place::empty();
        let script = "trap 'exit 5' INT; trap 'exit 6' TERM; echo ready; sleep 600 & wait";
        let (child, _) = started(&place, "", script);
        kill_process(pid(&child), signal).unwrap();
        let (ended_with, stdout, stderr) = ended(child);
        assert_eq!(ended_with, Some(code), "{stdout}{stderr}");
        assert_eq!(fs::read_dir(place.temporary()).unwrap().count(), 0);
    }
    let place = Place::empty();
    let (child, grandchild) = started(&place, "", "sleep 600 & echo $!; wait");
    kill_process(pid(&child), Signal::TERM).unwrap();
    assert_eq!(ended(child).0, Some(143));
    assert!(has_ended(&grandchild), "the whole group ends");
}

/// Returns whether a process has ended; it may not be reaped yet.
fn has_ended(pid: &str) -> bool {
    let running = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
        !state.is_empty() && !state.starts_with(['Z', 'X'])
    };
    let number = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    test_kill_process(number).is_err() || !running(pid.trim())
}

#[test]
fn second_signal_kills_a_command_that_ignores_the_first() {
    let place = Place::empty();
    let script = "trap '' INT TERM; echo $$; exec sleep 600";
    let (mut child, command) = started(&place, "", script);
    kill_process(pid(&child), Signal::INT).unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("interrupt again to kill it") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    kill_process(pid(&child), Signal::INT).unwrap();
    assert_eq!(ended(child).0, Some(130));
    assert!(has_ended(&command));
    assert_eq!(fs::read_dir(place.temporary()).unwrap().count(), 0);
}

#[test]
fn timeout_ends_command_and_servers() {
    let place = Place::empty();
    let outcome = around(&place, "--timeout 300ms", "sleep 600");
    assert_eq!(outcome.code, 124, "{outcome}");
    assert!(outcome.stderr.contains("the time is over"), "{outcome}");
    let outcome = place.convoy(&format!("{UP} --timeout 300ms"));
    assert_eq!(outcome.code, 0, "{outcome}");
    assert_eq!(fs::read_dir(place.temporary()).unwrap().count(), 0);
}

#[test]
fn environment_file_is_private_and_overwrites_nothing_of_others() {
    let place = Place::empty().file("theirs.env", "A=1\n");
    for _again in 0..2 {
        let script = "grep -c -F \"BOOTSTRAP_SERVER=$BOOTSTRAP_SERVER\" up.env; cat ready | head -n 1 | wc -l";
        let outcome = around(&place, "--write-env up.env --ready-file ready", script);
        assert_eq!(outcome.code, 0, "{outcome}");
        let lines: Vec<&str> = outcome.stdout.split_whitespace().collect();
        assert_eq!(lines, ["1", "1"], "{outcome}");
        assert!(!place.path("ready").exists());
    }
    let mode = fs::metadata(place.path("up.env"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for option in ["--write-env", "--ready-file"] {
        let outcome = around(&place, &format!("{option} theirs.env"), "echo started");
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (2, ""),
            "{outcome}"
        );
        assert!(outcome.stderr.contains("--force"), "{outcome}");
        assert_eq!(
            fs::read_to_string(place.path("theirs.env")).unwrap(),
            "A=1\n"
        );
    }
    let outcome = around(&place, "--force --write-env theirs.env", "exit 0");
    assert_eq!(outcome.code, 0, "{outcome}");
    // Without a command the file replaces stdout.
    let outcome = place.convoy(&format!("{UP} --write-env up.env --timeout 1ms"));
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (0, ""),
        "{outcome}"
    );
}

#[test]
fn servers_end_with_the_parent() {
    let place = Place::empty();
    let convoy = env!("CARGO_BIN_EXE_convoy");
    // The shell ends once the servers are ready; the pipe ends with the servers.
    let script = format!(
        "{convoy} {UP} --anonymous --exit-with-parent --ready-file ready & \
         until [ -e ready ]; do sleep 0.05; done"
    );
    fs::write(place.path("parent.sh"), script).unwrap();
    let output = std::process::Command::new("sh")
        .arg("parent.sh")
        .current_dir(place.path(""))
        .env("TMPDIR", place.temporary())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!place.path("ready").exists());
    assert_eq!(fs::read_dir(place.temporary()).unwrap().count(), 0);
}

#[test]
fn log_file_is_written_on_request_alone() {
    for (level, files) in [(None, 0), (Some("debug"), 1)] {
        let mut place = Place::empty();
        if let Some(level) = level {
            place = place.variable("CONVOY_LOG", level);
        }
        let outcome = around(&place, "", "rm script.sh; exit 3");
        assert_eq!(outcome.code, 3, "{outcome}");
        let left = fs::read_dir(place.path(".")).unwrap().count();
        assert_eq!(left, files, "{outcome}");
    }
}

#[test]
fn twenty_at_once_do_not_disturb_each_other() {
    let names = "$BOOTSTRAP_SERVER $ENDPOINT_SCHEMA_URL ${MONGO_DB_URL##*@}";
    let places: Vec<Place> = (0..20).map(|_| Place::empty()).collect();
    let running: Vec<(Child, String)> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..)
            .zip(&places)
            .map(|(number, place)| {
                // Each lives until all have started.
                let wait = format!("trap 'exit {number}' TERM; sleep 600 & wait");
                let script = format!("echo {names}; {wait}");
                scope.spawn(move || started(place, "--topic orders:3", &script))
            })
            .collect();
        let started = starting.into_iter().map(|it| it.join().unwrap());
        started.collect()
    });
    let lines = running.iter().map(|(_, line)| line.as_str());
    let addresses: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let distinct: std::collections::BTreeSet<_> = addresses.iter().collect();
    assert_eq!((addresses.len(), distinct.len()), (60, 60));
    for (number, (child, _)) in (0..).zip(running) {
        kill_process(pid(&child), Signal::TERM).unwrap();
        let (code, _, stderr) = ended(child);
        assert_eq!(code, Some(number), "{stderr}");
    }
}
