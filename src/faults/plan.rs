//! A fault plan and its text.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::faults::kind::{Chance, DataKind, Target};
use crate::load::{LONGEST_DURATION, unit_interval};

/// Duration of a fault that lasts as long as the run.
pub(super) const WHOLE_RUN: Duration = LONGEST_DURATION;

/// Value of `--faults`.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// A plan drawn from the seed.
    Chaos,
    /// The given plan.
    Plan(Plan),
}

/// All faults of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Faults of readings, each with its share of them.
    pub data: Vec<(DataKind, Probability)>,
    /// Faults at an instant of the run.
    pub scheduled: Vec<Scheduled>,
    /// Faults that may happen to each request.
    pub chances: Vec<(Chance, Probability)>,
}

/// A probability from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Probability(f64);

/// Fault at an instant, counted from the first reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduled {
    /// A server is stopped and started again with its data; a command is asked to end first.
    Restart {
        /// Server to restart.
        target: Target,
        /// Instant of the fault.
        at: Duration,
    },
    /// The broker crashes as with its machine: records that were not synced are lost. The command of a
    /// consumer is killed and started again.
    Crash {
        /// What crashes.
        target: Target,
        /// Instant of the fault.
        at: Duration,
    },
    /// A server does not respond for a while; its connections stay open.
    Hang {
        /// Server that hangs.
        target: Target,
        /// Instant of the fault.
        at: Duration,
        /// Duration of the fault.
        lasting: Duration,
    },
    /// A server takes longer for each request.
    Slow {
        /// Server that is slow.
        target: Target,
        /// Additional time for each request.
        delay: Duration,
        /// Instant of the fault.
        at: Duration,
        /// Duration of the fault.
        lasting: Duration,
    },
}

impl Scheduled {
    /// Returns the name of the fault.
    pub fn name(self) -> String {
        match self {
            Self::Restart { target, .. } => format!("{target}-restart"),
            Self::Crash { target, .. } => format!("{target}-crash"),
            Self::Hang { target, .. } => format!("{target}-hang"),
            Self::Slow { target, .. } => format!("slow-{target}"),
        }
    }

    /// Returns the server that it is injected into.
    pub fn target(self) -> Target {
        match self {
            Self::Restart { target, .. }
            | Self::Crash { target, .. }
            | Self::Hang { target, .. }
            | Self::Slow { target, .. } => target,
        }
    }

    /// Returns the instant of the fault.
    pub fn at(self) -> Duration {
        match self {
            Self::Restart { at, .. }
            | Self::Crash { at, .. }
            | Self::Hang { at, .. }
            | Self::Slow { at, .. } => at,
        }
    }

    /// Returns the duration of the fault; zero for restarts and crashes.
    pub fn lasting(self) -> Duration {
        match self {
            Self::Restart { .. } | Self::Crash { .. } => Duration::ZERO,
            Self::Hang { lasting, .. } | Self::Slow { lasting, .. } => lasting,
        }
    }
}

impl Plan {
    /// Returns whether the broker may lose the end of a log.
    pub fn may_lose_a_log(&self) -> bool {
        let crash = |scheduled: &Scheduled| matches!(scheduled, Scheduled::Crash { target, .. } if *target == Target::Broker);
        self.scheduled.iter().any(crash)
    }
}

impl Probability {
    /// Wraps a probability; `None` if it is not from 0 to 1.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// Returns the probability as a number.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Decides by 64 random bits whether the event occurs.
    pub fn occurs(self, bits: u64) -> bool {
        unit_interval(bits) < self.0
    }
}

impl FromStr for Probability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| "expected a probability from 0 to 1".to_owned())
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// A duration in the largest unit that needs no fraction.
struct Compact(Duration);

impl fmt::Display for Compact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
        let exact = units
            .into_iter()
            .find(|(unit, _)| nanos.is_multiple_of(*unit));
        let (unit, name) = exact.unwrap_or((1, "ns"));
        write!(formatter, "{}{name}", nanos / unit)
    }
}

impl fmt::Display for Scheduled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, at) = (self.name(), Compact(self.at()));
        match self {
            Self::Restart { .. } | Self::Crash { .. } => write!(formatter, "{name}@{at}"),
            Self::Hang { lasting, .. } => write!(formatter, "{name}@{at}+{}", Compact(*lasting)),
            Self::Slow {
                delay,
                at: Duration::ZERO,
                lasting: WHOLE_RUN,
                ..
            } => write!(formatter, "{name}={}", Compact(*delay)),
            Self::Slow { delay, lasting, .. } => write!(
                formatter,
                "{name}={}@{at}+{}",
                Compact(*delay),
                Compact(*lasting)
            ),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        if !self.data.is_empty() {
            let kinds = self
                .data
                .iter()
                .map(|(kind, share)| format!("{kind}:{share}"));
            items.push(format!("data={}", kinds.collect::<Vec<_>>().join("+")));
        }
        items.extend(self.scheduled.iter().map(ToString::to_string));
        let chances = self.chances.iter();
        items.extend(chances.map(|(chance, probability)| format!("{chance}={probability}")));
        formatter.write_str(&items.join(","))
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chaos => formatter.write_str("chaos"),
            Self::Plan(plan) => fmt::Display::fmt(plan, formatter),
        }
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
