//! From the values of both sides to the verdict of one metric, and of all.

use crate::report::comparison::metric::{Metric, cpu_roles};
use crate::report::comparison::model::{Design, MetricComparison, Strictness, Verdict};
use crate::report::value::Report;
use crate::statistics::{Estimate, fewest_pairs, fewest_runs, median, paired_shift, shift};

/// More runs than this are not worth a prediction.
const MOST_PREDICTED: f64 = 100.0;

/// Probability of values as far apart if the sides are equal, below which the p99 seems to differ.
const SEEMS: f64 = 0.1;

/// Runs of both sides.
pub struct Evidence<'a> {
    pub base: &'a [&'a Report],
    pub candidate: &'a [&'a Report],
    pub design: Design,
    pub strictness: Strictness,
}

impl Evidence<'_> {
    /// Compares those metrics that every run has. Judged metrics share the confidence of a difference.
    pub fn compare_all(&self, metrics: &[Metric], judged: bool) -> Vec<MetricComparison> {
        let measured: Vec<_> = metrics
            .iter()
            .filter_map(|metric| Some((*metric, self.values(*metric)?)))
            .collect();
        let shared = if judged { measured.len().max(1) } else { 1 };
        let confidence = 1.0 - (1.0 - self.strictness.confidence) / shared as f64;
        measured
            .into_iter()
            .filter_map(|(metric, values)| self.compare(metric, values, confidence, judged))
            .collect()
    }

    fn values(&self, metric: Metric) -> Option<[Vec<f64>; 2]> {
        if metric == Metric::CpuPerRecord {
            let mut roles = self
                .base
                .iter()
                .chain(self.candidate)
                .map(|it| cpu_roles(it));
            let first = roles.next()?;
            if roles.any(|other| other != first) {
                return None;
            }
        }
        let of = |runs: &[&Report]| -> Option<Vec<f64>> {
            runs.iter().map(|report| metric.value(report)).collect()
        };
        let sides = [of(self.base)?, of(self.candidate)?];
        (sides.iter().all(|side| !side.is_empty())).then_some(sides)
    }

    fn compare(
        &self,
        metric: Metric,
        [base, candidate]: [Vec<f64>; 2],
        confidence: f64,
        judged: bool,
    ) -> Option<MetricComparison> {
        let logarithms = |values: &[f64]| -> Vec<f64> { values.iter().map(|it| it.ln()).collect() };
        let (from, to) = (logarithms(&base), logarithms(&candidate));
        let estimate = self.shift(&from, &to, confidence)?;
        let near = self.shift(&from, &to, equivalence(self.strictness.confidence))?;
        let margin = self.strictness.threshold.ln_1p();
        let cost = |estimate| {
            if metric.more_is_better() {
                mirrored(estimate)
            } else {
                estimate
            }
        };
        let evidence = Bounded {
            shift: cost(estimate).shift,
            difference: cost(estimate).bounds,
            equivalence: cost(near).bounds,
        };
        let verdict = evidence.judge(margin);
        let more = (verdict == Verdict::Inconclusive)
            .then(|| evidence.missing(margin, from.len().min(to.len()), self.fewest(confidence)))
            .flatten();
        let ratios = |(low, high): (f64, f64)| [low.exp(), high.exp()];
        Some(MetricComparison {
            metric,
            unit: metric.unit(),
            base_median: sorted_median(&base)?,
            candidate_median: sorted_median(&candidate)?,
            ratio: estimate.shift.exp(),
            bounds: estimate.bounds.map(ratios),
            equivalence_bounds: near.bounds.map(ratios).filter(|_| judged),
            p_value: estimate.p_value,
            verdict: judged.then_some(verdict),
            more: more.filter(|_| judged),
            base,
            candidate,
        })
    }

    fn shift(&self, from: &[f64], to: &[f64], confidence: f64) -> Option<Estimate> {
        match self.design {
            Design::Independent => shift(from, to, confidence),
            Design::Paired => {
                let differences: Vec<f64> = from.iter().zip(to).map(|(a, b)| b - a).collect();
                paired_shift(&differences, confidence)
            }
        }
    }

    fn fewest(&self, confidence: f64) -> Option<usize> {
        match self.design {
            Design::Independent => fewest_runs(confidence),
            Design::Paired => fewest_pairs(confidence),
        }
    }
}

