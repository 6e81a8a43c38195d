//! Content of a comparison. Field names are the JSON keys.

use serde::Serialize;

use crate::report::comparison::metric::Metric;
use crate::report::value::Report;
use crate::string_enum::string_enum;

/// Version of the JSON form.
pub const FORMAT_VERSION: u32 = 1;

/// A run with its name for people.
#[derive(Debug, Clone, Copy)]
pub struct ComparedRun<'a> {
    /// Path or number.
    pub name: &'a str,
    /// Its report.
    pub report: &'a Report,
}

/// How strict a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Strictness {
    /// Smallest relative change that matters.
    pub threshold: f64,
    /// Probability that all bounds of judged metrics hold.
    pub confidence: f64,
}

string_enum! {
    /// How the runs of both sides belong together.
    Design {
        /// Each run stands for itself.
        Independent = "independent",
        /// Runs at the same position are neighbours in time, with the same seed.
        Paired = "paired",
    }
}

/// A run of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SideRun {
    /// Path or number.
    pub name: String,
    /// Id of the run.
    pub id: String,
    /// Whether its numbers were used.
    pub used: bool,
}

/// Two sides of runs, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Version of this form.
    pub format_version: u32,
    /// Outcome over all judged metrics.
    pub verdict: Verdict,
    /// Why, as clauses.
    pub reasons: Vec<String>,
    /// How many more runs a side, or pairs, would probably settle what is inconclusive; `None` if
    /// nothing is, or more than any number that is practical.
    pub more: Option<u64>,
    /// Whether the runs are pairs.
    pub design: Design,
    /// Threshold and confidence.
    #[serde(flatten)]
    pub strictness: Strictness,
    /// Runs of the first side.
    pub base: Vec<SideRun>,
    /// Runs of the second side.
    pub candidate: Vec<SideRun>,
    /// What differs between the sides besides the measurements.
    pub differences: Vec<Difference>,
    /// What makes the numbers less trustworthy.
    pub cautions: Vec<String>,
    /// Metrics that are judged.
    pub metrics: Vec<MetricComparison>,
    /// Metrics that are shown only.
    pub others: Vec<MetricComparison>,
}

string_enum! {
    /// Outcome for the candidate.
    Verdict {
        /// A run of the candidate lost, duplicated or altered readings.
        Invalid = "invalid",
        /// Worse by more than the threshold.
        Slower = "slower",
        /// Better by more than the threshold.
        Faster = "faster",
        /// Neither worse nor better by more than the threshold.
        Same = "same",
        /// The runs do not tell.
        Inconclusive = "inconclusive",
    }
}

/// One metric of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricComparison {
    /// The metric.
    pub metric: Metric,
    /// Unit of the values.
    pub unit: &'static str,
    /// Values of the first side, in the order of its runs.
    pub base: Vec<f64>,
    /// Values of the second side, in the order of its runs.
    pub candidate: Vec<f64>,
    /// Median of the first side.
    pub base_median: f64,
    /// Median of the second side.
    pub candidate_median: f64,
    /// Candidate ÷ base: Hodges and Lehmann's estimate.
    pub ratio: f64,
    /// The least and the largest plausible ratio; `None` with too few runs.
    pub bounds: Option<[f64; 2]>,
    /// The least and the largest ratio that two one-sided tests leave, each at the confidence: *same*
    /// if both are within the threshold; `None` with too few runs, or for a metric that is shown only.
    pub equivalence_bounds: Option<[f64; 2]>,
    /// Probability of values as far apart as these if the sides are equal.
    pub p_value: f64,
    /// Outcome; `None` for a metric that is shown only.
    pub verdict: Option<Verdict>,
    /// How many more runs a side, or pairs, would probably settle an inconclusive outcome; `None` if
    /// it is settled, or if more than 100 would be needed.
    pub more: Option<u64>,
}

/// Something that has other values on one side than on the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Kind of the thing: `setting`, `machine`, `servers`, `build`, `dataset`.
    pub kind: &'static str,
    /// Name of the thing.
    pub name: String,
    /// Values of the first side.
    pub base: Vec<String>,
    /// Values of the second side.
    pub candidate: Vec<String>,
}

impl Comparison {
    /// Returns the verdict with its reasons.
    pub fn sentence(&self) -> String {
        format!("{}: {}", self.verdict, self.reasons.join("; "))
    }
}
