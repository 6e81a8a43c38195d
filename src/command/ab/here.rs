//! Trials in this process, on servers that stay up.

use std::sync::Arc;

use crate::command::ab::order::Which;
use crate::command::open_files::allow_open_files;
use crate::command::trials::start_testbed;
use crate::command::workload;
use crate::error::Error;
use crate::faults::Plan;
use crate::pipeline::Interrupt;
use crate::report::Report;
use crate::settings::{AbSettings, Invocation, Side, SimulateSettings};
use crate::terminal::Terminal;
use crate::trial::{NoDisplay, Rows, Tell, Testbed, Trial};

/// Servers and rows of both sides. Sides with equal servers share them.
pub struct Here {
    /// Servers of A, and of B if it has others; each with its settings.
    testbeds: Vec<(Testbed, SimulateSettings)>,
    a: Rows,
    b: Rows,
}

impl Here {
    /// Starts the servers; `None` if other executables bring theirs.
    pub fn start(
        settings: &AbSettings,
        invocation: &Invocation,
        id: &str,
        interrupt: &Interrupt,
        terminal: &Terminal,
    ) -> Result<Option<Self>, Error> {
        let (Side::Here(a), Side::Here(b)) = (&settings.a, &settings.b) else {
            return Ok(None);
        };
        allow_open_files(&[a, b], terminal)?;
        let rows =
            |side: &SimulateSettings| workload::open(&side.load, side.topic.as_deref(), terminal);
        let a_rows = rows(a)?;
        let same =
            a.load.dataset == b.load.dataset && a.load.read == b.load.read && a.topic == b.topic;
        let b_rows = if same { a_rows.clone() } else { rows(b)? };
        let start = |side: &SimulateSettings, plans: Vec<Plan>, id: &str| {
            start_testbed(side, plans, id, interrupt, invocation, terminal)
        };
        let plans = |side: &SimulateSettings| side.faults.clone().into_iter();
        let mut testbeds = Vec::new();
        if same_servers(a, b) {
            let plans = plans(a).chain(plans(b)).collect();
            testbeds.push((start(a, plans, id)?, (**a).clone()));
        } else {
            for (side, name) in [(a, "a"), (b, "b")] {
                let plans = plans(side).collect();
                match start(side, plans, &format!("{id}-{name}")) {
                    Ok(testbed) => testbeds.push((testbed, (**side).clone())),
                    Err(error) => {
                        stop(testbeds, interrupt, terminal)?;
                        return Err(error);
                    }
                }
            }
        }
        Ok(Some(Self {
            testbeds,
            a: a_rows,
            b: b_rows,
        }))
    }

    /// Makes one trial of a side.
    pub fn measure(
        &mut self,
        which: Which,
        side: &SimulateSettings,
        seed: u64,
        interrupt: &Interrupt,
        terminal: &Terminal,
    ) -> Result<Report, Error> {
        let mut settings = side.clone();
        settings.load.seed = seed;
        let (rows, servers) = match which {
            Which::A => (&self.a, 0),
            Which::B => (&self.b, self.testbeds.len() - 1),
        };
        let say = |line: &str| terminal.say(line);
        let outcome = self.testbeds[servers].0.trial(Trial {
            settings: &settings,
            rows,
            observer: Arc::new(NoDisplay),
            stop_when: None,
            interrupt,
            warn: Tell(&say),
        })?;
        match outcome.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(outcome.report),
        }
    }

    /// Stops the servers.
    pub fn stop(self, interrupt: &Interrupt, terminal: &Terminal) -> Result<(), Error> {
        stop(self.testbeds, interrupt, terminal)
    }
}

/// Stops all servers, and returns the first error.
fn stop(
    testbeds: Vec<(Testbed, SimulateSettings)>,
    interrupt: &Interrupt,
    terminal: &Terminal,
) -> Result<(), Error> {
    let stopped = testbeds
        .into_iter()
        .map(|(testbed, settings)| testbed.stop(&settings, interrupt, terminal));
    stopped.collect::<Vec<_>>().into_iter().collect()
}

/// Returns whether both sides use the same servers.
fn same_servers(a: &SimulateSettings, b: &SimulateSettings) -> bool {
    let servers = |side: &SimulateSettings| {
        (
            (side.broker.clone(), side.store.clone()),
            (side.broker_port, side.store_port),
            (side.redpanda_image.clone(), side.mongo_image.clone()),
            (side.registry.clone(), side.producer.encoding),
            side.data_dir.clone(),
        )
    };
    servers(a) == servers(b)
}
