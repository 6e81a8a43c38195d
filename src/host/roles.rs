//! One runtime per role, so that thread names tell the CPU time of each role.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::platform;

/// Worker threads per role. CI machines have not more cores.
const WORKERS: usize = 2;

/// Deadline for cancelled starts of servers.
const START_DEADLINE: Duration = Duration::from_secs(5);

/// A part of the process with its own threads and CPU time.
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
    /// The live page and the dashboard.
    Display,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Generator,
        Self::Producer,
        Self::Consumer,
        Self::Broker,
        Self::Store,
        Self::Registry,
        Self::Display,
    ];

    /// Returns the prefix of the names of the role's threads.
    pub fn thread_name(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Broker => "broker",
            Self::Store => "store",
            Self::Registry => "registry",
            Self::Display => "display",
        }
    }
}

/// The runtimes of a run. Dropping them does not wait for their tasks.
#[derive(Debug)]
pub struct Runtimes {
    of_roles: BTreeMap<Role, Runtime>,
    main: Option<Runtime>,
    /// Starts of servers, which continue when they are cancelled.
    starts: TaskTracker,
}

impl Runtimes {
    /// Starts the runtimes of these roles, and one for the command itself.
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

    /// Starts the runtimes of these roles, and that of the display if there is one.
    pub fn start_with_display(roles: &[Role], display: bool) -> Result<Self, Error> {
        let display = display.then_some(Role::Display);
        let roles: Vec<Role> = roles.iter().copied().chain(display).collect();
        Self::start(&roles)
    }

    /// Returns a handle to a role's runtime, which must have been started.
    pub fn handle(&self, role: Role) -> Handle {
        self.of_roles[&role].handle().clone()
    }

    /// Starts a server on its role's runtime.
    pub fn spawn_start<F>(&self, role: Role, start: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.starts.spawn_on(start, &self.handle(role))
    }

    /// Waits for all starts to end, so that none writes to a directory that is being removed.
    pub async fn starts_ended(&self) {
        self.starts.close();
        if tokio::time::timeout(START_DEADLINE, self.starts.wait())
            .await
            .is_err()
        {
            tracing::warn!("the start of a server did not end in time");
        }
    }

    /// Runs the command's own future to its end.
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

/// CPU time of each role so far, and of the process.
#[derive(Debug, Clone, Default)]
pub struct CpuTime {
    /// `None` if the platform does not report the CPU time of threads.
    by_role: Option<BTreeMap<Role, Duration>>,
    process: Duration,
}

impl CpuTime {
    /// Reads the CPU time of all running threads. Threads that have ended are not included.
    pub fn read() -> Self {
        let threads = platform::thread_cpu_times();
        Self {
            by_role: threads.map(|threads| sum_by_role(&threads)),
            process: platform::process_cpu_time(),
        }
    }

    /// Adds a thread that has ended.
    pub fn add(&mut self, role: Role, used: Duration) {
        if let Some(by_role) = &mut self.by_role {
            *by_role.entry(role).or_default() += used;
        }
    }

    /// Returns the time of a role so far, unless it had no thread or the platform does not report it.
    pub fn of(&self, role: Role) -> Option<Duration> {
        self.by_role.as_ref()?.get(&role).copied()
    }

    /// Returns the time of all roles since `earlier`, in microseconds. If the platform does not
    /// report the CPU time of threads, it is the time of the process.
    pub fn total_since_us(&self, earlier: &Self) -> f64 {
        if self.by_role.is_none() {
            return microseconds(self.process) - microseconds(earlier.process);
        }
        Role::ALL
            .into_iter()
            .filter_map(|role| self.since_us(earlier, role))
            .sum()
    }

    /// Returns the time of a role since `earlier`, in microseconds, unless it had no thread or the
    /// platform does not report it.
    pub fn since_us(&self, earlier: &Self, role: Role) -> Option<f64> {
        let used = self.by_role.as_ref()?.get(&role)?;
        let before = earlier
            .by_role
            .as_ref()
            .and_then(|earlier| earlier.get(&role));
        Some(microseconds(*used) - before.map_or(0.0, |before| microseconds(*before)))
    }
}

/// Sums the CPU time of threads by the role that their names begin with.
fn sum_by_role(threads: &[(String, Duration)]) -> BTreeMap<Role, Duration> {
    let mut by_role: BTreeMap<Role, Duration> = BTreeMap::new();
    for (name, used) in threads {
        let mut roles = Role::ALL.into_iter();
        if let Some(role) = roles.find(|role| name.starts_with(role.thread_name())) {
            *by_role.entry(role).or_default() += *used;
        }
    }
    by_role
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_counts_for_the_role_that_its_name_begins_with() {
        let second = Duration::from_secs(1);
        let threads = ["producer", "producer-2", "main", "store"];
        let by_role = sum_by_role(&threads.map(|name| (name.to_owned(), second)));
        assert_eq!(
            by_role,
            BTreeMap::from([(Role::Producer, 2 * second), (Role::Store, second)])
        );
    }

    #[test]
    fn role_without_threads_has_no_time() {
        let mut cpu = CpuTime {
            by_role: Some(BTreeMap::new()),
            process: Duration::ZERO,
        };
        let earlier = cpu.clone();
        assert_eq!(cpu.since_us(&earlier, Role::Generator), None);
        cpu.add(Role::Generator, Duration::from_millis(2));
        assert_eq!(cpu.since_us(&earlier, Role::Generator), Some(2_000.0));
        assert!((cpu.total_since_us(&earlier) - 2_000.0).abs() < 1e-6);
    }

    #[test]
    fn platform_without_thread_times_gives_the_total_of_the_process() {
        let cpu = CpuTime {
            by_role: None,
            process: Duration::from_millis(5),
        };
        let earlier = CpuTime {
            by_role: None,
            process: Duration::from_millis(2),
        };
        assert_eq!(cpu.since_us(&earlier, Role::Producer), None);
        assert!((cpu.total_since_us(&earlier) - 3_000.0).abs() < 1e-6);
    }
}
