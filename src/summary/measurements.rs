//! Throughput and latencies from the recording of a run.

use std::time::Duration;

use crate::measure::Recording;
use crate::report::{Pace, Summary};
use crate::summary::machine;

/// Returns the results of a recording. Its throughput counts from the first intended instant.
pub(super) fn summarize(recording: &Recording) -> Summary {
    summarize_over(recording, recording.duration_ns())
}

/// Returns the results of a consumer. Its throughput counts from its first fetch: records may have
/// waited for it.
pub(super) fn summarize_consumer(recording: &Recording) -> Summary {
    summarize_over(recording, recording.consuming_ns())
}

fn summarize_over(recording: &Recording, duration_ns: Option<u64>) -> Summary {
    let duration_s = duration_ns.map(|nanos| Duration::from_nanos(nanos).as_secs_f64());
    let per_second = |count: u64| {
        let duration = duration_s.filter(|duration| *duration > 0.0)?;
        Some(count as f64 / duration)
    };
    Summary {
        readings_emitted: 0,
        records_stored: recording.stored,
        throughput_records_per_second: per_second(recording.stored),
        // Payloads that another program stored are not seen.
        throughput_bytes_per_second: Some(recording.stored_bytes)
            .filter(|bytes| *bytes > 0)
            .and_then(per_second),
        duration_s,
        startup_to_first_stored_ms: None,
        peak_resident_bytes: machine::peak_resident_bytes(),
        stages: recording.stages.summary(),
    }
}

/// Compares the schedule of the measured records with the times at which they were stored.
pub(super) fn pace(recording: &Recording) -> Option<Pace> {
    let span = |first: Option<u64>, last: Option<u64>| {
        Some(Duration::from_nanos(last?.saturating_sub(first?)).as_secs_f64())
    };
    Some(Pace {
        records: recording.stored,
        scheduled_s: span(recording.first_intended, recording.last_intended)?,
        stored_s: span(recording.first_measured, recording.last_stored)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// 2,000 records that were produced over 80 s, and read and stored in 5 s an hour later.
    fn waiting() -> Recording {
        let mut recording = Recording::default();
        for record in 0..2_000 {
            let intended = record * SECOND / 25;
            let fetched = 3_600 * SECOND + record * SECOND / 400;
            recording.count_stored(intended, fetched, fetched + SECOND / 100, 100);
        }
        recording
    }

    #[test]
    fn throughput_of_a_consumer_is_that_of_its_own_time() {
        let summary = summarize_consumer(&waiting());
        let rate = summary.throughput_records_per_second.unwrap();
        assert!((395.0..405.0).contains(&rate), "{rate}");
        let duration = summary.duration_s.unwrap();
        assert!((4.9..5.1).contains(&duration), "{summary:?}");
    }

    #[test]
    fn nothing_measured_is_unknown_and_not_zero() {
        let nothing = Recording::default();
        for summary in [summarize(&nothing), summarize_consumer(&nothing)] {
            assert_eq!(summary.duration_s, None);
            assert_eq!(summary.throughput_records_per_second, None);
            assert_eq!(summary.throughput_bytes_per_second, None);
        }
    }

    #[test]
    fn constant_latency_does_not_change_the_pace() {
        let mut recording = Recording::default();
        for record in 0..100 {
            let intended = record * SECOND / 10;
            recording.count_stored(intended, intended, intended + 3 * SECOND, 100);
        }
        let pace = pace(&recording).unwrap();
        assert!((pace.stored_s - pace.scheduled_s).abs() < 1e-9, "{pace:?}");
    }
}
