//! Trials by another executable of convoy: a process per trial, with servers of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::Error;
use crate::measure::{RunClock, nanos};
use crate::pipeline::Interrupt;
use crate::report::{Report, read_report};
use crate::settings::Program;

/// How often the end of a process is looked for.
const POLL: Duration = Duration::from_millis(20);

/// Longest part of the messages of a process that an error shows, in bytes.
const SHOWN: usize = 1_000;

/// Makes one trial with its files in `directory`; `None` if the user interrupted it.
pub fn measure(
    program: &Program,
    seed: u64,
    directory: &Path,
    interrupt: &Interrupt,
) -> Result<Option<Report>, Error> {
    let failed = |reason: String| Error::Trial {
        program: program.path.clone(),
        reason,
    };
    let output = directory.with_extension("partial");
    fs::create_dir_all(&output).map_err(|error| failed(error.to_string()))?;
    let messages = output.join("stderr.log");
    let log = File::create(&messages).map_err(|error| failed(error.to_string()))?;
    let mut child = Command::new(&program.path)
        .args(&program.arguments)
        .arg(format!("--seed={seed}"))
        .arg("--output")
        .arg(&output)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|source| Error::StartCommand {
            command: program.path.display().to_string(),
            source,
        })?;
    let status = wait(&mut child, program.deadline, interrupt);
    let Some(status) = status.map_err(|error| failed(error.to_string()))? else {
        return Err(failed(format!("no end after {:?}", program.deadline)));
    };
    if interrupt.is_requested() {
        return Ok(None);
    }
    // Exit codes 1 and 5 are a verdict and a threshold, which the report has.
    let Some(run) = run_in(&output).filter(|_| matches!(status.code(), Some(0 | 1 | 5))) else {
        return Err(failed(format!("{status}: {}", tail(&messages))));
    };
    move_files(&run, &messages, directory).map_err(|error| failed(error.to_string()))?;
    let (_path, report) = read_report(directory)?;
    Ok(Some(report))
}

/// Moves the files of a trial to where they stay.
fn move_files(run: &Path, messages: &Path, directory: &Path) -> std::io::Result<()> {
    fs::rename(messages, run.join("stderr.log"))?;
    fs::rename(run, directory)?;
    run.parent().map_or(Ok(()), fs::remove_dir_all)
}

/// Waits for the end of a process, which an interruption and the deadline ask for; `None` if the
/// deadline killed it.
fn wait(
    child: &mut Child,
    deadline: Duration,
    interrupt: &Interrupt,
) -> std::io::Result<Option<ExitStatus>> {
    let clock = RunClock::start();
    let mut asked = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if interrupt.is_requested() && !asked {
            asked = true;
            terminate(child);
        }
        if clock.now() > nanos(deadline) || interrupt.stop_over.is_cancelled() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

fn terminate(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        let _sent = kill_process(pid, Signal::TERM);
    }
}

/// Returns the directory of the only run in a directory.
fn run_in(directory: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut runs = paths.filter(|path| path.join("report.json").exists());
    runs.next()
}

/// Returns the end of a file, on one line.
fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let end = &text[text.len().saturating_sub(SHOWN)..];
    let text = String::from_utf8_lossy(end);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" · ")
}
