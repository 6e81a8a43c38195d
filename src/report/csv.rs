//! CSV form: one line per second of the run. Columns are the JSON keys of an interval.

use std::io::{self, Write};

use serde::Serialize;

use crate::measure::Interval;

/// Writes a header and the intervals.
pub fn write(intervals: &[Interval], output: impl Write) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(output);
    // Written separately, so that a run without intervals has a header too.
    writer.write_record(HEADER)?;
    for interval in intervals {
        writer.serialize(row(interval))?;
    }
    writer.flush()
}

/// Returns the cells of a row in the order of [`HEADER`]. JSON omits a lag that is unknown; a row has
/// an empty cell.
fn row(interval: &Interval) -> impl Serialize {
    (
        interval.start_s,
        interval.emitted,
        interval.acked,
        interval.fetched,
        interval.stored,
        interval.backlog,
        interval.lag,
        interval.end_to_end_latency_p50_us,
        interval.end_to_end_latency_p99_us,
        interval.end_to_end_latency_max_us,
    )
}

const HEADER: [&str; 10] = [
    "start_s",
    "emitted",
    "acked",
    "fetched",
    "stored",
    "backlog",
    "lag",
    "end_to_end_latency_p50_us",
    "end_to_end_latency_p99_us",
    "end_to_end_latency_max_us",
];

#[cfg(test)]
mod tests {
    use crate::report::sample;

    use super::*;

    #[test]
    fn columns_are_the_keys_of_an_interval() {
        let report = sample::report();
        let mut written = Vec::new();
        write(&report.intervals, &mut written).unwrap();
        let read: Vec<Interval> = csv::Reader::from_reader(written.as_slice())
            .deserialize()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(read, report.intervals);
    }

    #[test]
    fn run_without_intervals_has_a_header() {
        let mut written = Vec::new();
        write(&[], &mut written).unwrap();
        assert!(written.starts_with(b"start_s,emitted,"));
    }
}
