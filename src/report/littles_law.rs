//! Little's law as a self-check: records in a stage = records per second × time in the stage.
//!
//! The left side is counted, the right side is measured by stamps. If they disagree, counts or
//! stamps are wrong, and so are the latencies.

use std::fmt;

use crate::measure::{InFlight, Interval, IntervalPhase, Samples, StageSummary};
use crate::report::value::Report;
use crate::text::quantity;

/// Fewer samples than this do not tell: about five seconds.
const LEAST_SAMPLES: u64 = 50;

/// Share by which both sides may differ.
const TOLERANCE: f64 = 0.25;

/// Seconds of load by which they may differ: stages begin and end between two stamps.
const BETWEEN_STAMPS_S: f64 = 0.01;

/// Records by which they may differ.
const FEW: f64 = 10.0;

/// Standard errors by which the counted side may differ from its mean. Neighbouring samples share a
/// stall, so only one of this many counts.
const ERRORS: f64 = 4.0;

/// Seconds between two samples.
const SAMPLE_S: f64 = 0.097;

/// Samples that share a stall.
const CORRELATED: f64 = 10.0;

/// A stage in which both sides disagree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disagreement {
    /// Stage in which the records were.
    pub stage: &'static str,
    /// Mean number of records that were counted in it.
    pub counted: f64,
    /// Records per second × mean time.
    pub expected: f64,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "self-check failed: {} records were between the stamps of the {} stage, but rate × time is {}",
            quantity::significant(self.counted),
            self.stage,
            quantity::significant(self.expected)
        )
    }
}

/// Returns the first stage in which counts and stamps disagree; `None` if none does, or if the run
/// was not regular enough to tell. The caller checks that its load had a schedule and that it kept up.
pub fn disagreement(report: &Report, in_flight: &InFlight) -> Option<Disagreement> {
    if !is_regular(report) {
        return None;
    }
    let rate = emission_rate(report)?;
    let stages = &report.summary.stages;
    // A reading counts as emitted between its intended instant and that at which it is sent.
    let delay_s = mean_s(&stages.publish_delay)?;
    [
        (
            "publish",
            &in_flight.published,
            &stages.publish_latency,
            delay_s,
        ),
        ("fetch", &in_flight.fetched, &stages.fetch_latency, 0.0),
        ("store", &in_flight.stored, &stages.store_latency, 0.0),
    ]
    .into_iter()
    .find_map(|(stage, samples, summary, before_s)| {
        let counted = samples
            .mean()
            .filter(|_| samples.count() >= LEAST_SAMPLES)?;
        let least = rate * mean_s(summary)?;
        let most = least + rate * before_s;
        let expected = counted.clamp(least, most);
        let slack = slack(samples, summary, rate, most);
        ((counted - expected).abs() > slack).then_some(Disagreement {
            stage,
            counted,
            expected,
        })
    })
}

fn mean_s(summary: &StageSummary) -> Option<f64> {
    summary.mean_us.map(|us| us as f64 / 1e6)
}

/// Returns the readings per second of the measured seconds.
fn emission_rate(report: &Report) -> Option<f64> {
    let measured = |it: &&Interval| it.phase == Some(IntervalPhase::Run) && it.emitted > 0;
    let emitted = report
        .intervals
        .iter()
        .filter(measured)
        .map(|it| it.emitted);
    let seconds = emitted.clone().count();
    (seconds > 0).then(|| emitted.sum::<u64>() as f64 / seconds as f64)
}

/// Returns whether every record passed each stage once: others are counted in stages that they left.
fn is_regular(report: &Report) -> bool {
    let counts = &report.counters;
    let irregular = counts.dead_lettered
        + counts.replayed
        + counts.producer_duplicated
        + counts.conflicting
        + counts.withheld
        + counts.log_truncations;
    irregular == 0
        && report.outages.is_empty()
        && report.faults.is_none()
        && report.external_consumer.is_none()
}

fn slack(samples: &Samples, summary: &StageSummary, rate: f64, most: f64) -> f64 {
    let independent = (samples.count() as f64 / CORRELATED).max(1.0);
    // Records that are in the stage at both ends spend time in it that is not sampled.
    let sampled_s = samples.count() as f64 * SAMPLE_S;
    let outside = samples.ends().abs() * summary.max_us.unwrap_or_default() as f64 / 1e6;
    TOLERANCE * most
        + BETWEEN_STAMPS_S * rate
        + FEW
        + ERRORS * samples.deviation() / independent.sqrt()
        + outside / sampled_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// A run of 1,000 records/s with 100 ms in each stage but the first.
    fn run() -> Report {
        let mut report = sample::report();
        report.intervals = (0..10)
            .map(|second| Interval {
                start_s: f64::from(second),
                phase: Some(IntervalPhase::Run),
                emitted: 1_000,
                ..Interval::default()
            })
            .collect();
        let stage = |us| StageSummary {
            count: 10_000,
            mean_us: Some(us),
            ..StageSummary::default()
        };
        let stages = &mut report.summary.stages;
        stages.publish_delay = stage(1_000);
        stages.publish_latency = stage(100_000);
        stages.fetch_latency = stage(100_000);
        stages.store_latency = stage(100_000);
        report
    }

    fn counted(published: u64, fetched: u64, stored: u64, samples: u64) -> InFlight {
        let mut in_flight = InFlight::default();
        for at in 0..samples {
            let last = 1_000 * at;
            let fetch = last + stored;
            in_flight.add(fetch + fetched + published, fetch + fetched, fetch, last);
        }
        in_flight
    }

    #[test]
    fn counts_that_are_rate_times_time_agree() {
        for [published, fetched, stored] in [[100, 100, 100], [120, 80, 110]] {
            let in_flight = counted(published, fetched, stored, 100);
            assert_eq!(disagreement(&run(), &in_flight), None);
        }
    }

    #[test]
    fn lost_stamps_or_counts_are_found_in_their_stage() {
        for ([published, fetched, stored], stage) in [
            ([400, 100, 100], "publish"),
            ([100, 10, 100], "fetch"),
            ([100, 100, 900], "store"),
        ] {
            let found = disagreement(&run(), &counted(published, fetched, stored, 100)).unwrap();
            assert_eq!(found.stage, stage);
        }
    }

    #[test]
    fn short_runs_and_missing_stages_do_not_tell() {
        assert_eq!(disagreement(&run(), &counted(900, 900, 900, 20)), None);
        let mut unknown = run();
        unknown.summary.stages.fetch_latency = StageSummary::default();
        assert_eq!(disagreement(&unknown, &counted(100, 900, 100, 100)), None);
        let mut repeated = run();
        repeated.counters.replayed = 1;
        assert_eq!(disagreement(&repeated, &counted(900, 900, 900, 100)), None);
    }
}
