//! Confirmation of a difference by runs that were made because of it.

use crate::report::comparison::judgement;
use crate::report::comparison::model::{Comparison, Design, MetricComparison, Verdict};
use crate::report::comparison::text;
use crate::statistics::paired_p_above;

/// Probability of further pairs as clear as these, if the difference is within the threshold, above
/// which they confirm nothing.
const CHANCE: f64 = 0.2;

/// Takes back each difference in `all` that the `further` runs alone do not show: their ratio must be
/// beyond the threshold, too, and that of pairs not by chance.
///
/// Of many comparisons some show a difference by chance. Runs that were made afterwards do not know
/// of it.
pub fn confirm(all: &mut Comparison, further: &Comparison) {
    let margin = all.strictness.threshold.ln_1p();
    let mut taken_back = Vec::new();
    for metric in &mut all.metrics {
        let mut fresh = further.metrics.iter();
        let fresh = fresh.find(|it| it.metric == metric.metric);
        let shows = |slower| {
            fresh.is_some_and(|it| {
                let up = slower != it.metric.more_is_better();
                shows(it, further.design, margin, if up { 1.0 } else { -1.0 })
            })
        };
        let holds = match metric.verdict {
            Some(Verdict::Slower) => shows(true),
            Some(Verdict::Faster) => shows(false),
            _ => true,
        };
        if !holds {
            metric.verdict = Some(Verdict::Inconclusive);
            metric.more = Some(further.base.len() as u64);
            taken_back.push(metric.metric.title());
        }
    }
    if taken_back.is_empty() {
        return;
    }
    let loses = all.verdict == Verdict::Invalid;
    all.verdict = judgement::overall(&all.metrics, loses, all.strictness);
    all.more = judgement::more(&all.metrics, all.strictness);
    all.reasons = text::reasons(all);
    all.cautions.push(format!(
        "the confirming runs did not show the difference in {}",
        taken_back.join(", ")
    ));
}

/// Returns whether further runs show a ratio beyond the margin, in a direction: 1 or −1.
fn shows(fresh: &MetricComparison, design: Design, margin: f64, direction: f64) -> bool {
    if direction * fresh.ratio.ln() <= margin {
        return false;
    }
    if design != Design::Paired {
        return true;
    }
    let pairs = fresh.base.iter().zip(&fresh.candidate);
    let costs: Vec<f64> = pairs
        .map(|(base, candidate)| direction * (candidate / base).ln())
        .collect();
    // Few pairs must all show it: no other outcome is rarer.
    let rarest = 0.5f64.powi(i32::try_from(costs.len()).unwrap_or(i32::MAX));
    paired_p_above(&costs, margin).is_some_and(|chance| chance <= CHANCE.max(rarest))
}
