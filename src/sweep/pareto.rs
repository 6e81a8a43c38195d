//! The combinations that no other one beats in every objective.

use serde::{Deserialize, Serialize};

use crate::string_enum::string_enum;

string_enum! {
    /// What a sweep compares.
    Objective {
        /// Records stored per second: more is better.
        Throughput = "throughput",
        /// Median of the end-to-end latency: less is better.
        EndToEndP50 = "end-to-end-p50",
        /// 99th percentile of the end-to-end latency: less is better.
        EndToEndP99 = "end-to-end-p99",
        /// CPU time of this process per stored record: less is better.
        CpuPerRecord = "cpu-per-record",
    }
}

impl Objective {
    /// Returns a number that is the larger the better the value is.
    fn merit(self, value: f64) -> f64 {
        match self {
            Self::Throughput => value,
            Self::EndToEndP50 | Self::EndToEndP99 | Self::CpuPerRecord => -value,
        }
    }
}

/// Values of an objective in the trials of a combination.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// Which one.
    pub objective: Objective,
    /// Median.
    pub median: f64,
    /// Smallest. All trials give bounds of the median that hold with a probability of 1 − 2^(1 − n).
    pub lower: f64,
    /// Largest.
    pub upper: f64,
}

impl Value {
    /// Summarizes the trials of a combination; `None` without any.
    pub fn new(objective: Objective, mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (lower, upper) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self {
            objective,
            median,
            lower,
            upper,
        })
    }

    fn merits(&self) -> [f64; 3] {
        let merit = |value| self.objective.merit(value);
        let (lower, upper) = (merit(self.lower), merit(self.upper));
        [lower.min(upper), merit(self.median), lower.max(upper)]
    }

    /// Returns whether every trial is better than every trial of another combination.
    fn is_apart_from(&self, other: &Self) -> bool {
        let ([worst, ..], [.., best]) = (self.merits(), other.merits());
        worst > best
    }

    fn is_no_worse_than(&self, other: &Self) -> bool {
        self.merits()[1] >= other.merits()[1]
    }
}

/// One combination of settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Names and values of the settings that are varied.
    pub settings: Vec<(String, String)>,
    /// Trials that count.
    pub trials: u32,
    /// Why one of its trials failed.
    pub failure: Option<String>,
    /// Every objective, the first one first; empty without trials.
    pub values: Vec<Value>,
    /// What becomes of it.
    pub choice: Choice,
}

string_enum! {
    /// What becomes of a combination.
    Choice {
        /// Best in the first objective, or not told from the best and better in another one.
        Recommended = "recommended",
        /// No other combination beats it in every objective.
        Pareto = "pareto",
        /// Another combination beats it.
        Dominated = "dominated",
        /// A trial lost readings or did not end.
        Failed = "failed",
        /// The budget had no time for a trial.
        NotTried = "not_tried",
    }
}

/// Result of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What is compared, the most important first.
    pub objectives: Vec<Objective>,
    /// Every combination.
    pub candidates: Vec<Candidate>,
    /// Rounds in which every combination was tried.
    pub rounds: u32,
    /// Rounds that were asked for.
    pub planned_rounds: u32,
    /// Command line, secrets replaced.
    pub command: String,
    /// Broker and store.
    pub servers: String,
}

impl Answer {
    /// Returns the combination that is recommended.
    pub fn recommended(&self) -> Option<&Candidate> {
        self.candidates
            .iter()
            .find(|candidate| candidate.choice == Choice::Recommended)
    }
}

/// Decides what becomes of each combination.
pub fn answer(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let copies = candidates.clone();
    for candidate in &mut candidates {
        candidate.choice = if candidate.failure.is_some() {
            Choice::Failed
        } else if candidate.values.is_empty() {
            Choice::NotTried
        } else if copies.iter().any(|other| dominates(other, candidate)) {
            Choice::Dominated
        } else {
            Choice::Pareto
        };
    }
    if let Some(best) = recommended(&candidates) {
        candidates[best].choice = Choice::Recommended;
    }
    candidates
}

