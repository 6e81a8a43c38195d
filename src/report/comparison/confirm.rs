//! Confirmation of a difference by runs that were made because of it.

use crate::report::comparison::judgement;
use crate::report::comparison::model::{Comparison, Verdict};
use crate::report::comparison::text;

/// Takes back each difference in `all` that the `further` runs alone do not show: their ratio must be
/// beyond the threshold, too.
///
/// Of many comparisons some show a difference by chance. Runs that were made afterwards do not know
/// of it.
pub fn confirm(all: &mut Comparison, further: &Comparison) {
    let margin = all.strictness.threshold.ln_1p();
    let mut taken_back = Vec::new();
    for metric in &mut all.metrics {
        let mut fresh = further.metrics.iter();
        let cost = fresh
            .find(|it| it.metric == metric.metric)
            .map_or(0.0, |it| {
                let shift = it.ratio.ln();
                if it.metric.more_is_better() {
                    -shift
                } else {
                    shift
                }
            });
        let holds = match metric.verdict {
            Some(Verdict::Slower) => cost > margin,
            Some(Verdict::Faster) => cost < -margin,
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
    all.verdict = judgement::overall(&all.metrics, loses);
    all.more = judgement::more(&all.metrics);
    all.reasons = text::reasons(all);
    all.cautions.push(format!(
        "the confirming runs did not show the difference in {}",
        taken_back.join(", ")
    ));
}
