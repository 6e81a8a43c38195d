//! How far the limit may be from where it was found: the curve through trials drawn again.
//!
//! Trials are drawn with replacement, as often as there are, many times; each time the load at which
//! the curve passes the limit is noted. Only what differs between trials is seen by this, not what
//! all of them share, such as the machine.
//!
//! # References
//!
//! B. Efron and R. Tibshirani, *An Introduction to the Bootstrap*, chapter 13.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::capacity::isotonic::{Curve, Sample};

/// Times that the trials are drawn.
const DRAWS: usize = 1_000;

/// Probability that the limit is between both bounds.
const CONFIDENCE: f64 = 0.95;

/// Fewer trials than this vary too little.
const LEAST: usize = 5;

/// Returns the bounds of the load at which the margin reaches 0; `None` if the trials are too few or
/// on one side of it.
///
/// Bounds reach no further than the loads that were tried. The same trials have the same bounds.
pub fn bounds(samples: &[Sample]) -> Option<[f64; 2]> {
    let lowest = samples.iter().map(|sample| sample.load).min()?;
    let highest = samples.iter().map(|sample| sample.load).max()?;
    let both_sides = Curve::fit(samples).root().is_some();
    if samples.len() < LEAST || !both_sides {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(samples.len() as u64);
    let mut roots: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let drawn: Vec<Sample> = (0..samples.len())
                .map(|_| samples[random.random_range(0..samples.len())])
                .collect();
            let curve = Curve::fit(&drawn);
            // Without a trial on one side, the limit is at least as far as the last one tried.
            let end = match curve.feasible() {
                None => lowest,
                Some(_) => highest,
            };
            curve.root().unwrap_or(f64::from(end))
        })
        .collect();
    roots.sort_by(f64::total_cmp);
    let outside = (1.0 - CONFIDENCE) / 2.0 * DRAWS as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of draws"
    )]
    let outside = outside as usize;
    Some([roots[outside], roots[DRAWS - 1 - outside]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(load: u32, margin: f64) -> Sample {
        Sample {
            load,
            margin,
            weight: 1.0,
        }
    }

    #[test]
    fn bounds_enclose_the_limit_and_are_wider_if_trials_disagree() {
        let of = |noise: f64| -> [f64; 2] {
            let samples: Vec<Sample> = (1..=12)
                .map(|step| {
                    let sign = if step % 2 == 0 { noise } else { -noise };
                    sample(step * 100, (f64::from(step) * 100.0 / 650.0).ln() + sign)
                })
                .collect();
            bounds(&samples).unwrap()
        };
        let (narrow, wide) = (of(0.05), of(0.4));
        for [low, high] in [narrow, wide] {
            assert!(low <= 650.0 && 650.0 <= high, "{low} {high}");
            assert!((100.0..=1_200.0).contains(&low) && (100.0..=1_200.0).contains(&high));
        }
        assert!(
            wide[1] - wide[0] > narrow[1] - narrow[0],
            "{narrow:?} {wide:?}"
        );
        assert_eq!(of(0.4).map(f64::to_bits), wide.map(f64::to_bits));
    }

    #[test]
    fn few_or_one_sided_trials_have_no_bounds() {
        assert_eq!(bounds(&[]), None);
        assert_eq!(bounds(&[sample(100, -1.0), sample(200, 1.0)]), None);
        assert_eq!(bounds(&[sample(100, -1.0); 9]), None);
    }
}
