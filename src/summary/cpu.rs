//! CPU time of the process and of the machine during a run.

use std::time::Duration;

use crate::host::roles::{CpuTime, Role};
use crate::measure::RunClock;
use crate::report::{CpuPerRecord, Machine};
use crate::summary::machine::{self, MachineCpu};

/// Machine and CPU time at the start of a run.
#[derive(Debug)]
pub struct Baseline {
    machine: Machine,
    machine_cpu: Option<MachineCpu>,
    cpu: CpuTime,
    at: u64,
}

impl Baseline {
    /// Reads the machine and the CPU time used so far.
    pub fn read(clock: RunClock) -> Self {
        Self {
            machine: machine::read(),
            machine_cpu: MachineCpu::read(),
            cpu: CpuTime::read(),
            at: clock.now(),
        }
    }

    /// Returns the machine, with the share of CPU time stolen since the baseline.
    pub(super) fn machine(&self) -> Machine {
        let now = MachineCpu::read();
        let steal_share = match (&now, &self.machine_cpu) {
            (Some(now), Some(before)) => now.steal_share_since(before),
            _ => None,
        };
        Machine {
            steal_share,
            ..self.machine.clone()
        }
    }
}

/// CPU time of each role at the end of the measured part, before the audit adds to it.
#[derive(Debug, Clone)]
pub struct CpuUse {
    cpu: CpuTime,
    at: u64,
}

impl CpuUse {
    /// Reads the CPU time used so far.
    pub fn read(clock: RunClock) -> Self {
        Self {
            cpu: CpuTime::read(),
            at: clock.now(),
        }
    }

    /// Adds the CPU time of the pacing thread, which has ended and is not counted with the others.
    #[must_use]
    pub fn with_generator(mut self, used: Duration) -> Self {
        self.cpu.add(Role::Generator, used);
        self
    }

    /// Returns the CPU time of this process since the baseline as a share of all cores.
    pub(super) fn share(&self, baseline: &Baseline) -> f64 {
        let elapsed_us = self.at.saturating_sub(baseline.at) as f64 / 1e3;
        let available_us = elapsed_us * f64::from(baseline.machine.cores);
        self.cpu.total_since_us(&baseline.cpu) / available_us
    }

    /// Returns the CPU time of each role since the baseline, divided by the number of records.
    pub(super) fn per_record(&self, baseline: &Baseline, records: u64) -> CpuPerRecord {
        let per_record = |role| {
            let used = self.cpu.since_us(&baseline.cpu, role)?;
            (records > 0).then(|| used / records as f64)
        };
        CpuPerRecord {
            generator_us: per_record(Role::Generator),
            producer_us: per_record(Role::Producer),
            consumer_us: per_record(Role::Consumer),
            broker_us: per_record(Role::Broker),
            store_us: per_record(Role::Store),
            display_us: per_record(Role::Display),
        }
    }
}
