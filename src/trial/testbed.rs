//! Servers and threads that runs share.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::faults::Plan;
use crate::host::backend::Backends;
use crate::host::consumer_watch::ConsumerWatch;
use crate::host::fault_switch::FaultSwitch;
use crate::host::launch::Launch;
use crate::host::roles::{Role, Runtimes};
use crate::host::servers::Servers;
use crate::pipeline::Interrupt;
use crate::settings::{Invocation, SimulateSettings};
use crate::terminal::Terminal;

/// Roles with tasks of their own; the generator is a thread.
const ROLES: [Role; 5] = [
    Role::Producer,
    Role::Consumer,
    Role::Broker,
    Role::Store,
    Role::Registry,
];

/// Receives a line for the user.
#[derive(Clone, Copy)]
pub struct Tell<'a>(pub &'a (dyn Fn(&str) + Send + Sync));

impl fmt::Debug for Tell<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Tell").finish_non_exhaustive()
    }
}

/// Everything needed to start the servers.
#[derive(Debug)]
pub struct Start<'a> {
    /// How the command was called.
    pub invocation: &'a Invocation,
    /// Settings that choose the servers.
    pub settings: &'a SimulateSettings,
    /// Id that names containers and temporary directories.
    pub run_id: &'a str,
    /// Receives progress.
    pub progress: Tell<'a>,
    /// Receives which servers are used.
    pub announce: Tell<'a>,
}

/// Running servers, or connections to existing ones, and the threads of all roles.
#[derive(Debug)]
pub struct Testbed {
    pub(super) invocation: Invocation,
    pub(super) runtimes: Runtimes,
    pub(super) servers: Servers,
    /// Absent if no run has faults.
    pub(super) faults: Option<Arc<FaultSwitch>>,
}

impl Testbed {
    /// Starts the threads of all roles, and those of the display if there is one.
    pub fn runtimes(display: bool) -> Result<Runtimes, Error> {
        Runtimes::start_with_display(&ROLES, display)
    }

    /// Decides which servers to use, and starts them. `plans` are the fault plans of all runs.
    ///
    /// `decided` is called between both. An interruption cancels the start.
    pub fn start(
        start: &Start<'_>,
        plans: Vec<Plan>,
        runtimes: Runtimes,
        interrupt: &Interrupt,
        decided: impl FnOnce(&Backends),
    ) -> Result<Self, Error> {
        Self::start_watched(start, plans, runtimes, interrupt, decided, None)
    }

    /// Starts servers that watch an external consumer.
    pub fn start_watched(
        start: &Start<'_>,
        plans: Vec<Plan>,
        runtimes: Runtimes,
        interrupt: &Interrupt,
        decided: impl FnOnce(&Backends),
        watch: Option<&ConsumerWatch>,
    ) -> Result<Self, Error> {
        let faults = (!plans.is_empty()).then(|| Arc::new(FaultSwitch::new(plans)));
        let launch = Launch {
            settings: start.settings,
            run_id: start.run_id,
            docker_env: &start.invocation.docker_env,
            faults: faults.clone(),
            watch,
            progress: start.progress.0,
            announce: start.announce.0,
            runtimes: &runtimes,
        };
        let backends = runtimes.block_on(launch.decide(&interrupt.requested))?;
        decided(&backends);
        let starting = Box::pin(launch.start(backends, &interrupt.requested));
        let servers = runtimes.block_on(starting)?;
        Ok(Self {
            invocation: start.invocation.clone(),
            runtimes,
            servers,
            faults,
        })
    }

    /// Returns the servers.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Stops the servers in order, unless the user no longer waits for it.
    pub fn stop(
        self,
        settings: &SimulateSettings,
        interrupt: &Interrupt,
        terminal: &Terminal,
    ) -> Result<(), Error> {
        let stopping = Box::pin(self.servers.stop(settings.keep, terminal));
        let stopping = interrupt.stop_over.run_until_cancelled(stopping);
        self.runtimes.block_on(stopping).unwrap_or_else(|| {
            terminal
                .say("warning: the servers did not stop in time; `convoy clean` removes the rest");
            Ok(())
        })
    }
}
