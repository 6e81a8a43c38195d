//! Bounds of percentiles from the histogram of a run and its seconds.
//!
//! The histogram gives the values at the ranks between which a percentile is. How many independent
//! samples it holds follows from the seconds: see `statistics`. Of each second only some percentiles
//! are kept, so the share of its samples above a value is interpolated between them.

use crate::measure::{
    Bounds, Histogram, Interval, IntervalLatency, IntervalPhase, PercentileBounds, Stage,
    StageSummary, Stages,
};
use crate::statistics::{Batch, effective_count, rank_bounds};

/// Confidence of the bounds in reports.
const CONFIDENCE: f64 = 0.95;

/// Adds the bounds of all percentiles to the summary of each stage.
pub fn add_bounds(
    summary: &mut Stages<StageSummary>,
    histograms: &Stages<Histogram>,
    intervals: &[Interval],
) {
    for stage in Stage::ALL {
        let histogram = histograms.get(stage);
        let of = |percentile: f64| bounds(histogram, stage, intervals, percentile);
        let summary = summary.get_mut(stage);
        let shown = |value: Option<u64>, percentile| value.and_then(|_| of(percentile));
        let bounds = PercentileBounds {
            p50: shown(summary.p50_us, 50.0),
            p90: shown(summary.p90_us, 90.0),
            p95: shown(summary.p95_us, 95.0),
            p99: shown(summary.p99_us, 99.0),
            p999: shown(summary.p999_us, 99.9),
        };
        summary.bounds = bounds;
    }
}

/// Returns the bounds of a percentile (0 to 100); `None` if the samples or the seconds are too few.
pub fn bounds(
    histogram: &Histogram,
    stage: Stage,
    intervals: &[Interval],
    percentile: f64,
) -> Option<Bounds> {
    let value = histogram.percentile_us(percentile)?;
    let seconds: Vec<Batch> = intervals
        .iter()
        .filter(|interval| interval.phase != Some(IntervalPhase::WarmUp))
        .map(|interval| batch(interval, stage, value))
        .collect();
    let quantile = percentile / 100.0;
    // Not more than the histogram has: the seconds also count records of the warm-up.
    let count = effective_count(&seconds, quantile)?.min(histogram.count() as f64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of samples"
    )]
    let effective_count = count.floor() as u64;
    let (low, high) = rank_bounds(effective_count, quantile, CONFIDENCE)?;
    let scaled = |rank: u64| u128::from(rank) * u128::from(histogram.count());
    let effective = u128::from(effective_count);
    let at = |rank: u128| histogram.value_at_rank(u64::try_from(rank).ok()?);
    Some(Bounds {
        low_us: at(scaled(low) / effective)?.min(value),
        high_us: at(scaled(high).div_ceil(effective))?.max(value),
        effective_count,
    })
}

/// Returns the samples of a second, and how many of them are above a value.
fn batch(interval: &Interval, stage: Stage, value: u64) -> Batch {
    let samples = match stage {
        Stage::PublishDelay | Stage::PublishLatency => interval.acked,
        Stage::FetchLatency | Stage::StoreLatency | Stage::EndToEndLatency => interval.stored,
    };
    let latency = interval.stages.get(stage);
    let share = share_above(latency, value as f64);
    Batch {
        samples: share.map_or(0.0, |_| samples as f64),
        above: share.unwrap_or_default() * samples as f64,
    }
}

