//! HdrHistogram interval log: every histogram of the run, for tools that read this format.
//!
//! One line per interval and stage, tagged with the stage's name, values in microseconds. Written
//! during the run, because the histograms of an hour would take gigabytes of memory.
//!
//! # References
//!
//! <https://github.com/HdrHistogram/HdrHistogram/blob/master/GoogleChartsExample/example1.txt> and
//! `HistogramLogWriter` of the Java library, log format version 1.3.

use std::io::{self, Write};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::measure::{Histogram, Stage, Stages};
use crate::report::history::History;

/// Writer of an interval log, and what it wrote, reduced to what charts need.
#[derive(Debug)]
pub struct LatencyLog<W> {
    output: W,
    history: History,
}

impl<W: Write> LatencyLog<W> {
    /// Starts a log with times relative to the run's epoch.
    pub fn start(mut output: W, epoch_unix_ms: u64) -> io::Result<Self> {
        let epoch_s = epoch_unix_ms as f64 / 1e3;
        writeln!(output, "#[Values in microseconds, one tag per stage]")?;
        writeln!(output, "#[Histogram log format version 1.3]")?;
        writeln!(output, "#[StartTime: {epoch_s:.3} (seconds since epoch)]")?;
        writeln!(output, "#[BaseTime: {epoch_s:.3} (seconds since epoch)]")?;
        writeln!(
            output,
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\""
        )?;
        let history = History::default();
        Ok(Self { output, history })
    }

    /// Writes the histograms of one interval; `start` is relative to the run's epoch.
    pub fn write(
        &mut self,
        start: Duration,
        length: Duration,
        stages: &Stages<Histogram>,
    ) -> io::Result<()> {
        // Also what cannot be written is shown.
        for stage in Stage::ALL {
            let values = stages.get(stage).values();
            let added = self.history.add(start.as_secs_f64(), stage, values);
            added.map_err(|error| io::Error::other(error.to_string()))?;
        }
        let mut serializer = V2DeflateSerializer::new();
        // The crate's writer writes no header here, so a new one per interval costs nothing.
        let mut log =
            IntervalLogWriterBuilder::new().begin_log_with(&mut self.output, &mut serializer)?;
        for stage in Stage::ALL {
            log.write_histogram(
                stages.get(stage).values(),
                start,
                length,
                Tag::new(stage.key()),
            )
            .map_err(|error| io::Error::other(error.to_string()))?;
        }
        Ok(())
    }

    /// Takes what was written so far.
    pub fn take_history(&mut self) -> History {
        std::mem::take(&mut self.history)
    }

    /// Flushes the log and returns its output.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

/// Reads a log; the error says what is wrong with it. Memory grows with the seconds, not with the
/// histograms.
pub fn read(log: &[u8]) -> Result<History, String> {
    let mut history = History::default();
    each(log, |start_s, stage, values| {
        let added = history.add(start_s, stage, &values);
        added.map_err(|_| "a value is above one hour".to_owned())
    })?;
    Ok(history)
}

/// Hands over each histogram of a log, with its start in seconds and its stage.
fn each(
    log: &[u8],
    mut take: impl FnMut(f64, Stage, hdrhistogram::Histogram<u64>) -> Result<(), String>,
) -> Result<(), String> {
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(log) {
        let LogEntry::Interval(interval) =
            entry.map_err(|_| "not an HdrHistogram interval log".to_owned())?
        else {
            continue;
        };
        let of_stage = |stage: &Stage| {
            interval
                .tag()
                .is_some_and(|found| found.as_str() == stage.key())
        };
        let Some(stage) = Stage::ALL.into_iter().find(of_stage) else {
            return Err("unknown tag of an interval".to_owned());
        };
        let bytes = STANDARD
            .decode(interval.encoded_histogram())
            .map_err(|error| error.to_string())?;
        let values: hdrhistogram::Histogram<u64> = deserializer
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| error.to_string())?;
        take(interval.start_timestamp().as_secs_f64(), stage, values)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_log_is_read_back() {
        let mut stages: Stages<Histogram> = Stages::default();
        for microseconds in 1..2_000_u64 {
            stages.end_to_end_latency.record(0, microseconds * 1_000);
            stages.store_latency.record(0, microseconds * 7_000);
        }
        let mut log = LatencyLog::start(Vec::new(), 1_795_408_084_436).unwrap();
        for second in 0..2 {
            let start = Duration::from_secs(second);
            log.write(start, Duration::from_secs(1), &stages).unwrap();
        }
        let text = log.finish().unwrap();
        stages.merge(&stages.clone());
        assert_eq!(read(&text).unwrap().stages.summary(), stages.summary());
        assert!(read(b"Tag=publish_delay,0,1,0,!!").is_err());
        assert!(read(&text[..text.len() - 9]).is_err());
    }

    #[test]
    fn every_stage_has_a_tagged_line_per_interval() {
        let mut stages: Stages<Histogram> = Stages::default();
        stages.end_to_end_latency.record(0, 5_000_000);
        let mut log = LatencyLog::start(Vec::new(), 1_795_408_084_436).unwrap();
        log.write(Duration::from_secs(2), Duration::from_secs(1), &stages)
            .unwrap();
        let text = log.finish().unwrap();

        let mut seen = Vec::new();
        for entry in IntervalLogIterator::new(&text) {
            if let Ok(LogEntry::Interval(interval)) = entry {
                let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
                let histogram: hdrhistogram::Histogram<u64> = Deserializer::new()
                    .deserialize(&mut bytes.as_slice())
                    .unwrap();
                let stage = interval.tag().unwrap().as_str().to_owned();
                seen.push((stage, interval.start_timestamp(), histogram.len()));
            }
        }
        let start = Duration::from_secs(2);
        assert_eq!(
            seen,
            [
                ("publish_delay".to_owned(), start, 0),
                ("publish_latency".to_owned(), start, 0),
                ("fetch_latency".to_owned(), start, 0),
                ("store_latency".to_owned(), start, 0),
                ("end_to_end_latency".to_owned(), start, 1),
            ]
        );
    }
}
