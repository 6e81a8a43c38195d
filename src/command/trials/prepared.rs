//! Servers, rows and a directory for trials.

use crate::command::open_files::allow_open_files;
use crate::command::{directory, workload};
use crate::error::Error;
use crate::faults::Plan;
use crate::host::interrupt::{Interruptible, listen};
use crate::host::sweep;
use crate::measure::RunClock;
use crate::pipeline::Interrupt;
use crate::report::RunDirectory;
use crate::run_id::new_run_id;
use crate::settings::{Invocation, SimulateSettings};
use crate::terminal::Terminal;
use crate::trial::{Rows, Start, Tell, Testbed};

/// Everything that a command needs for trials on one set of servers.
pub struct Prepared {
    pub run_id: String,
    /// Started with the command.
    pub clock: RunClock,
    pub directory: RunDirectory,
    pub rows: Rows,
    pub interrupt: Interrupt,
    pub testbed: Testbed,
}

impl Prepared {
    /// Opens the directory and the rows, then starts the servers. `plans` are the faults of all
    /// trials, and `interrupted` is what the user reads after the first signal.
    pub fn start(
        settings: &SimulateSettings,
        plans: Vec<Plan>,
        interrupted: &'static str,
        invocation: &Invocation,
        terminal: &Terminal,
    ) -> Result<Self, Error> {
        let clock = RunClock::start();
        let run_id = settings.run_id.clone();
        let run_id = run_id.unwrap_or_else(|| new_run_id(clock));
        let directory = directory::open(&settings.report.output, &run_id, invocation, terminal)?;
        sweep::sweep_own_directories();
        allow_open_files(&[settings], terminal)?;
        let load = &settings.load;
        let rows = workload::open(load, settings.topic.as_deref(), terminal)?;
        workload::report_bad_rows(&rows.workload, &load.read, directory.path(), terminal)?;
        let interruptible = Interruptible {
            timeout: settings.timeouts.interrupt,
            report: Some(directory.path().to_owned()),
        };
        let interrupt = listen(interruptible, terminal, move || interrupted)?;
        let testbed = start_testbed(settings, plans, &run_id, &interrupt, invocation, terminal)?;
        Ok(Self {
            run_id,
            clock,
            directory,
            rows,
            interrupt,
            testbed,
        })
    }
}

/// Starts the servers of trials, and says so on the terminal.
pub fn start_testbed(
    settings: &SimulateSettings,
    plans: Vec<Plan>,
    run_id: &str,
    interrupt: &Interrupt,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<Testbed, Error> {
    let say = |line: &str| terminal.say(line);
    let start = Start {
        invocation,
        settings,
        run_id,
        progress: Tell(&say),
        announce: Tell(&say),
    };
    let runtimes = Testbed::runtimes(false)?;
    Testbed::start(&start, plans, runtimes, interrupt, |_backends| ())
}
