//! Phases of a run, and what is shown of them.

use std::fmt;
use std::time::Duration;

use crate::text::quantity;

/// A phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Starting or reaching the broker and the store, and probing them.
    Provisioning,
    /// Load before measuring.
    WarmUp,
    /// Measured load.
    Run,
    /// Waiting until all emitted readings are stored.
    Drain,
    /// Comparing the readings emitted with the documents stored.
    Audit,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Provisioning => "provisioning",
            Self::WarmUp => "warm-up",
            Self::Run => "run",
            Self::Drain => "drain",
            Self::Audit => "audit",
        })
    }
}

/// Expected end of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// After this long.
    Duration(Duration),
    /// After this many records.
    Records(u64),
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(duration) => {
                write!(formatter, "{}", humantime::format_duration(*duration))
            }
            Self::Records(records) => {
                write!(formatter, "{} records", quantity::count(*records))
            }
        }
    }
}

/// Last step of a record in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arrived {
    /// Stored.
    #[default]
    Stored,
    /// Acknowledged by the broker.
    Acknowledged,
}

impl fmt::Display for Arrived {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Stored => "stored",
            Self::Acknowledged => "acknowledged",
        })
    }
}

/// State of a phase.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Snapshot {
    /// Time since the start of the phase.
    pub elapsed: Duration,
    /// Readings emitted in the phase.
    pub emitted: u64,
    /// Records stored in the phase, or acknowledged, depending on `arrived`.
    pub stored: u64,
    /// Step that `stored` counts.
    pub arrived: Arrived,
    /// Records that wait to be stored.
    pub waiting: Waiting,
    /// Records stored per second in the last interval.
    pub rate: f64,
    /// End-to-end 99th percentile of the last interval; `None` if nothing was stored.
    pub end_to_end_p99_us: Option<u64>,
}

impl Snapshot {
    /// Returns what it shows, the most important first.
    pub(super) fn items(&self) -> Vec<String> {
        let mut items = vec![
            format!("{} records/s", quantity::rate(self.rate)),
            self.waiting.to_string(),
        ];
        if self.arrived == Arrived::Stored {
            let p99 = self.end_to_end_p99_us;
            let p99 = p99.map_or_else(|| "–".to_owned(), quantity::duration);
            items.push(format!("p99 {p99}"));
        }
        items
    }
}

/// Records that wait to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Readings emitted and not yet stored.
    Backlog(u64),
    /// Records of the owned partitions after their checkpoints; `None` if it is unknown.
    Lag(Option<u64>),
}

impl Default for Waiting {
    fn default() -> Self {
        Self::Backlog(0)
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backlog(readings) => write!(formatter, "backlog {}", quantity::count(*readings)),
            Self::Lag(Some(records)) => write!(formatter, "lag {}", quantity::count(*records)),
            Self::Lag(None) => formatter.write_str("lag unknown"),
        }
    }
}
