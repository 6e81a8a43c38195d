//! Comparison of two sides.

use crate::report::comparison::differences;
use crate::report::comparison::judgement::{self, Evidence};
use crate::report::comparison::metric::Metric;
use crate::report::comparison::model::{
    ComparedRun, Comparison, Design, FORMAT_VERSION, SideRun, Strictness,
};
use crate::report::comparison::text;
use crate::report::value::{Report, Status};

/// Compares two sides. Sides of a paired design have equal lengths.
pub fn compare(
    base: &[ComparedRun<'_>],
    candidate: &[ComparedRun<'_>],
    design: Design,
    strictness: Strictness,
) -> Comparison {
    let lost = |runs: &[ComparedRun<'_>]| -> Vec<bool> {
        let invalid = runs.iter().map(|run| run.report.status == Status::Invalid);
        invalid.collect()
    };
    let (mut base_lost, mut candidate_lost) = (lost(base), lost(candidate));
    let loses = candidate_lost.contains(&true);
    if design == Design::Paired {
        for (one, other) in base_lost.iter_mut().zip(&mut candidate_lost) {
            (*one, *other) = (*one || *other, *one || *other);
        }
    }
    let (first, second) = (kept(base, &base_lost), kept(candidate, &candidate_lost));
    let evidence = Evidence {
        base: &first,
        candidate: &second,
        design,
        strictness,
    };
    let judged = evidence.compare_all(&Metric::JUDGED, true);
    let mut comparison = Comparison {
        format_version: FORMAT_VERSION,
        verdict: judgement::overall(&judged, loses, strictness),
        reasons: Vec::new(),
        more: judgement::more(&judged, strictness),
        design,
        strictness,
        base: side(base, &base_lost),
        candidate: side(candidate, &candidate_lost),
        differences: differences::between(base, candidate),
        cautions: differences::cautions(base, candidate, design),
        others: evidence.compare_all(&Metric::SHOWN, false),
        metrics: judged,
    };
    comparison.reasons = text::reasons(&comparison);
    comparison
}

fn kept<'a>(runs: &[ComparedRun<'a>], lost: &[bool]) -> Vec<&'a Report> {
    let kept = runs.iter().zip(lost).filter(|(_, lost)| !**lost);
    kept.map(|(run, _)| run.report).collect()
}

fn side(runs: &[ComparedRun<'_>], lost: &[bool]) -> Vec<SideRun> {
    let runs = runs.iter().zip(lost).map(|(run, lost)| SideRun {
        name: run.name.to_owned(),
        id: run.report.run.id.clone(),
        used: !lost,
    });
    runs.collect()
}
