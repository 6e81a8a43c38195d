//! Throughput and latencies from the recording of a run.

use std::time::Duration;

use crate::measure::Recording;
use crate::report::Summary;
use crate::summary::machine;

/// Returns the results of a recording.
pub(super) fn summarize(recording: &Recording) -> Summary {
    let duration = Duration::from_nanos(recording.duration_ns()).as_secs_f64();
    let per_second = |count: u64| {
        if duration > 0.0 {
            count as f64 / duration
        } else {
            0.0
        }
    };
    Summary {
        readings_emitted: 0,
        records_stored: recording.stored,
        throughput_records_per_second: per_second(recording.stored),
        throughput_bytes_per_second: per_second(recording.stored_bytes),
        duration_s: duration,
        startup_to_first_stored_ms: None,
        peak_resident_bytes: machine::peak_resident_bytes(),
        stages: recording.stages.summary(),
    }
}
