//! How many independent samples correlated samples are worth.
//!
//! Latencies of neighbours resemble each other: records share a batch, a pause of the machine, a
//! queue. Bounds that take them for independent are several times too narrow. What counts is how much
//! the share of slow samples varies between batches of consecutive seconds, compared with independent
//! samples: the *design effect*. It is taken for batches of 1, 2, 4 … seconds, and the largest counts,
//! because too short batches miss slow changes.
//!
//! # References
//!
//! L. Kish, *Survey Sampling*, section 5.4 (design effect); S. Asmussen and P. Glynn, *Stochastic
//! Simulation*, section IV.5 (batch means).

/// Fewer batches than this do not tell how much batches vary.
const FEWEST_BATCHES: usize = 8;

/// 97.5th percentile of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

/// Samples of one second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Batch {
    /// Number of samples.
    pub samples: f64,
    /// How many of them are above the quantile.
    pub above: f64,
}

/// Returns the number of independent samples that have as wide bounds of a quantile at 95 % as the
/// samples of these consecutive seconds; `None` if the seconds are too few to tell.
pub fn effective_count(seconds: &[Batch], quantile: f64) -> Option<f64> {
    let samples: f64 = seconds.iter().map(|second| second.samples).sum();
    let above: f64 = seconds.iter().map(|second| second.above).sum();
    if samples <= 0.0 {
        return None;
    }
    let share = above / samples;
    let independent = samples * quantile * (1.0 - quantile);
    let mut effect: Option<f64> = None;
    let mut length = 1;
    while seconds.len().div_ceil(length) >= FEWEST_BATCHES {
        let batches = seconds.chunks(length);
        let count = batches.len() as f64;
        let squares: f64 = batches
            .map(|batch| {
                let excess: f64 = batch.iter().map(|it| it.above - share * it.samples).sum();
                excess * excess
            })
            .sum();
        let variance = squares * count / (count - 1.0);
        let uncertain = (student(count - 1.0) / NORMAL).powi(2);
        let found = uncertain * (variance / independent).max(1.0);
        effect = Some(effect.map_or(found, |largest| largest.max(found)));
        length *= 2;
    }
    effect
        .map(|effect| samples / effect)
        .filter(|count| count.is_finite())
}

/// Returns the 97.5th percentile of Student's t distribution, by the expansion of Cornish and Fisher:
/// exact to three digits from 7 degrees of freedom on.
fn student(freedom: f64) -> f64 {
    let z = NORMAL;
    let powers = |coefficients: [f64; 4]| {
        let [seventh, fifth, third, first] = coefficients;
        seventh * z.powi(7) + fifth * z.powi(5) + third * z.powi(3) + first * z
    };
    z + powers([0.0, 0.0, 1.0, 1.0]) / (4.0 * freedom)
        + powers([0.0, 5.0, 16.0, 3.0]) / (96.0 * freedom.powi(2))
        + powers([3.0, 19.0, 17.0, -15.0]) / (384.0 * freedom.powi(3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::statistics::{rank_bounds, tests::reference};

    #[test]
    fn student_percentiles_equal_those_of_scipy() {
        for case in reference("student").as_array().unwrap() {
            let (freedom, expected) = (case[0].as_f64().unwrap(), case[1].as_f64().unwrap());
            assert!((student(freedom) - expected).abs() < 2e-3, "{case}");
        }
    }

    #[test]
    fn effective_count_equals_that_of_numpy() {
        for case in reference("effective").as_array().unwrap() {
            let seconds: Vec<Batch> = case["seconds"]
                .as_array()
                .unwrap()
                .iter()
                .map(|second| Batch {
                    samples: second[0].as_f64().unwrap(),
                    above: second[1].as_f64().unwrap(),
                })
                .collect();
            let found = effective_count(&seconds, case["quantile"].as_f64().unwrap()).unwrap();
            let expected = case["effective"].as_f64().unwrap();
            assert!((found / expected - 1.0).abs() < 2e-3, "{found} {expected}");
        }
    }

    #[test]
    fn few_seconds_do_not_tell() {
        let second = Batch {
            samples: 1_000.0,
            above: 10.0,
        };
        assert_eq!(effective_count(&[second; 7], 0.99), None);
        assert!(effective_count(&[second; 8], 0.99).is_some());
        assert_eq!(effective_count(&[Batch::default(); 60], 0.99), None);
    }

    /// Latencies whose level moves slowly, second by second.
    fn seconds(random: &mut ChaCha8Rng, correlation: f64) -> Vec<Vec<f64>> {
        let mut level = 0.0;
        (0..60)
            .map(|_| {
                let step: f64 = random.random_range(-1.0..1.0);
                level = correlation * level + step * correlation;
                (0..40)
                    .map(|_| level + random.random_range(0.0..1.0))
                    .collect()
            })
            .collect()
    }

    /// Returns how many of 200 runs have bounds that enclose the true quantile.
    fn covered(correlation: f64, quantile: f64, corrected: bool) -> usize {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut all: Vec<f64> = (0..100)
            .flat_map(|_| seconds(&mut random, correlation).concat())
            .collect();
        all.sort_by(f64::total_cmp);
        let at = |sorted: &[f64], share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an index"
            )]
            let index = (share * sorted.len() as f64) as usize;
            sorted[index.min(sorted.len() - 1)]
        };
        let truth = at(&all, quantile);
        (0..200)
            .filter(|_| {
                let seconds = seconds(&mut random, correlation);
                let mut sorted = seconds.concat();
                sorted.sort_by(f64::total_cmp);
                let found = at(&sorted, quantile);
                let batch = |second: &Vec<f64>| Batch {
                    samples: second.len() as f64,
                    above: second.iter().filter(|it| **it > found).count() as f64,
                };
                let batches: Vec<Batch> = seconds.iter().map(batch).collect();
                let mut count = sorted.len() as f64;
                if corrected {
                    count = effective_count(&batches, quantile).unwrap();
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a count"
                )]
                let count = count as u64;
                let Some((low, high)) = rank_bounds(count, quantile, 0.95) else {
                    return true;
                };
                let share = |rank: u64| rank as f64 / count as f64;
                at(&sorted, share(low - 1)) <= truth && truth <= at(&sorted, share(high))
            })
            .count()
    }

    #[test]
    fn bounds_of_correlated_latencies_cover_the_quantile() {
        for quantile in [0.5, 0.99] {
            assert!(covered(0.0, quantile, true) >= 184);
            assert!(covered(0.7, quantile, true) >= 176);
            // Without the correction they are far too narrow.
            assert!(covered(0.7, quantile, false) < 120);
        }
    }

    proptest! {
        #[test]
        fn samples_are_never_worth_more_than_themselves(above in prop::collection::vec(0.0..50.0f64, 8..100)) {
            let seconds: Vec<Batch> = above.iter().map(|above| Batch { samples: 50.0, above: *above }).collect();
            let count = effective_count(&seconds, 0.9).unwrap();
            prop_assert!(count > 0.0 && count <= 50.0 * seconds.len() as f64);
        }
    }
}
