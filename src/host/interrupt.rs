//! Ctrl-C, SIGTERM and SIGHUP: the first one ends the command in order, the second one aborts it.
//!
//! ```text
//!  signal ─▶ requested ─▶ drain over ─▶ audit over ─▶ stop over ─▶ abort
//!  time      0            1/2           3/4           7/8          1 × the interrupt timeout
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::error::{Error, ExitStatus};
use crate::host::scratch;
use crate::measure::Counters;
use crate::pipeline::{Context, Interrupt};
use crate::platform::Interruptions;
use crate::report::RunDirectory;
use crate::terminal::Terminal;

/// How long an abort removes temporary data.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(2);

/// Whether containers of this process may be running.
static CONTAINERS: AtomicBool = AtomicBool::new(false);

/// Process of the command that this process runs, negative if it leads a process group; 0 if none.
static COMMAND: AtomicI32 = AtomicI32::new(0);

/// What an interruption ends.
#[derive(Debug, Clone)]
pub struct Interruptible {
    /// How long the command may take to end in order.
    pub timeout: Duration,
    /// Directory of the run's report; `None` if the command has no report.
    pub report: Option<PathBuf>,
}

/// Listens for signals on a thread of its own, so that busy runtimes do not delay them.
///
/// The first signal starts the steps of the returned value and prints `notice`. The second signal,
/// or the end of the timeout, aborts the process. Handlers are installed when this returns.
pub fn listen(
    what: Interruptible,
    terminal: &Terminal,
    notice: impl Fn() -> &'static str + Send + 'static,
) -> Result<Interrupt, Error> {
    let interrupt = Interrupt::default();
    let (steps, terminal) = (interrupt.clone(), terminal.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let registered = {
        let _entered = runtime.enter();
        Interruptions::register()
    };
    let mut interruptions = match registered {
        Ok(interruptions) => interruptions,
        // Without a handler the signal's default action ends the process.
        Err(error) => {
            tracing::warn!(%error, "failed to listen for signals");
            return Ok(interrupt);
        }
    };
    let listening = async move {
        let _any = interruptions.next().await;
        steps.requested.cancel();
        terminal.say(notice());
        let reason = tokio::select! {
            _any = interruptions.next() => "interrupted twice".to_owned(),
            () = count_down(&steps, what.timeout) => {
                format!("did not end within the interrupt timeout of {:?}", what.timeout)
            }
        };
        abort(&terminal, &reason, what.report.as_deref());
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(listening))
        .map_err(Error::Runtime)?;
    Ok(interrupt)
}

/// Listens as [`listen`] does during a run that writes a report. `notice` reads the counters of the
/// run when the first signal arrives: what is lost depends on them.
pub fn listen_in_run(
    context: &Arc<Context>,
    directory: &RunDirectory,
    terminal: &Terminal,
    notice: impl Fn(&Counters) -> &'static str + Send + 'static,
) -> Result<Interrupt, Error> {
    let what = Interruptible {
        timeout: context.settings.timeouts.interrupt,
        report: Some(directory.path().to_owned()),
    };
    let context = Arc::clone(context);
    listen(what, terminal, move || notice(&context.counters))
}

/// Says that containers of this process may be running, which an abort leaves.
pub fn containers_may_run() {
    CONTAINERS.store(true, Ordering::Relaxed);
}

/// Says that a command runs, which an abort kills, with its process group if it leads one.
pub fn command_runs(pid: Pid, leads: bool) {
    let pid = pid.as_raw_pid();
    COMMAND.store(if leads { -pid } else { pid }, Ordering::Relaxed);
}

/// Says that the command has ended.
pub fn command_ended() {
    COMMAND.store(0, Ordering::Relaxed);
}

/// Kills the command, if one runs.
fn kill_command() {
    let command = COMMAND.load(Ordering::Relaxed);
    let Some(pid) = Pid::from_raw(command.abs()) else {
        return;
    };
    // It may have ended by itself.
    let _killed = if command < 0 {
        kill_process_group(pid, Signal::KILL)
    } else {
        kill_process(pid, Signal::KILL)
    };
}

async fn count_down(steps: &Interrupt, timeout: Duration) {
    tokio::time::sleep(timeout / 2).await;
    steps.drain_over.cancel();
    tokio::time::sleep(timeout / 4).await;
    steps.audit_over.cancel();
    tokio::time::sleep(timeout / 8).await;
    steps.stop_over.cancel();
    tokio::time::sleep(timeout / 8).await;
}

/// Ends the process at once: removes temporary data and says what is lost.
fn abort(terminal: &Terminal, reason: &str, report: Option<&Path>) {
    terminal.restore();
    let mut text = format!("aborted: {reason}");
    if let Some(directory) = report {
        if directory.join("report.json").exists() {
            text.push_str("; the report is in ");
            text.push_str(&directory.display().to_string());
        } else {
            text.push_str("; there is no report");
            remove_partial_files(directory);
        }
    }
    let stays = remove_temporary_data();
    if !stays.is_empty() {
        let stays: Vec<_> = stays
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        text.push_str("; temporary data stays in ");
        text.push_str(&stays.join(", "));
    }
    let containers = CONTAINERS.load(Ordering::Relaxed);
    if containers {
        text.push_str("; containers of the run may still be running");
    }
    if containers || !stays.is_empty() {
        text.push_str("; remove it with `convoy clean`");
    }
    terminal.failure(&text);
    // Last: its end would end this process in order.
    kill_command();
    end_process(ExitStatus::Interrupted);
}

/// Removes the temporary data of this process within a deadline. Returns what stays.
pub fn remove_temporary_data() -> Vec<PathBuf> {
    let (done, removed) = mpsc::channel();
    let removing = std::thread::Builder::new().spawn(move || {
        scratch::remove_live();
        // Nothing waits any more after the deadline.
        done.send(()).unwrap_or_default();
    });
    match removing {
        Ok(_thread) => {
            let _in_time = removed.recv_timeout(REMOVAL_DEADLINE);
        }
        Err(_no_thread) => scratch::remove_live(),
    }
    scratch::live()
        .into_iter()
        .filter(|path| path.exists())
        .collect()
}

/// Removes files without their final names, and the run's directory if it is empty then.
fn remove_partial_files(directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(".partial-") {
            let _gone = std::fs::remove_file(entry.path());
        }
    }
    let _kept = std::fs::remove_dir(directory);
}

/// Ends the process without waiting for its threads.
#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "threads that hang must not keep the process"
)]
pub fn end_process(status: ExitStatus) {
    std::process::exit(i32::from(status.code()));
}