/// Returns the share of a second's samples above a value, on straight lines between the logarithms of
/// its percentiles; `None` without samples.
fn share_above(latency: &IntervalLatency, value: f64) -> Option<f64> {
    let at = |us: Option<u64>| us.map(|us| us.max(1) as f64);
    let p50 = at(latency.p50_us)?;
    let p90 = at(latency.p90_us).unwrap_or(p50);
    let p99 = at(latency.p99_us).unwrap_or(p90);
    let max = at(latency.max_us).unwrap_or(p99);
    if value < p50 {
        // Nothing is kept below the median. It is taken to be as wide as above.
        let width = (p90 / p50).ln();
        let share = 0.5 + 0.4 * (p50 / value.max(1.0)).ln() / width;
        return Some(if width > 0.0 { share.min(1.0) } else { 1.0 });
    }
    let knots = [(p50, 0.5), (p90, 0.1), (p99, 0.01), (max, 0.0)];
    let segment = knots
        .windows(2)
        .find(|segment| segment[0].0 <= value && value < segment[1].0);
    Some(segment.map_or(0.0, |segment| {
        let [(low, most), (high, least)] = [segment[0], segment[1]];
        most - (most - least) * (value / low).ln() / (high / low).ln()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of 100 records each; those of slow seconds take ten times as long.
    fn run(seconds: u64, slow: impl Fn(u64) -> bool) -> (Stages<Histogram>, Vec<Interval>) {
        let mut all: Stages<Histogram> = Stages::default();
        let intervals = (0..seconds).map(|second| {
            let factor = if slow(second) { 10_000 } else { 1_000 };
            let mut histogram = Histogram::default();
            for record in 0..100 {
                histogram.record(0, (1_000 + (record * 37 + second * 11) % 100 * 10) * factor);
            }
            all.end_to_end_latency.merge(&histogram);
            let mut interval = Interval {
                phase: Some(IntervalPhase::Run),
                stored: 100,
                ..Interval::default()
            };
            interval.stages.end_to_end_latency = histogram.interval();
            interval
        });
        let intervals = intervals.collect();
        (all, intervals)
    }

    fn p99(run: &(Stages<Histogram>, Vec<Interval>)) -> Option<Bounds> {
        let stage = Stage::EndToEndLatency;
        bounds(&run.0.end_to_end_latency, stage, &run.1, 99.0)
    }

    #[test]
    fn bounds_enclose_the_percentile() {
        let run = run(60, |_| false);
        let mut summary = run.0.summary();
        add_bounds(&mut summary, &run.0, &run.1);
        let stage = &summary.end_to_end_latency;
        let all = [
            (stage.p50_us, stage.bounds.p50),
            (stage.p90_us, stage.bounds.p90),
            (stage.p95_us, stage.bounds.p95),
            (stage.p99_us, stage.bounds.p99),
        ];
        for (value, bounds) in all {
            let (value, bounds) = (value.unwrap(), bounds.unwrap());
            assert!(bounds.low_us <= value && value <= bounds.high_us);
            assert!(bounds.high_us - bounds.low_us < 100, "{bounds:?}");
        }
        // p99.9 is not shown, so it has no bounds either.
        assert_eq!(stage.bounds.p999, None);
        assert!(summary.store_latency.bounds.is_empty());
    }

    #[test]
    fn slow_periods_make_bounds_wider() {
        let p50 = |slow: fn(u64) -> bool| {
            let (stages, intervals) = run(64, slow);
            let stage = Stage::EndToEndLatency;
            bounds(&stages.end_to_end_latency, stage, &intervals, 50.0).unwrap()
        };
        let even = p50(|second| second % 4 == 0);
        let clustered = p50(|second| second < 16);
        let calm = p50(|_| false);
        assert!(even.effective_count < calm.effective_count / 4, "{even:?}");
        assert!(clustered.effective_count < even.effective_count);
    }

    #[test]
    fn short_runs_have_no_bounds() {
        assert_eq!(p99(&run(7, |_| false)), None);
        assert!(p99(&run(8, |_| false)).is_some());
        let mut warm_up = run(20, |_| false);
        for interval in &mut warm_up.1 {
            interval.phase = Some(IntervalPhase::WarmUp);
        }
        assert_eq!(p99(&warm_up), None);
        assert_eq!(p99(&(Stages::default(), Vec::new())), None);
    }

    #[test]
    fn share_above_meets_the_percentiles() {
        let latency = IntervalLatency {
            p50_us: Some(1_000),
            p90_us: Some(2_000),
            p99_us: Some(8_000),
            max_us: Some(9_000),
        };
        for (value, share) in [
            (1.0, 1.0),
            (500.0, 0.9),
            (1_000.0, 0.5),
            (2_000.0, 0.1),
            (4_000.0, 0.055),
            (8_000.0, 0.01),
            (9_000.0, 0.0),
            (1e9, 0.0),
        ] {
            let found = share_above(&latency, value).unwrap();
            assert!((found - share).abs() < 1e-9, "{value}: {found}");
        }
        assert_eq!(share_above(&IntervalLatency::default(), 1.0), None);
        let one = IntervalLatency {
            p50_us: Some(7),
            p90_us: Some(7),
            p99_us: Some(7),
            max_us: Some(7),
        };
        assert_eq!(share_above(&one, 7.0), Some(0.0));
        assert_eq!(share_above(&one, 6.0), Some(1.0));
    }
}
