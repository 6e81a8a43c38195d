//! The command of an external consumer: started, killed, started again, stopped.
//!
//! A shell runs it as the leader of a process group. All signals go to the group, so that programs
//! that the command starts get them too. An ended leader is not reaped before the group is done with,
//! so no signal can reach a group of another program.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use convoy_server_kit::Secret;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid,
};
use tokio::sync::watch;

use crate::error::Error;
use crate::host::interrupt;
use crate::host::last_line::last_line;
use crate::measure::RunClock;
use crate::pipeline::{ConsumerProcess, ProcessState};
use crate::platform::group_is_running;
use crate::report::{ConsumerExit, ExitCause};
use crate::terminal::Terminal;

/// Interval between two looks at the processes of a group that ends.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What the command is, and what it gets.
#[derive(Debug)]
pub struct CommandSpec {
    /// Text for the shell.
    pub text: String,
    /// Variables in addition to those of convoy.
    pub variables: Vec<(&'static str, Secret)>,
    /// File for its output.
    pub log: PathBuf,
}

/// A command that may run.
#[derive(Debug)]
pub struct ConsumerCommand {
    spec: CommandSpec,
    clock: RunClock,
    terminal: Terminal,
    running: tokio::sync::Mutex<Option<Running>>,
    history: Arc<Mutex<History>>,
}

/// What has happened to a command.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Number of times that it was started.
    pub starts: u64,
    /// How it ended, each time.
    pub exits: Vec<ConsumerExit>,
    /// Whether a fault has stopped it for a while.
    paused: bool,
    /// Why it is about to end, if convoy ends it.
    ending: Option<ExitCause>,
}

/// The process group of a command. Its leader may have ended.
#[derive(Debug)]
struct Running {
    child: Child,
    group: Pid,
    ended: watch::Receiver<bool>,
}

impl ConsumerCommand {
    /// Prepares a command; nothing runs yet.
    pub fn new(spec: CommandSpec, clock: RunClock, terminal: &Terminal) -> Arc<Self> {
        Arc::new(Self {
            spec,
            clock,
            terminal: terminal.clone(),
            running: tokio::sync::Mutex::default(),
            history: Arc::default(),
        })
    }

    /// Returns the file of its output.
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// Returns what has happened to it so far.
    pub fn history(&self) -> History {
        lock(&self.history).clone()
    }

    /// Starts it. Needs a tokio runtime.
    pub async fn start(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        *running = Some(self.spawn()?);
        Ok(())
    }

    /// Kills it and starts it again.
    pub async fn crash(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        if let Some(running) = running.take() {
            self.kill(running, ExitCause::Fault).await;
        }
        *running = Some(self.spawn()?);
        Ok(())
    }