fn dominates(one: &Candidate, other: &Candidate) -> bool {
    let usable = one.failure.is_none() && one.values.len() == other.values.len();
    let mut pairs = one.values.iter().zip(&other.values);
    usable
        && pairs
            .clone()
            .all(|(one, other)| one.is_no_worse_than(other))
        && pairs.any(|(one, other)| one.is_apart_from(other))
}

/// Returns the best in the first objective; among those that are not told from it, the best in the
/// next one.
fn recommended(candidates: &[Candidate]) -> Option<usize> {
    let mut left: Vec<usize> = (0..candidates.len())
        .filter(|index| candidates[*index].choice == Choice::Pareto)
        .collect();
    let objectives = candidates[*left.first()?].values.len();
    let merit = |index: usize, objective: usize| candidates[index].values[objective].merits()[1];
    let best = |left: &[usize], objective: usize| {
        let by_merit = |one: &&usize, other: &&usize| {
            merit(**one, objective).total_cmp(&merit(**other, objective))
        };
        left.iter().max_by(by_merit).copied()
    };
    for objective in 0..objectives {
        let first = best(&left, objective)?;
        if objective + 1 == objectives {
            return Some(first);
        }
        let value = candidates[first].values[objective];
        left.retain(|index| !value.is_apart_from(&candidates[*index].values[objective]));
    }
    left.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, p99: &[f64], cpu: &[f64]) -> Candidate {
        let values = [
            Value::new(Objective::EndToEndP99, p99.to_vec()),
            Value::new(Objective::CpuPerRecord, cpu.to_vec()),
        ];
        Candidate {
            settings: vec![("linger".to_owned(), name.to_owned())],
            trials: 3,
            failure: None,
            values: values.into_iter().flatten().collect(),
            choice: Choice::NotTried,
        }
    }

    fn choices(candidates: Vec<Candidate>) -> Vec<Choice> {
        let chosen = answer(candidates).into_iter();
        chosen.map(|candidate| candidate.choice).collect()
    }

    #[test]
    fn combination_that_is_worse_in_everything_is_dominated() {
        let found = choices(vec![
            candidate("1ms", &[10.0, 11.0, 12.0], &[50.0, 51.0, 52.0]),
            candidate("5ms", &[20.0, 21.0, 22.0], &[30.0, 31.0, 32.0]),
            candidate("9ms", &[40.0, 41.0, 42.0], &[45.0, 46.0, 47.0]),
        ]);
        assert_eq!(
            found,
            [Choice::Recommended, Choice::Pareto, Choice::Dominated]
        );
    }

    #[test]
    fn overlapping_bounds_dominate_nothing_and_the_next_objective_decides() {
        let found = choices(vec![
            candidate("1ms", &[10.0, 11.0, 14.0], &[50.0, 51.0, 52.0]),
            candidate("5ms", &[11.0, 12.0, 13.0], &[30.0, 31.0, 32.0]),
        ]);
        assert_eq!(found, [Choice::Pareto, Choice::Recommended]);
    }

    #[test]
    fn failed_combination_is_never_recommended() {
        let mut broken = candidate("0ms", &[1.0], &[1.0]);
        broken.failure = Some("lost".to_owned());
        let untried = candidate("7ms", &[], &[]);
        let found = choices(vec![broken, candidate("5ms", &[9.0], &[9.0]), untried]);
        assert_eq!(
            found,
            [Choice::Failed, Choice::Recommended, Choice::NotTried]
        );
    }

    #[test]
    fn more_throughput_is_better() {
        let fast = Value::new(Objective::Throughput, vec![200.0, 210.0]).unwrap();
        let slow = Value::new(Objective::Throughput, vec![100.0, 110.0]).unwrap();
        assert!(fast.is_apart_from(&slow) && !slow.is_no_worse_than(&fast));
        assert!((fast.median - 205.0).abs() < 1e-9);
    }
}
