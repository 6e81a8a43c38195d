//! The HdrHistogram interval log: every histogram of the run, for tools that read this format.
//!
//! One line per interval and stage, tagged with the stage's name, values in microseconds. Written
//! while the run goes on, because keeping the histograms of an hour would take gigabytes.
//!
//! # References
//!
//! <https://github.com/HdrHistogram/HdrHistogram/blob/master/GoogleChartsExample/example1.txt> and
//! `HistogramLogWriter` of the Java library, log format version 1.3.

use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::measure::{Histogram, Stage, Stages};

/// An interval log being written.
#[derive(Debug)]
pub struct LatencyLog<W> {
    output: W,
}

impl<W: Write> LatencyLog<W> {
    /// Starts a log whose times count from the run's epoch.
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
        Ok(Self { output })
    }

    /// Writes the histograms of one interval, both times counted from the run's epoch.
    pub fn write(
        &mut self,
        start: Duration,
        length: Duration,
        stages: &Stages<Histogram>,
    ) -> io::Result<()> {
        let mut serializer = V2DeflateSerializer::new();
        // Without a header of its own to write, the crate's writer costs nothing to start anew.
        let mut log =
            IntervalLogWriterBuilder::new().begin_log_with(&mut self.output, &mut serializer)?;
        for stage in Stage::ALL {
            log.write_histogram(
                stages.get(stage).values(),
                start,
                length,
                Tag::new(tag(stage)),
            )
            .map_err(|error| io::Error::other(error.to_string()))?;
        }
        Ok(())
    }

    /// Flushes the log and returns what it was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

/// The stage's key in the JSON form.
fn tag(stage: Stage) -> &'static str {
    match stage {
        Stage::PublishDelay => "publish_delay",
        Stage::PublishLatency => "publish_latency",
        Stage::FetchLatency => "fetch_latency",
        Stage::StoreLatency => "store_latency",
        Stage::EndToEndLatency => "end_to_end_latency",
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    #[test]
    fn what_was_recorded_is_read_back_by_stage() {
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
