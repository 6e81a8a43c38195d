//! Reads the machine facts of a report. Facts that the system does not report are `None`.
//!
//! # References
//!
//! proc(5): `/proc/cpuinfo`, `/proc/loadavg`, `/proc/meminfo`, `/proc/self/status`, `/proc/stat`.

use std::num::NonZero;
use std::thread;

use crate::containers::owner;
use crate::platform;
use crate::report::{BuildProfile, Machine};

/// Fields of the first line of `/proc/stat` that add up to all CPU time (user time includes guests).
const STAT_FIELDS: usize = 8;

/// Index of stolen time among them.
const STEAL_FIELD: usize = 7;

/// Reads the machine at the start of a run; the steal share is known only at its end.
pub(super) fn read() -> Machine {
    Machine {
        os: std::env::consts::OS.to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        kernel: rustix::system::uname()
            .release()
            .to_str()
            .ok()
            .map(str::to_owned),
        cpu_model: proc_file("cpuinfo").and_then(|text| cpu_model(&text)),
        cores: thread::available_parallelism()
            .map_or(1, NonZero::get)
            .try_into()
            .unwrap_or(u32::MAX),
        memory_bytes: proc_file("meminfo").and_then(|text| kilobytes(&text, "MemTotal:")),
        load_average: proc_file("loadavg").and_then(|text| load_average(&text)),
        steal_share: None,
        build_profile: BuildProfile::CURRENT,
        boot: owner::boot(),
    }
}

/// Returns the peak resident memory of this process.
pub(super) fn peak_resident_bytes() -> Option<u64> {
    proc_file("self/status").and_then(|text| kilobytes(&text, "VmHWM:"))
}

/// CPU time of the machine since boot, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MachineCpu {
    total: u64,
    stolen: u64,
}

impl MachineCpu {
    /// Reads the counters.
    pub(super) fn read() -> Option<Self> {
        proc_file("stat").and_then(|text| Self::parse(&text))
    }

    /// Returns the share of CPU time since `earlier` that the hypervisor gave to other guests, 0 to 1.
    pub(super) fn steal_share_since(&self, earlier: &Self) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total)?;
        let stolen = self.stolen.checked_sub(earlier.stolen)?;
        (total > 0).then(|| stolen as f64 / total as f64)
    }

    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<u64> = stat
            .lines()
            .find_map(|line| line.strip_prefix("cpu "))?
            .split_whitespace()
            .take(STAT_FIELDS)
            .map(|field| field.parse().ok())
            .collect::<Option<_>>()?;
        Some(Self {
            total: fields.iter().sum(),
            stolen: *fields.get(STEAL_FIELD)?,
        })
    }
}

fn proc_file(name: &str) -> Option<String> {
    platform::linux_file(&format!("/proc/{name}"))
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let value = |name: &str| {
        cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
            .map(|value| value.trim().to_owned())
    };
    value("model name").or_else(|| value("Model"))
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = value.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    number.checked_mul(1_024)
}

fn load_average(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_parsed() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel name\t: Example CPU @ 2.0GHz\n"),
            Some("Example CPU @ 2.0GHz".to_owned())
        );
        assert_eq!(
            kilobytes("MemFree: 1 kB\nMemTotal:       24 kB\n", "MemTotal:"),
            Some(24_576)
        );
        assert_eq!(load_average("0.25 0.5 1.0 1/200 4711\n"), Some(0.25));
    }

    #[test]
    fn steal_share_is_stolen_time_divided_by_elapsed_time() {
        let earlier = MachineCpu::parse("cpu  100 0 50 800 10 0 0 40 7 0\n").unwrap();
        let later = MachineCpu::parse("cpu  150 0 70 900 10 0 0 70 9 0\n").unwrap();
        assert_eq!(later.steal_share_since(&earlier), Some(0.15));
        assert_eq!(earlier.steal_share_since(&later), None);
    }

    #[test]
    fn malformed_proc_files_are_ignored() {
        assert_eq!(MachineCpu::parse("cpu  1 2 x\n"), None);
        assert_eq!(MachineCpu::parse("cpu  1 2 3\n"), None);
        assert_eq!(kilobytes("MemTotal: many kB\n", "MemTotal:"), None);
        assert_eq!(load_average(""), None);
    }
}
