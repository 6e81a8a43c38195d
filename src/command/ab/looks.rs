//! When the pairs are compared: after the rounds, and again after as many more, up to a budget.
//!
//! Each look could be wrong by chance, so the looks share the probability of an error (Bonferroni):
//! the first has most of it, because most comparisons are settled there.

use crate::command::ab::order::PAIRS_PER_ROUND;

/// Share of the probability of an error that the first of several looks has.
const FIRST: f64 = 2.0 / 3.0;

/// A comparison of all pairs so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Pairs after which it is made.
    pub pairs: u32,
    /// Confidence of its bounds.
    pub confidence: f64,
}

/// Returns the looks at rounds that are doubled up to a maximum. Further pairs that confirm a
/// difference, `confirming` for each look, fit below `most_pairs`.
pub fn looks(
    rounds: u32,
    max_rounds: u32,
    confirming: u32,
    most_pairs: u32,
    confidence: f64,
) -> Vec<Look> {
    let mut pairs = vec![rounds * PAIRS_PER_ROUND];
    loop {
        let next = pairs[pairs.len() - 1].saturating_mul(2);
        let confirmations =
            confirming.saturating_mul(u32::try_from(pairs.len()).unwrap_or(u32::MAX) + 1);
        let fits = next <= max_rounds.saturating_mul(PAIRS_PER_ROUND)
            && next.saturating_add(confirmations) <= most_pairs;
        if !fits {
            break;
        }
        pairs.push(next);
    }
    let later = (pairs.len() - 1) as f64;
    let share = |index: usize| match index {
        _ if later < 1.0 => 1.0,
        0 => FIRST,
        _ => (1.0 - FIRST) / later,
    };
    let look = |(index, pairs): (usize, u32)| Look {
        pairs,
        confidence: 1.0 - (1.0 - confidence) * share(index),
    };
    pairs.into_iter().enumerate().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(rounds: u32, max_rounds: u32, confirming: u32) -> Vec<u32> {
        let looks = looks(rounds, max_rounds, confirming, 400, 0.95);
        looks.iter().map(|look| look.pairs).collect()
    }

    #[test]
    fn rounds_are_doubled_up_to_the_budget() {
        assert_eq!(pairs(6, 24, 4), [12, 24, 48]);
        assert_eq!(pairs(6, 23, 4), [12, 24]);
        assert_eq!(pairs(6, 6, 4), [12]);
        assert_eq!(pairs(60, 240, 120), [120]);
        assert_eq!(pairs(60, 240, 4), [120, 240]);
    }

    #[test]
    fn looks_share_the_probability_of_an_error() {
        for (rounds, max_rounds) in [(6, 6), (6, 12), (4, 60)] {
            let looks = looks(rounds, max_rounds, 4, 400, 0.95);
            let errors: f64 = looks.iter().map(|look| 1.0 - look.confidence).sum();
            assert!((errors - 0.05).abs() < 1e-12, "{looks:?}");
        }
    }
}
