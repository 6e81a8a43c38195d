//! The machine: memory, processor, clock, limits.
//!
//! # References
//!
//! proc(5) for `/proc/meminfo`, `/proc/cpuinfo` and `/proc/sys/fs`; Redpanda's requirements for
//! `fs.aio-max-nr`; MongoDB's production notes for AVX.

use rustix::process::{Resource, getrlimit};

use crate::command::doctor::Finding;
use crate::platform;
use crate::report::{BuildProfile, quantity};

/// Memory that convoy and its embedded servers need for a typical run.
const EMBEDDED_BYTES: u64 = 512 << 20;

/// Memory that both containers need.
const CONTAINERS_BYTES: u64 = 3 << 30;

/// Files and connections of a run with a few hundred consumers.
const FILES: u64 = 1_024;

/// Asynchronous I/O requests that Redpanda asks for per core.
const AIO_REQUESTS: u64 = 11_264;

/// Clock sources that are read without a system call.
const FAST_CLOCKS: [&str; 6] = [
    "tsc",
    "kvm-clock",
    "arch_sys_counter",
    "hyperv_clocksource_tsc_page",
    "xen",
    "timebase",
];

/// Checks everything that the system reports.
pub(super) fn examine() -> Vec<Finding> {
    let file = platform::linux_file;
    let number = |path: &str| file(path).and_then(|text| text.trim().parse().ok());
    let findings = [
        Some(build(BuildProfile::CURRENT)),
        file("/proc/meminfo").and_then(|text| memory(&text)),
        file("/proc/cpuinfo").and_then(|text| processor(&text)),
        file("/sys/devices/system/clocksource/clocksource0/current_clocksource")
            .map(|text| clock(text.trim())),
        number("/proc/sys/fs/aio-max-nr")
            .zip(number("/proc/sys/fs/aio-nr"))
            .map(|(most, used)| asynchronous_io(most, used)),
        Some(files(getrlimit(Resource::Nofile).current)),
    ];
    findings.into_iter().flatten().collect()
}

fn build(profile: BuildProfile) -> Finding {
    match profile {
        BuildProfile::Release => Finding::ok("build", "optimised"),
        BuildProfile::Debug => Finding::limited(
            "build",
            "debug build: do not use its measurements",
            "build with `cargo build --release`",
        ),
    }
}

fn memory(meminfo: &str) -> Option<Finding> {
    let bytes = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let number: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        number.checked_mul(1_024)
    };
    let (available, total) = (bytes("MemAvailable:")?, bytes("MemTotal:")?);
    let seen = format!(
        "{} of {} available",
        quantity::bytes(available as f64),
        quantity::bytes(total as f64)
    );
    Some(if available < EMBEDDED_BYTES {
        Finding::limited("memory", seen, "stop other programs, or use fewer vehicles")
    } else if available < CONTAINERS_BYTES {
        Finding::limited(
            "memory",
            format!("{seen}: not enough for containers"),
            "stop other programs, or pass `--backend embedded`",
        )
    } else {
        Finding::ok("memory", seen)
    })
}

fn processor(cpuinfo: &str) -> Option<Finding> {
    let flags = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("flags")?.split_once(':'))
        .map(|(_, flags)| flags)?;
    Some(if flags.split_whitespace().any(|flag| flag == "avx") {
        Finding::ok("processor", "has AVX, which MongoDB 5.0 and later need")
    } else {
        Finding::limited(
            "processor",
            "no AVX: MongoDB 5.0 and later do not start",
            "pass `--mongo-image mongo:4.4` or `--backend embedded`",
        )
    })
}

fn clock(source: &str) -> Finding {
    if FAST_CLOCKS.contains(&source) {
        Finding::ok("clock", format!("clock source {source}"))
    } else {
        Finding::limited(
            "clock",
            format!("clock source {source}: each timestamp takes about a microsecond"),
            "boot with `clocksource=tsc` if the processor has an invariant TSC",
        )
    }
}

fn asynchronous_io(most: u64, used: u64) -> Finding {
    let free = most.saturating_sub(used);
    let seen = format!("fs.aio-max-nr is {most}, {used} in use");
    if free >= AIO_REQUESTS {
        Finding::ok("asynchronous I/O", seen)
    } else {
        Finding::limited(
            "asynchronous I/O",
            format!("{seen}: not enough for Redpanda"),
            "sudo sysctl -w fs.aio-max-nr=1048576",
        )
    }
}

fn files(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < FILES => Finding::limited(
            "open files",
            format!("at most {limit} at once"),
            "ulimit -n 65536",
        ),
        Some(limit) => Finding::ok("open files", format!("up to {limit} at once")),
        None => Finding::ok("open files", "no limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Level;

    #[test]
    fn little_memory_limits_containers_first() {
        let level = |kilobytes: u64| {
            let text = format!("MemTotal: 25165824 kB\nMemAvailable: {kilobytes} kB\n");
            memory(&text).unwrap()
        };
        assert_eq!(level(20 << 20).level, Level::Ok);
        assert!(level(1 << 20).seen.contains("not enough for containers"));
        assert_eq!(level(100 << 10).level, Level::Limited);
        assert_eq!(memory("no memory here"), None);
    }

    #[test]
    fn missing_avx_is_reported() {
        assert_eq!(
            processor("flags\t\t: fpu sse avx avx2\n").unwrap().level,
            Level::Ok
        );
        assert_eq!(
            processor("flags\t\t: fpu sse avx2x\n").unwrap().level,
            Level::Limited
        );
        assert_eq!(processor("Features : fp asimd\n"), None);
    }

    #[test]
    fn slow_clocks_and_low_limits_are_reported() {
        assert_eq!(clock("tsc").level, Level::Ok);
        assert_eq!(clock("hpet").level, Level::Limited);
        assert_eq!(asynchronous_io(65_536, 0).level, Level::Ok);
        assert_eq!(asynchronous_io(65_536, 60_000).level, Level::Limited);
        assert_eq!(files(Some(256)).level, Level::Limited);
        assert_eq!(files(None).level, Level::Ok);
    }
}
