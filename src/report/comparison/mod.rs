//! Comparison of two sides of runs: how far they are apart, and whether that is more than chance.
//!
//! Pure. The unit of evidence is a run, because runs differ more among themselves than the samples
//! within one suggest. A few fixed metrics are judged, together at one confidence; everything else is
//! shown only. `docs/compare.md` describes the method.
//!
//! | file | owns |
//! |---|---|
//! | `model.rs` | the content of a comparison |
//! | `metric.rs` | what is compared, and how it is shown |
//! | `judgement.rs` | estimate and bounds → verdict of one metric, and of all |
//! | `confirm.rs` | differences that further runs do not show |
//! | `differences.rs` | settings and machines that differ, and other cautions |
//! | `text.rs`, `markdown.rs` | forms for people |

mod compare;
mod confirm;
mod differences;
mod judgement;
mod markdown;
mod metric;
mod model;
mod text;

#[cfg(test)]
mod tests;

pub use compare::compare;
pub use confirm::confirm;
pub use markdown::write as write_markdown;
pub use metric::Metric;
pub use model::{
    ComparedRun, Comparison, Design, Difference, MetricComparison, SideRun, Strictness, Verdict,
};
pub use text::write as write_text;
