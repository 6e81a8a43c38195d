//! Progress of a run: bars on a terminal, otherwise plain lines.

use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::streams::Terminal;

/// Interval between plain lines of a phase.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Interval between steps of a spinner.
const SPINNER_PERIOD: Duration = Duration::from_millis(120);

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
            Self::Records(records) => write!(formatter, "{records} records"),
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
    /// End-to-end 99th percentile of the last interval; `None` if it stored nothing.
    pub end_to_end_p99_us: Option<u64>,
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
            Self::Backlog(readings) => write!(formatter, "backlog {readings}"),
            Self::Lag(Some(records)) => write!(formatter, "lag {records}"),
            Self::Lag(None) => formatter.write_str("lag unknown"),
        }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.1} records/s · {}", self.rate, self.waiting)?;
        match (self.arrived, self.end_to_end_p99_us) {
            (Arrived::Stored, Some(p99_us)) => {
                let p99_ms = p99_us as f64 / 1e3;
                write!(formatter, " · p99 {p99_ms:.1} ms")
            }
            _ => Ok(()),
        }
    }
}

/// Progress of one run. Dropping it ends the current phase.
#[derive(Debug)]
pub struct Progress {
    terminal: Terminal,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    phase: Phase,
    expected: Option<Expected>,
    bar: Option<ProgressBar>,
    /// Time of the last plain line since the start of the phase.
    last_line: Duration,
}

impl Progress {
    /// Starts a progress display without a phase.
    pub fn new(terminal: Terminal) -> Self {
        Self {
            terminal,
            current: None,
        }
    }

    /// Starts a phase and ends the previous one.
    pub fn phase(&mut self, phase: Phase, expected: Option<Expected>) {
        self.finish();
        let bar = self.terminal.draws_bars.then(|| {
            let bar = self.terminal.bars.add(ProgressBar::no_length());
            bar.set_style(style(expected));
            bar.set_prefix(phase.to_string());
            bar.set_length(expected.map_or(0, length));
            bar.enable_steady_tick(SPINNER_PERIOD);
            bar
        });
        if bar.is_none() {
            match expected {
                Some(expected) => self.terminal.say(format_args!("{phase}: {expected}")),
                None => self.terminal.say(phase),
            }
        }
        self.current = Some(Current {
            phase,
            expected,
            bar,
            last_line: Duration::ZERO,
        });
    }

    /// Updates the current phase; call it about once a second.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let Some(current) = &mut self.current else {
            return;
        };
        if let Some(bar) = &current.bar {
            bar.set_position(match current.expected {
                Some(Expected::Duration(_)) => milliseconds(snapshot.elapsed),
                Some(Expected::Records(_)) | None => snapshot.stored,
            });
            bar.set_message(snapshot.to_string());
        } else if snapshot.elapsed.saturating_sub(current.last_line) >= LINE_PERIOD {
            current.last_line = snapshot.elapsed;
            self.terminal.say(format_args!(
                "{}: {} s · {} {} · {snapshot}",
                current.phase,
                snapshot.elapsed.as_secs(),
                snapshot.stored,
                snapshot.arrived
            ));
        }
    }

    /// Shows a message about the current phase.
    pub fn message(&mut self, text: &str) {
        let Some(current) = &self.current else {
            return;
        };
        match &current.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.terminal.say(format_args!("{}: {text}", current.phase)),
        }
    }

    /// Ends the current phase; its bar stays on the screen.
    pub fn finish(&mut self) {
        if let Some(bar) = self.current.take().and_then(|current| current.bar) {
            bar.abandon();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn style(expected: Option<Expected>) -> ProgressStyle {
    let template = match expected {
        Some(Expected::Duration(_)) => "{prefix:12} {wide_bar} {elapsed} {msg}",
        Some(Expected::Records(_)) => "{prefix:12} {wide_bar} {human_pos}/{human_len} {msg}",
        None => "{prefix:12} {spinner} {elapsed} {msg}",
    };
    ProgressStyle::with_template(template).expect("the templates above are valid")
}

fn length(expected: Expected) -> u64 {
    match expected {
        Expected::Duration(duration) => milliseconds(duration),
        Expected::Records(records) => records,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_of_all_phases_parse() {
        for expected in [
            None,
            Some(Expected::Duration(Duration::from_secs(10))),
            Some(Expected::Records(100)),
        ] {
            let _valid = style(expected);
        }
    }

    #[test]
    fn snapshot_shows_rate_backlog_and_p99() {
        let snapshot = Snapshot {
            elapsed: Duration::from_secs(3),
            emitted: 152,
            stored: 150,
            arrived: Arrived::Stored,
            waiting: Waiting::Backlog(2),
            rate: 49.96,
            end_to_end_p99_us: Some(20_912),
        };
        assert_eq!(
            snapshot.to_string(),
            "50.0 records/s · backlog 2 · p99 20.9 ms"
        );
        let consumer = Snapshot {
            waiting: Waiting::Lag(Some(1_200)),
            rate: 0.0,
            end_to_end_p99_us: None,
            ..snapshot
        };
        assert_eq!(consumer.to_string(), "0.0 records/s · lag 1200");
    }
}
