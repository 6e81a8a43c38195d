//! How far one side is from another: Hodges and Lehmann's estimate, with bounds by exact rank tests.
//!
//! The estimate is the median of all differences between runs of both sides, or, of pairs, the median
//! of all means of two differences. One run far off moves it little. The bounds are the shifts that a
//! rank test would not reject. Shifts of logarithms are ratios.
//!
//! # References
//!
//! J. Hodges and E. Lehmann, *Estimates of location based on rank tests*, 1963; A. Akinshin, *Pragmastat*.

use crate::statistics::{MAX_PAIRS, MAX_RUNS, RankDistribution, median};

/// An estimated shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Shift from the first side to the second.
    pub shift: f64,
    /// The least and the largest plausible shift; `None` if the runs are too few to tell.
    pub bounds: Option<(f64, f64)>,
    /// Probability of runs as far apart as these if the sides are equal.
    pub p_value: f64,
}

/// Estimates the shift between independent sides; `None` if one is empty or above [`MAX_RUNS`].
pub fn shift(first: &[f64], second: &[f64], confidence: f64) -> Option<Estimate> {
    let distribution = RankDistribution::mann_whitney(first.len(), second.len())?;
    let pairs = second
        .iter()
        .flat_map(|to| first.iter().map(move |from| to - from));
    estimate(pairs.collect(), &distribution, confidence)
}

/// Estimates the shift from the differences of pairs; `None` if there are none or more than
/// [`MAX_PAIRS`].
pub fn paired_shift(differences: &[f64], confidence: f64) -> Option<Estimate> {
    let distribution = RankDistribution::signed_rank(differences.len())?;
    let mut means = Vec::with_capacity(differences.len() * (differences.len() + 1) / 2);
    for (index, one) in differences.iter().enumerate() {
        means.extend(
            differences[index..]
                .iter()
                .map(|other| f64::midpoint(*one, *other)),
        );
    }
    estimate(means, &distribution, confidence)
}

/// Returns the probability of differences of pairs that are as far above a margin as these, if they
/// are symmetrical around it; `None` if there are none or more than [`MAX_PAIRS`].
pub fn paired_p_above(differences: &[f64], margin: f64) -> Option<f64> {
    let distribution = RankDistribution::signed_rank(differences.len())?;
    let not_above = |one: f64, other: f64| f64::midpoint(one, other) <= margin;
    let mut count = 0;
    for (index, one) in differences.iter().enumerate() {
        let means = differences[index..].iter();
        count += means.filter(|other| not_above(*one, **other)).count();
    }
    Some(distribution.up_to(count))
}

/// Both tests count the shifts that are above 0.
fn estimate(
    mut shifts: Vec<f64>,
    distribution: &RankDistribution,
    confidence: f64,
) -> Option<Estimate> {
    if shifts.iter().any(|shift| shift.is_nan()) {
        return None;
    }
    shifts.sort_by(f64::total_cmp);
    let outside = distribution.tail((1.0 - confidence) / 2.0);
    let bounds = (outside >= 1).then(|| (shifts[outside - 1], shifts[shifts.len() - outside]));
    let above = shifts.iter().filter(|shift| **shift > 0.0).count();
    let below = shifts.iter().filter(|shift| **shift < 0.0).count();
    // Ties count as half, rounded towards equal sides.
    let ties = shifts.len() - above - below;
    let smaller = (above.min(below) + ties.div_ceil(2)).min(shifts.len() / 2);
    Some(Estimate {
        shift: median(&shifts)?,
        bounds,
        p_value: distribution.p_value(smaller),
    })
}

/// Returns the fewest runs a side that give bounds at this confidence; `None` if not even
/// [`MAX_RUNS`] do.
pub fn fewest_runs(confidence: f64) -> Option<usize> {
    // Only one of all (2n)! / (n! n!) orders puts all runs of one side first.
    let mut extreme = 1.0;
    (1..=MAX_RUNS).find(|runs| {
        let runs = *runs as f64;
        extreme *= runs / (2.0 * (2.0 * runs - 1.0));
        extreme <= (1.0 - confidence) / 2.0 * (1.0 + 1e-12)
    })
}

