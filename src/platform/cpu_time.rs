//! CPU time of the process and of its threads.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::platform::linux_file::linux_file;

/// Length of a tick in `/proc`: 100 ticks per second on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// Returns the CPU time of the process, threads that have ended included.
pub fn process_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Returns the names of all running threads and the CPU time of each; `None` if the platform does
/// not report them (only Linux does).
pub fn thread_cpu_times() -> Option<Vec<(String, Duration)>> {
    if cfg!(not(target_os = "linux")) {
        return None;
    }
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let times = tasks.flatten().filter_map(|task| {
        let stat = task.path().join("stat");
        // A thread may end between the listing and the reading.
        parse_stat(&linux_file(stat.to_str()?)?)
    });
    Some(times.collect())
}

/// Parses a thread's name and its time in user and system mode from `/proc/self/task/*/stat`.
fn parse_stat(stat: &str) -> Option<(String, Duration)> {
    /// Number of fields after the name and before utime and stime.
    const UTIME: usize = 11;
    let (_pid, rest) = stat.split_once('(')?;
    let (name, fields) = rest.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(UTIME);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((name.to_owned(), TICK * user + TICK * system))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_the_sum_of_user_and_system_mode() {
        let stat = "7 (producer) S 1 7 7 0 -1 4194368 120 0 0 0 31 11 0 0 20 0 9 0 5 6 7";
        let expected = ("producer".to_owned(), Duration::from_millis(420));
        assert_eq!(parse_stat(stat), Some(expected));
        assert_eq!(parse_stat("7 (producer"), None);
    }

    #[test]
    fn threads_are_listed_on_linux_only() {
        let times = thread_cpu_times();
        assert_eq!(times.is_some(), cfg!(target_os = "linux"));
        assert!(times.is_none_or(|times| !times.is_empty()));
    }
}
