//! Order of the trials.

/// A side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The base.
    A,
    /// The candidate.
    B,
}

/// Pairs of trials in a round.
pub const PAIRS_PER_ROUND: u32 = 2;

/// Returns the sides of a pair in the order of their trials: A B, B A, A B …
///
/// So a slow change of the machine, and what it costs to be the second, meet both sides alike.
pub fn pair(index: u32) -> [Which; 2] {
    if index.is_multiple_of(PAIRS_PER_ROUND) {
        [Which::A, Which::B]
    } else {
        [Which::B, Which::A]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_equally_early_in_a_round() {
        let round: Vec<Which> = (0..PAIRS_PER_ROUND).flat_map(pair).collect();
        assert_eq!(round, [Which::A, Which::B, Which::B, Which::A]);
        let places = |side| -> usize {
            let places = round.iter().enumerate();
            places
                .filter(|(_, it)| **it == side)
                .map(|(place, _)| place)
                .sum()
        };
        assert_eq!(places(Which::A), places(Which::B));
    }
}
