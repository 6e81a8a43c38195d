//! Events of a run as NDJSON, for programs that follow it: `start`, `phase`, `interval`, `end`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::measure::Interval;
use crate::report::value::Report;

/// A file of events. Each line is written at once and complete.
#[derive(Debug)]
pub struct EventLog {
    file: File,
}

/// One line of the file.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Start {
        run: &'a str,
        started_at: &'a str,
        command: &'a str,
    },
    Phase {
        phase: &'a str,
        began_at: &'a str,
    },
    Interval {
        #[serde(flatten)]
        interval: &'a Interval,
    },
}

impl EventLog {
    /// Opens a file to add events at its end. Fails if the file is a pipe: its reader could stop
    /// the run.
    pub fn open(path: &Path) -> io::Result<Self> {
        match std::fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                return Err(io::Error::other("it is not a regular file"));
            }
            _ => {}
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file })
    }

    /// Empties the file, so that it holds one run.
    pub fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Writes the first event.
    pub fn start(&mut self, run: &str, started_at: &str, command: &str) -> io::Result<()> {
        self.write(&Event::Start {
            run,
            started_at,
            command,
        })
    }

    /// Writes that a phase begins.
    pub fn phase(&mut self, phase: &str, began_at: &str) -> io::Result<()> {
        self.write(&Event::Phase { phase, began_at })
    }

    /// Writes the counts and latencies of one second.
    pub fn interval(&mut self, interval: &Interval) -> io::Result<()> {
        self.write(&Event::Interval { interval })
    }

    /// Writes the last event: the outcome.
    pub fn end(&mut self, report: &Report) -> io::Result<()> {
        self.write(&json!({
            "event": "end",
            "run": report.run.id,
            "status": report.status,
            "passed": report.passed(),
            "failures": report.failures(),
            "summary": report.summary,
            "verdict": report.verdict,
        }))
    }

    fn write(&mut self, event: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn each_event_is_a_line_of_json() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.ndjson");
        let mut log = EventLog::open(&path).unwrap();
        log.start("run-1", "2026-11-23T04:28:04Z", "convoy simulate")
            .unwrap();
        log.phase("warm_up", "2026-11-23T04:28:05Z").unwrap();
        log.interval(&Interval::default()).unwrap();
        log.end(&sample::report()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let events: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let kinds: Vec<_> = events
            .iter()
            .map(|event| event["event"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["start", "phase", "interval", "end"]);
        assert_eq!(events[2]["backlog"], 0);
        assert_eq!(events[3]["passed"], true);
        log.clear().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }

    #[test]
    fn directory_is_no_event_log() {
        let directory = tempfile::tempdir().unwrap();
        assert!(EventLog::open(directory.path()).is_err());
    }
}