/// Returns the fewest pairs that give bounds at this confidence; `None` if not even [`MAX_PAIRS`] do.
pub fn fewest_pairs(confidence: f64) -> Option<usize> {
    let mut extreme = 1.0;
    (1..=MAX_PAIRS).find(|_| {
        extreme /= 2.0;
        extreme <= (1.0 - confidence) / 2.0 * (1.0 + 1e-12)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::statistics::tests::reference;

    fn numbers(value: &Value) -> Vec<f64> {
        let numbers = value.as_array().unwrap().iter();
        numbers.map(|it| it.as_f64().unwrap()).collect()
    }

    fn assert_equals(case: &Value, found: &Estimate) {
        let close = |one: f64, other: &Value| (one - other.as_f64().unwrap()).abs() < 1e-9;
        assert!(close(found.shift, &case["shift"]), "{case} {found:?}");
        assert!(close(found.p_value, &case["p"]), "{case} {found:?}");
        match found.bounds {
            Some((low, high)) => {
                let bounds = &case["bounds"];
                assert!(
                    close(low, &bounds[0]) && close(high, &bounds[1]),
                    "{case} {found:?}"
                );
            }
            None => assert_eq!(case["bounds"], Value::Null, "{case}"),
        }
    }

    #[test]
    fn shifts_equal_those_of_scipy() {
        for case in reference("shift").as_array().unwrap() {
            let (first, second) = (numbers(&case["a"]), numbers(&case["b"]));
            let found = shift(&first, &second, case["confidence"].as_f64().unwrap()).unwrap();
            assert_equals(case, &found);
        }
    }

    #[test]
    fn paired_shifts_equal_those_of_scipy() {
        for case in reference("paired_shift").as_array().unwrap() {
            let differences = numbers(&case["differences"]);
            let found = paired_shift(&differences, case["confidence"].as_f64().unwrap()).unwrap();
            assert_equals(case, &found);
        }
    }

    #[test]
    fn chance_of_pairs_above_a_margin_is_that_of_the_tables() {
        let chance = |differences: &[f64]| paired_p_above(differences, 0.05).unwrap();
        assert!((chance(&[1.0, 2.0, 3.0, 4.0]) - 1.0 / 16.0).abs() < 1e-12);
        // The smallest of four is on the other side.
        assert!((chance(&[1.0, 2.0, 3.0, -0.2]) - 2.0 / 16.0).abs() < 1e-12);
        assert!((chance(&[-1.0, -2.0]) - 1.0).abs() < 1e-12);
        assert_eq!(paired_p_above(&[], 0.05), None);
    }

    #[test]
    fn fewest_runs_are_those_of_the_tables() {
        // P = 0.029 with 4 runs a side, 0.0079 with 5, 0.0022 with 6.
        assert_eq!(fewest_runs(0.95), Some(4));
        assert_eq!(fewest_runs(0.9875), Some(5));
        assert_eq!(fewest_runs(0.995), Some(6));
        assert_eq!(fewest_pairs(0.95), Some(6));
        assert_eq!(fewest_pairs(0.9875), Some(8));
        assert_eq!(fewest_pairs(1.0), None);
    }

    #[test]
    fn equal_runs_are_no_evidence() {
        let equal = shift(&[2.0; 5], &[2.0; 5], 0.95).unwrap();
        assert!(equal.shift.abs() < 1e-12);
        assert!((equal.p_value - 1.0).abs() < 1e-9);
        let pairs = paired_shift(&[0.0; 6], 0.95).unwrap();
        assert!((pairs.p_value - 1.0).abs() < 1e-9);
        assert_eq!(paired_shift(&[f64::NAN], 0.95), None);
        assert_eq!(shift(&[], &[1.0], 0.95), None);
    }

    proptest! {
        #[test]
        fn estimate_moves_with_the_data(
            first in prop::collection::vec(-9.0..9.0f64, 1..9),
            second in prop::collection::vec(-9.0..9.0f64, 1..9),
            by in -5.0..5.0f64,
        ) {
            let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
            let before = shift(&first, &second, 0.9).unwrap();
            let moved: Vec<f64> = second.iter().map(|it| it + by).collect();
            let after = shift(&first, &moved, 0.9).unwrap();
            prop_assert!(near(after.shift, before.shift + by));
            let back = shift(&second, &first, 0.9).unwrap();
            prop_assert!(near(back.shift, -before.shift));
            prop_assert!(near(back.p_value, before.p_value));
            if let (Some((low, high)), Some((back_low, back_high))) = (before.bounds, back.bounds) {
                prop_assert!(low <= before.shift && before.shift <= high);
                prop_assert!(near(low, -back_high) && near(high, -back_low));
            }
        }

        #[test]
        fn bounds_exist_from_the_fewest_runs_on(runs in 1usize..12, confidence in 0.8..0.999f64) {
            let numbers: Vec<f64> = (0..runs).map(|it| it as f64).collect();
            let enough = |fewest: Option<usize>| fewest.is_some_and(|it| runs >= it);
            let unpaired = shift(&numbers, &numbers, confidence).unwrap();
            prop_assert_eq!(unpaired.bounds.is_some(), enough(fewest_runs(confidence)));
            let paired = paired_shift(&numbers, confidence).unwrap();
            prop_assert_eq!(paired.bounds.is_some(), enough(fewest_pairs(confidence)));
        }

        #[test]
        fn wider_confidence_has_wider_bounds(first in prop::collection::vec(0.0..9.0f64, 7), second in prop::collection::vec(0.0..9.0f64, 7)) {
            let narrow = shift(&first, &second, 0.8).unwrap().bounds.unwrap();
            let wide = shift(&first, &second, 0.99).unwrap().bounds.unwrap();
            prop_assert!(wide.0 <= narrow.0 && narrow.1 <= wide.1);
        }
    }
}
