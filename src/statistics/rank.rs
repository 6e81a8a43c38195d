//! Exact distributions of rank statistics if the sides are equal: every order of the runs is then
//! equally likely, whatever the runs measure.
//!
//! # References
//!
//! M. Hollander, D. Wolfe and E. Chicken, *Nonparametric Statistical Methods*, chapters 3 and 4.

/// Maximum runs of one side: counting all orders takes time in the fourth power.
pub const MAX_RUNS: usize = 100;

/// Maximum pairs.
pub const MAX_PAIRS: usize = 400;

/// Probability of each value of a rank statistic, from 0 on; symmetrical.
#[derive(Debug, Clone, PartialEq)]
pub struct RankDistribution {
    probabilities: Vec<f64>,
}

impl RankDistribution {
    /// Distribution of Mann and Whitney's U, the number of pairs of runs in which the run of the first
    /// side is the larger, for independent sides of these sizes up to [`MAX_RUNS`].
    pub fn mann_whitney(first: usize, second: usize) -> Option<Self> {
        if first == 0 || second == 0 || first > MAX_RUNS || second > MAX_RUNS {
            return None;
        }
        let largest = first * second;
        // Orders of `index` runs of the first side and of the runs of the second side so far.
        let mut orders: Vec<Vec<f64>> = (0..=first).map(|_| vec![0.0; largest + 1]).collect();
        for counts in &mut orders {
            counts[0] = 1.0;
        }
        for added in 1..=second {
            for index in 1..=first {
                let (fewer, counts) = orders.split_at_mut(index);
                let (fewer, counts) = (&fewer[index - 1], &mut counts[0]);
                for value in added..=index * added {
                    counts[value] += fewer[value - added];
                }
            }
        }
        Some(Self::normalized(orders.swap_remove(first)))
    }

    /// Distribution of Wilcoxon's signed-rank statistic, the sum of the ranks of the positive
    /// differences, for up to [`MAX_PAIRS`] pairs.
    pub fn signed_rank(pairs: usize) -> Option<Self> {
        if pairs == 0 || pairs > MAX_PAIRS {
            return None;
        }
        let largest = pairs * (pairs + 1) / 2;
        let mut counts = vec![0.0; largest + 1];
        counts[0] = 1.0;
        for rank in 1..=pairs {
            for value in (0..=rank * (rank + 1) / 2).rev() {
                let with = if value >= rank {
                    counts[value - rank]
                } else {
                    0.0
                };
                // Halved each time, so that large numbers of pairs do not overflow.
                counts[value] = f64::midpoint(counts[value], with);
            }
        }
        Some(Self::normalized(counts))
    }

    fn normalized(mut counts: Vec<f64>) -> Self {
        let sum: f64 = counts.iter().sum();
        for count in &mut counts {
            *count /= sum;
        }
        Self {
            probabilities: counts,
        }
    }

    /// Returns the probability of a value up to this one.
    pub fn up_to(&self, value: usize) -> f64 {
        let sum: f64 = self.probabilities.iter().take(value + 1).sum();
        sum.min(1.0)
    }

    /// Returns the probability of a value as far from the middle as this one, to either side.
    pub fn p_value(&self, value: usize) -> f64 {
        let largest = self.probabilities.len() - 1;
        let smaller = value.min(largest.saturating_sub(value));
        (2.0 * self.up_to(smaller)).min(1.0)
    }

    /// Returns how many of the smallest values together have at most this probability.
    pub fn tail(&self, probability: f64) -> usize {
        let mut sum = 0.0;
        let within = |value: &&f64| {
            sum += **value;
            sum <= probability * (1.0 + 1e-12)
        };
        self.probabilities.iter().take_while(within).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::tests::reference;

    #[test]
    fn mann_whitney_equals_scipy() {
        for case in reference("mann_whitney").as_array().unwrap() {
            let whole = |key: &str| usize::try_from(case[key].as_u64().unwrap()).unwrap();
            let distribution = RankDistribution::mann_whitney(whole("a"), whole("b")).unwrap();
            let found = distribution.p_value(whole("u"));
            let expected = case["p"].as_f64().unwrap();
            assert!((found / expected - 1.0).abs() < 1e-9, "{case}: {found}");
        }
    }

    #[test]
    fn signed_rank_equals_scipy() {
        for case in reference("signed_rank").as_array().unwrap() {
            let whole = |key: &str| usize::try_from(case[key].as_u64().unwrap()).unwrap();
            let distribution = RankDistribution::signed_rank(whole("pairs")).unwrap();
            let found = distribution.p_value(whole("w"));
            let expected = case["p"].as_f64().unwrap();
            assert!((found / expected - 1.0).abs() < 1e-9, "{case}: {found}");
        }
    }

    #[test]
    fn sizes_have_limits() {
        assert_eq!(RankDistribution::mann_whitney(0, 3), None);
        assert_eq!(RankDistribution::mann_whitney(3, MAX_RUNS + 1), None);
        assert_eq!(RankDistribution::signed_rank(0), None);
        assert_eq!(RankDistribution::signed_rank(MAX_PAIRS + 1), None);
        let largest = RankDistribution::signed_rank(MAX_PAIRS).unwrap();
        assert!((largest.up_to(usize::MAX - 1) - 1.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn distributions_are_symmetrical_and_sum_to_1(first in 1usize..15, second in 1usize..15) {
            for distribution in [
                RankDistribution::mann_whitney(first, second).unwrap(),
                RankDistribution::signed_rank(first).unwrap(),
            ] {
                let probabilities = &distribution.probabilities;
                let sum: f64 = probabilities.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-12);
                for (left, right) in probabilities.iter().zip(probabilities.iter().rev()) {
                    prop_assert!((left - right).abs() < 1e-12);
                }
            }
        }

        #[test]
        fn tail_is_the_most_that_fits(pairs in 1usize..30, tail in 0.0001..0.4f64) {
            let distribution = RankDistribution::signed_rank(pairs).unwrap();
            let count = distribution.tail(tail);
            if count > 0 {
                prop_assert!(distribution.up_to(count - 1) <= tail + 1e-9);
            }
            prop_assert!(distribution.up_to(count) > tail - 1e-9);
        }
    }
}