/// Returns the confidence of bounds that show by two one-sided tests, each of this confidence, that a
/// metric is the same. Metrics do not share it: all of them must be the same, so a chance in one
/// alone gives no wrong verdict.
fn equivalence(confidence: f64) -> f64 {
    1.0 - 2.0 * (1.0 - confidence)
}

fn sorted_median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    median(&sorted)
}

/// Returns the estimate seen from the other side.
fn mirrored(estimate: Estimate) -> Estimate {
    Estimate {
        shift: -estimate.shift,
        bounds: estimate.bounds.map(|(low, high)| (-high, -low)),
        ..estimate
    }
}

/// Shift of logarithms of a metric, of which more is worse, with two kinds of bounds.
struct Bounded {
    shift: f64,
    /// Bounds that a difference must be beyond.
    difference: Option<(f64, f64)>,
    /// Narrower bounds, within which equal sides must be.
    equivalence: Option<(f64, f64)>,
}

impl Bounded {
    fn judge(&self, margin: f64) -> Verdict {
        match (self.difference, self.equivalence) {
            (Some((low, _)), _) if low > margin => Verdict::Slower,
            (Some((_, high)), _) if high < -margin => Verdict::Faster,
            (_, Some((low, high))) if low >= -margin && high <= margin => Verdict::Same,
            _ => Verdict::Inconclusive,
        }
    }

    /// Returns how many more runs a side, or pairs, would probably give a verdict, if the estimate
    /// stays and the bounds shrink with the square root of the number.
    fn missing(&self, margin: f64, count: usize, fewest: Option<usize>) -> Option<u64> {
        let fewest = fewest? as f64;
        let count = count as f64;
        let (Some(difference), Some(equivalence)) = (self.difference, self.equivalence) else {
            return whole(fewest - count);
        };
        let below = |bounds: (f64, f64)| self.shift - bounds.0;
        let above = |bounds: (f64, f64)| bounds.1 - self.shift;
        let excess = if self.shift > margin {
            below(difference) / (self.shift - margin)
        } else if self.shift < -margin {
            above(difference) / (-margin - self.shift)
        } else {
            let beyond_low = below(equivalence) / (self.shift + margin);
            beyond_low.max(above(equivalence) / (margin - self.shift))
        };
        whole((count * excess.powi(2)).max(fewest) - count)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and 100"
)]
fn whole(more: f64) -> Option<u64> {
    let more = more.ceil().max(1.0);
    (more <= MOST_PREDICTED).then_some(more as u64)
}

/// Returns the verdict over all judged metrics: the worst that is certain.
pub fn overall(judged: &[MetricComparison], loses: bool, strictness: Strictness) -> Verdict {
    let any = |verdict| judged.iter().any(|it| it.verdict == Some(verdict));
    if loses {
        Verdict::Invalid
    } else if any(Verdict::Slower) {
        Verdict::Slower
    } else if any(Verdict::Faster) {
        Verdict::Faster
    } else if judged.iter().any(|it| is_open(it, strictness)) || !any(Verdict::Same) {
        Verdict::Inconclusive
    } else {
        Verdict::Same
    }
}

/// Returns how many more runs would settle every metric.
pub fn more(judged: &[MetricComparison], strictness: Strictness) -> Option<u64> {
    let open = judged.iter().filter(|it| is_open(it, strictness));
    let counts: Option<Vec<u64>> = open.map(|it| it.more).collect();
    counts?.into_iter().max()
}

/// Returns whether an inconclusive metric keeps the verdict open.
///
/// The p99 does so only if it seems to differ. One pause in one run moves it by more than any
/// threshold, so the bounds of equal sides stay wide; they are told beside the verdict.
fn is_open(metric: &MetricComparison, strictness: Strictness) -> bool {
    let margin = strictness.threshold.ln_1p();
    let seems_to_differ = metric.ratio.ln().abs() > margin && metric.p_value < SEEMS;
    let tail = metric.metric == Metric::EndToEndP99 && metric.bounds.is_some();
    metric.verdict == Some(Verdict::Inconclusive) && (seems_to_differ || !tail)
}
