//! COMMAND of `convoy up -- COMMAND`: started with the variables of the `.env`, ended with the servers.
//!
//! COMMAND leads a process group of its own, which gets the signals that convoy gets. If convoy is in
//! the foreground of a terminal, COMMAND stays in convoy's group: so it can read from the terminal,
//! and the terminal itself sends Ctrl-C to both.

use std::ffi::OsString;
use std::io::{IsTerminal as _, stdin};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_process, kill_process_group, waitid,
};
use rustix::termios::tcgetpgrp;
use tokio::sync::oneshot;

use crate::error::{Error, ExitStatus};
use crate::host::interrupt;
use crate::pipeline::Interrupt;
use crate::platform::Interruptions;
use crate::terminal::Terminal;

/// Exit code of a command that ran longer than its timeout, as of timeout(1).
const TIMED_OUT: u8 = 124;

/// Time between SIGTERM and SIGKILL after the timeout.
const GRACE: Duration = Duration::from_secs(5);

/// A running command.
pub(super) struct Running {
    child: Child,
    pid: Pid,
    /// Whether the command leads a process group of its own.
    leads: bool,
    signals: Interruptions,
    ended: oneshot::Receiver<()>,
}

impl Running {
    /// Starts the command with additional variables. Needs a tokio runtime.
    pub(super) fn start(
        program: &[OsString],
        variables: Vec<(&'static str, String)>,
    ) -> Result<Self, Error> {
        let (name, arguments) = program.split_first().ok_or(Error::Bug("no command"))?;
        let failed = |source| Error::StartCommand {
            command: name.to_string_lossy().into_owned(),
            source,
        };
        let leads = !has_terminal();
        // A signal may arrive as soon as the command runs.
        let signals = Interruptions::register().map_err(Error::Runtime)?;
        let mut command = Command::new(name);
        command.args(arguments).envs(variables);
        if leads {
            command.process_group(0);
        }
        let child = command.spawn().map_err(failed)?;
        let pid = Pid::from_child(&child);
        interrupt::command_runs(pid, leads);
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("command".to_owned())
            .spawn(move || {
                // The process stays known until `finish`, so no signal reaches another one.
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while waitid(WaitId::Pid(pid), options)
                    .is_err_and(|it| it == rustix::io::Errno::INTR)
                {}
                // Nothing waits any more after an abort.
                end.send(()).unwrap_or_default();
            })
            .map_err(Error::Runtime)?;
        Ok(Self {
            child,
            pid,
            leads,
            signals,
            ended,
        })
    }

    /// Waits for the end of the command and passes signals on. Returns convoy's exit status.
    ///
    /// The command gets SIGTERM when `over` ends, and SIGKILL if it does not end then or within the
    /// bound of an interruption.
    pub(super) async fn finish(
        mut self,
        over: impl Future<Output = ()>,
        interrupt: &Interrupt,
        terminal: &Terminal,
    ) -> Result<ExitStatus, Error> {
        let mut over = Box::pin(over);
        let (mut timed_out, mut killed) = (false, false);
        let mut grace = Box::pin(tokio::time::sleep(GRACE));
        loop {
            tokio::select! {
                _ended = &mut self.ended => break,
                signal = self.signals.next() => self.pass_on(signal),
                () = &mut over, if !timed_out => {
                    timed_out = true;
                    terminal.say("the time is over: ending the command");
                    self.signal(Signal::TERM);
                    grace.as_mut().set(tokio::time::sleep(GRACE));
                }
                () = &mut grace, if timed_out && !killed => {
                    killed = true;
                    self.signal(Signal::KILL);
                }
                () = interrupt.drain_over.cancelled(), if !killed => {
                    killed = true;
                    terminal.say("the command does not end: killing it");
                    self.signal(Signal::KILL);
                }
            }
        }
        if timed_out || interrupt.is_requested() {
            // Processes that the command left in its group.
            self.signal(Signal::KILL);
        }
        interrupt::command_ended();
        let status = self.child.wait().map_err(Error::Runtime)?;
        if timed_out {
            return Ok(ExitStatus::Command(TIMED_OUT));
        }
        let code = status.code().or_else(|| status.signal().map(|it| 128 + it));
        let code = code.and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitStatus::Bug, ExitStatus::Command))
    }

    /// Asks the command to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends the command a signal that convoy got.
    fn pass_on(&self, signal: Signal) {
        // The terminal has sent it to the command as well.
        if self.leads || signal != Signal::INT {
            self.signal(signal);
        }
    }

    fn signal(&self, signal: Signal) {
        let sent = if self.leads {
            kill_process_group(self.pid, signal)
        } else {
            kill_process(self.pid, signal)
        };
        if let Err(error) = sent {
            tracing::debug!(%error, ?signal, "failed to signal the command");
        }
    }
}

/// Returns whether this process is in the foreground of a terminal.
fn has_terminal() -> bool {
    let stdin = stdin();
    stdin.is_terminal() && tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp())
}