    /// Asks it to end, kills it if it does not within `grace`, and starts it again.
    pub async fn restart(&self, grace: Duration) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        if let Some(running) = running.take() {
            let grace = tokio::time::sleep(grace);
            self.end(running, grace, ExitCause::Fault).await;
        }
        *running = Some(self.spawn()?);
        Ok(())
    }

    /// Stops all its processes until `pausing` ends.
    pub async fn pause_for(&self, pausing: impl Future<Output = ()>) {
        let running = self.running.lock().await;
        let signal = |signal| {
            if let Some(running) = running.as_ref() {
                running.signal(signal);
            }
        };
        signal(Signal::STOP);
        lock(&self.history).paused = true;
        pausing.await;
        lock(&self.history).paused = false;
        signal(Signal::CONT);
    }

    /// Asks it to end, and kills all its processes if it does not within `grace`, or when `hurry` ends.
    pub async fn stop(&self, grace: Duration, hurry: impl Future<Output = ()>) {
        let mut running = self.running.lock().await;
        if let Some(running) = running.take() {
            let hurried = async {
                tokio::select! {
                    () = tokio::time::sleep(grace) => {}
                    () = hurry => {}
                }
            };
            self.end(running, hurried, ExitCause::Stopped).await;
        }
    }

    /// Asks a command to end, and kills it when `grace` ends.
    async fn end(&self, mut running: Running, grace: impl Future<Output = ()>, cause: ExitCause) {
        lock(&self.history).ending = Some(cause);
        running.signal(Signal::TERM);
        // A paused process gets it when it goes on.
        running.signal(Signal::CONT);
        tokio::select! {
            () = running.all_ended() => {}
            () = grace => {}
        }
        self.kill(running, cause).await;
    }

    /// Kills a command with all its processes.
    async fn kill(&self, mut running: Running, cause: ExitCause) {
        lock(&self.history).ending = Some(cause);
        running.signal(Signal::KILL);
        // A killed leader ends; the channel closes with its thread.
        let _ended = running.ended.wait_for(|ended| *ended).await;
        interrupt::command_ended();
        if let Err(error) = running.child.wait() {
            tracing::debug!(%error, "failed to reap the consumer command");
        }
        lock(&self.history).ending = None;
    }

    fn spawn(&self) -> Result<Running, Error> {
        let failed = |source| Error::StartCommand {
            command: "sh".to_owned(),
            source,
        };
        let log = open_log(&self.spec.log).map_err(|source| Error::WriteFile {
            path: self.spec.log.clone(),
            source,
        })?;
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(&self.spec.text)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .process_group(0);
        for (name, value) in &self.spec.variables {
            command.env(name, value.reveal());
        }
        let child = command.spawn().map_err(failed)?;
        let group = Pid::from_child(&child);
        interrupt::command_runs(group, true);
        lock(&self.history).starts += 1;
        let (end, ended) = watch::channel(false);
        let watching = Watching {
            group,
            clock: self.clock,
            history: Arc::clone(&self.history),
            terminal: self.terminal.clone(),
            log: self.spec.log.clone(),
            variables: self.spec.variables.clone(),
        };
        let watch = move || {
            watching.run();
            // Nothing waits any more after an abort.
            end.send_replace(true);
        };
        let watcher = std::thread::Builder::new().name("command".to_owned());
        watcher.spawn(watch).map_err(Error::Runtime)?;
        Ok(Running {
            child,
            group,
            ended,
        })
    }
}

impl ConsumerProcess for ConsumerCommand {
    fn state(&self) -> ProcessState {
        let history = lock(&self.history);
        ProcessState {
            starts: history.starts,
            running: history.starts > history.exits.len() as u64,
            paused: history.paused,
        }
    }
}

/// Waits for the end of one process.
struct Watching {
    group: Pid,
    clock: RunClock,
    history: Arc<Mutex<History>>,
    terminal: Terminal,
    log: PathBuf,
    variables: Vec<(&'static str, Secret)>,
}

impl Watching {
    fn run(&self) {
        let status = loop {
            // The process stays a zombie until the group is done with.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pid(self.group), options) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(status) => break status,
                Err(error) => {
                    tracing::warn!(%error, "failed to wait for the consumer command");
                    break None;
                }
            }
        };
        let how = status
            .as_ref()
            .map_or_else(|| "unknown".to_owned(), described);
        let mut history = lock(&self.history);
        let cause = history.ending.unwrap_or(ExitCause::Itself);
        let last_line = (cause == ExitCause::Itself)
            .then(|| last_line(&self.log, &self.variables))
            .flatten();
        history.exits.push(ConsumerExit {
            at_s: Duration::from_nanos(self.clock.now()).as_secs_f64(),
            status: how.clone(),
            last_line: last_line.clone(),
            cause,
        });
        drop(history);
        tracing::info!(status = how, ?cause, "the consumer command ended");
        if cause == ExitCause::Itself {
            let said = last_line.map(|line| format!("; its last line: {line}"));
            self.terminal.say(format!(
                "warning: the consumer command ended by itself ({how}); its output is in {}{}",
                self.log.display(),
                said.unwrap_or_default()
            ));
        }
    }
}

impl Running {
    /// Waits until all processes of the group have ended. A shell ends at once and leaves behind the
    /// program that still stores what it has.
    async fn all_ended(&mut self) {
        drop(self.ended.wait_for(|ended| *ended).await);
        while group_is_running(self.group) == Some(true) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn signal(&self, signal: Signal) {
        // Its processes may have ended.
        if let Err(error) = kill_process_group(self.group, signal) {
            tracing::debug!(%error, ?signal, "failed to signal the consumer command");
        }
    }
}

fn described(status: &WaitIdStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}
