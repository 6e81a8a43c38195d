//! Order statistics that bound a quantile.
//!
//! Of `n` independent samples, the number that lies below the quantile `q` has the binomial
//! distribution B(n, q), whatever the samples measure. So samples of fixed ranks lie on both sides of
//! the quantile with a known probability.
//!
//! # References
//!
//! W. J. Conover, *Practical Nonparametric Statistics*, section 3.2; `scipy.stats.quantile_test`.

/// Weights below this do not change a sum of weights around 1.
const NEGLIGIBLE: f64 = 1e-19;

/// More samples than this give no narrower bounds: they would cost time, and the resolution of the
/// histograms is coarser.
const ENOUGH: u64 = 1_000_000_000;

/// Returns the ranks, from 1, of the samples that bound a quantile with at least this confidence;
/// `None` if the samples are too few.
pub fn rank_bounds(samples: u64, quantile: f64, confidence: f64) -> Option<(u64, u64)> {
    let tail = (1.0 - confidence) / 2.0;
    let open = |share: f64| share > 0.0 && share < 1.0;
    if samples == 0 || samples > ENOUGH || !open(quantile) || !open(2.0 * tail) {
        return None;
    }
    let (first, probabilities) = binomial(samples, quantile);
    let low = first + below(&probabilities, tail);
    let reversed: Vec<f64> = probabilities.iter().rev().copied().collect();
    let last = first + probabilities.len() as u64 - 1;
    let high = last - below(&reversed, tail) + 1;
    (low >= 1 && high <= samples).then_some((low, high))
}

/// Returns how many of the first probabilities have a sum below `tail`.
fn below(probabilities: &[f64], tail: f64) -> u64 {
    let mut sum = 0.0;
    let mut count = 0;
    for probability in probabilities {
        sum += probability;
        // What a computer adds up may miss `tail` by its last digits.
        if sum >= tail * (1.0 - 1e-12) {
            break;
        }
        count += 1;
    }
    count
}

/// Returns the probabilities of consecutive values of B(n, q), and the first of these values. Values
/// that are left out are negligible.
fn binomial(n: u64, q: f64) -> (u64, Vec<f64>) {
    let mode = mode(n, q);
    let odds = q / (1.0 - q);
    let mut below = Vec::new();
    let (mut value, mut weight) = (mode, 1.0);
    while value > 0 {
        weight *= value as f64 / ((n - value + 1) as f64 * odds);
        if weight < NEGLIGIBLE {
            break;
        }
        below.push(weight);
        value -= 1;
    }
    let first = mode - below.len() as u64;
    let mut weights: Vec<f64> = below.into_iter().rev().collect();
    weights.push(1.0);
    let (mut value, mut weight) = (mode, 1.0);
    while value < n {
        weight *= (n - value) as f64 * odds / (value + 1) as f64;
        if weight < NEGLIGIBLE {
            break;
        }
        weights.push(weight);
        value += 1;
    }
    let sum: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= sum;
    }
    (first, weights)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and n, which is far below 2^53"
)]
fn mode(n: u64, q: f64) -> u64 {
    (((n + 1) as f64 * q).floor() as u64).min(n)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::statistics::tests::reference;

    #[test]
    fn ranks_equal_those_of_scipy() {
        for case in reference("quantile").as_array().unwrap() {
            let number = |key: &str| case[key].as_f64().unwrap();
            let found = rank_bounds(
                case["n"].as_u64().unwrap(),
                number("quantile"),
                number("confidence"),
            );
            let ranks = match &case["ranks"] {
                Value::Null => None,
                ranks => Some((ranks[0].as_u64().unwrap(), ranks[1].as_u64().unwrap())),
            };
            assert_eq!(found, ranks, "{case}");
        }
    }

    #[test]
    fn impossible_inputs_have_no_bounds() {
        for (samples, quantile, confidence) in [
            (0, 0.5, 0.95),
            (u64::MAX, 0.5, 0.95),
            (100, 0.0, 0.95),
            (100, 1.0, 0.95),
            (100, f64::NAN, 0.95),
            (100, 0.5, 1.0),
            (100, 0.5, -0.5),
        ] {
            assert_eq!(rank_bounds(samples, quantile, confidence), None);
        }
    }

    proptest! {
        #[test]
        fn ranks_enclose_the_quantile_and_cover_it(n in 1u64..5_000, quantile in 0.01..0.99f64) {
            if let Some((low, high)) = rank_bounds(n, quantile, 0.95) {
                let expected = n as f64 * quantile;
                prop_assert!(1 <= low && low < high && high <= n);
                prop_assert!(low as f64 <= expected + 1.0 && expected <= high as f64);
                let (first, probabilities) = binomial(n, quantile);
                let covered: f64 = probabilities
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| (low..high).contains(&(first + *index as u64)))
                    .map(|(_, probability)| probability)
                    .sum();
                prop_assert!(covered >= 0.95 - 1e-9, "{covered}");
            }
        }
    }
}
