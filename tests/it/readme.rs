//! Goal: a newcomer can follow the README.
//! Method: its `convoy` commands run in order in one empty folder, with the release build on the
//! path. `cargo` commands are left to `.ci/run`. `convoy up` runs until its `.env` is complete.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::tidy::sources::root;

/// A command of the README takes a tenth of this on an idle machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// Pause between two looks at a file that another process writes.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The last variable that `convoy up` prints.
const LAST_VARIABLE: &str = "CONVOY_SASL_MECHANISM=";

/// Commands of the `console` blocks of a document, in order.
pub fn commands(document: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let mut in_console = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        match line {
            "```console" => in_console = true,
            "```" => in_console = false,
            line if in_console => commands.extend(line.strip_prefix("$ ").map(str::to_owned)),
            _ => {}
        }
    }
    commands
}

fn shell(line: &str, folder: &Path) -> Command {
    let executable = root().join("target/release/convoy");
    let system = std::env::var_os("PATH").unwrap_or_default();
    let folders = executable.parent().map(Path::to_owned).into_iter();
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&system)));
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path.unwrap())
        .env("TMPDIR", folder)
        .stdin(Stdio::null());
    shell
}

/// Runs `exec convoy up > FILE` until the file is complete, then interrupts it.
fn run_until_ready(line: &str, folder: &Path) {
    let (_, file) = line
        .split_once('>')
        .expect("the output of `up` goes to a file");
    let file = folder.join(file.trim());
    let line = format!("exec {line}");
    let mut up: Child = shell(&line, folder).spawn().unwrap();
    let mut looks = DEADLINE.as_millis() / POLL_INTERVAL.as_millis();
    while !fs::read_to_string(&file).is_ok_and(|text| text.contains(LAST_VARIABLE)) {
        assert!(up.try_wait().unwrap().is_none(), "`{line}` ended early");
        looks -= 1;
        assert!(looks > 0, "`{line}` printed no addresses");
        std::thread::park_timeout(POLL_INTERVAL);
    }
    let pid = Pid::from_raw(i32::try_from(up.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(0), "`{line}`");
}

fn run(line: &str, folder: &Path) {
    let mut command = assert_cmd::Command::from_std(shell(line, folder));
    let output = command.timeout(DEADLINE).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // A threshold measures the machine that runs the tests, which is busy with other tests.
    let has_threshold = line.contains("--max-end-to-end-p99");
    let accepted = match output.status.code() {
        Some(0) => true,
        Some(5) => has_threshold && stdout.contains("clean"),
        _ => false,
    };
    assert!(accepted, "`{line}`: {}\n{stdout}\n{stderr}", output.status);
}

#[test]
#[ignore = "needs the release build: `just test-readme`"]
fn readme_commands_work_in_order_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let commands = commands("README.md");
    let commands: Vec<&String> = commands
        .iter()
        .filter(|line| !line.starts_with("cargo "))
        .collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for line in commands {
        assert!(line.starts_with("convoy "), "{line}");
        if line.starts_with("convoy up") && line.contains(" > ") {
            run_until_ready(line, folder.path());
        } else {
            run(line, folder.path());
        }
    }
}
