//! One runtime per role, so that the CPU time of each can be told from the names of its threads.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::error::Error;

/// Threads that run a role's tasks. More than the cores that CI machines have would not help.
const WORKERS: usize = 2;

/// How long the start of a server may go on when it is not needed any more.
const START_DEADLINE: Duration = Duration::from_secs(5);

/// Microseconds of a tick in `/proc`: Linux shows it 100 ticks per second on every architecture.
const TICK_US: f64 = 10_000.0;

/// A part of the process whose CPU time is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The pacing thread.
    Generator,
    /// Encoding, batching and publishing.
    Producer,
    /// Fetching, decoding and writing.
    Consumer,
    /// The embedded broker.
    Broker,
    /// The embedded store.
    Store,
    /// The embedded Schema Registry.
    Registry,
}

impl Role {
    const ALL: [Self; 6] = [
        Self::Generator,
        Self::Producer,
        Self::Consumer,
        Self::Broker,
        Self::Store,
        Self::Registry,
    ];

    /// Returns the beginning of the names of the role's threads.
    pub fn thread_name(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Broker => "broker",
            Self::Store => "store",
            Self::Registry => "registry",
        }
    }
}

/// The runtimes of a run. Dropping them does not wait for tasks that do not end.
#[derive(Debug)]
pub struct Runtimes {
    of_roles: BTreeMap<Role, Runtime>,
    main: Option<Runtime>,
    /// Starts of servers: they go on when nobody waits for them any more.
    starts: TaskTracker,
}

impl Runtimes {
    /// Starts the runtimes of some roles, and one for the straight line of the command.
    pub fn start(roles: &[Role]) -> Result<Self, Error> {
        let of_roles = roles
            .iter()
            .map(|&role| Ok((role, build(role.thread_name())?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            of_roles,
            main: Some(build("main")?),
            starts: TaskTracker::new(),
        })
    }

    /// Returns a handle to a role's runtime, which must have been started.
    pub fn handle(&self, role: Role) -> Handle {
        self.of_roles[&role].handle().clone()
    }

    /// Begins the start of a server on its role's runtime.
    pub fn spawn_start<F>(&self, role: Role, start: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.starts.spawn_on(start, &self.handle(role))
    }

    /// Waits until no start is under way, so that none writes to a directory that is to go.
    pub async fn starts_ended(&self) {
        self.starts.close();
        if tokio::time::timeout(START_DEADLINE, self.starts.wait())
            .await
            .is_err()
        {
            tracing::warn!("the start of a server did not end in time");
        }
    }

    /// Runs the straight line of a command to its end.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.main
            .as_ref()
            .expect("the main runtime lives as long as self")
            .block_on(future)
    }
}

impl Drop for Runtimes {
    fn drop(&mut self) {
        let runtimes = std::mem::take(&mut self.of_roles);
        for runtime in runtimes.into_values().chain(self.main.take()) {
            runtime.shutdown_background();
        }
    }
}

fn build(name: &'static str) -> Result<Runtime, Error> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(Error::Runtime)
}

/// CPU time of each role so far, from the names of the process's threads.
#[derive(Debug, Clone, Default)]
pub struct CpuTime {
    ticks: BTreeMap<Role, f64>,
}

impl CpuTime {
    /// Reads the CPU time of every thread. Threads that have ended are not in it.
    pub fn read() -> Self {
        let mut ticks: BTreeMap<Role, f64> = BTreeMap::new();
        for task in fs::read_dir("/proc/self/task")
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(stat) = fs::read_to_string(task.path().join("stat")) else {
                continue;
            };
            if let Some((role, used)) = parse_stat(&stat) {
                *ticks.entry(role).or_default() += used;
            }
        }
        Self { ticks }
    }

    /// Adds a thread that has ended.
    pub fn add(&mut self, role: Role, used: Duration) {
        let ticks = used.as_secs_f64() * 1e6 / TICK_US;
        *self.ticks.entry(role).or_default() += ticks;
    }

    /// Returns microseconds of all roles together since `earlier`.
    pub fn total_since_us(&self, earlier: &Self) -> f64 {
        Role::ALL
            .into_iter()
            .filter_map(|role| self.since_us(earlier, role))
            .sum()
    }

    /// Returns microseconds of a role since `earlier`; none if it had no thread.
    pub fn since_us(&self, earlier: &Self, role: Role) -> Option<f64> {
        let used = self.ticks.get(&role)?;
        let before = earlier.ticks.get(&role).copied().unwrap_or_default();
        Some((used - before) * TICK_US)
    }
}

/// Reads a thread's role and its ticks in user and system mode from `/proc/self/task/*/stat`.
fn parse_stat(stat: &str) -> Option<(Role, f64)> {
    /// Fields after the name: utime and stime are the 12th and 13th of them.
    const UTIME: usize = 11;
    let (_pid, rest) = stat.split_once('(')?;
    let (name, fields) = rest.rsplit_once(')')?;
    let role = Role::ALL
        .into_iter()
        .find(|role| name.starts_with(role.thread_name()))?;
    let mut fields = fields.split_ascii_whitespace().skip(UTIME);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((role, (user + system) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_counts_for_the_role_its_name_begins_with() {
        let stat = "7 (producer) S 1 7 7 0 -1 4194368 120 0 0 0 31 11 0 0 20 0 9 0 5 6 7";
        assert_eq!(parse_stat(stat), Some((Role::Producer, 42.0)));
        assert_eq!(parse_stat(&stat.replace("producer", "main")), None);
        assert_eq!(parse_stat("7 (producer"), None);
    }
}
