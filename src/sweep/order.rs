//! Combinations of settings, and the random order of their trials.

use crate::load::random_bits;

/// Makes these draws independent of others with the same seed.
const STREAM: u64 = 0x7377_6565;

/// Returns every combination of one value from each list, the last list varying fastest.
pub fn combinations<T: Clone>(lists: &[Vec<T>]) -> Vec<Vec<T>> {
    lists.iter().fold(vec![Vec::new()], |begun, list| {
        let extend = |start: Vec<T>| {
            list.iter().map(move |value| {
                let mut combination = start.clone();
                combination.push(value.clone());
                combination
            })
        };
        begun.into_iter().flat_map(extend).collect()
    })
}

/// Returns the numbers below `count` in an order drawn for a round (Fisher–Yates).
#[expect(
    clippy::cast_possible_truncation,
    reason = "below the length of a list"
)]
pub fn shuffled(count: usize, seed: u64, round: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let bits = random_bits(seed ^ STREAM, round, last as u64);
        order.swap(last, (bits % (last as u64 + 1)) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_have_one_value_of_each_list() {
        let lists = [vec!["a", "b"], vec!["x", "y"]];
        assert_eq!(
            combinations(&lists),
            [["a", "x"], ["a", "y"], ["b", "x"], ["b", "y"]]
        );
        assert_eq!(combinations::<u8>(&[]), [Vec::<u8>::new()]);
    }

    #[test]
    fn order_is_a_permutation_that_differs_between_rounds_and_is_repeatable() {
        let orders: Vec<_> = (0..4).map(|round| shuffled(12, 42, round)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..12).collect::<Vec<_>>());
        }
        assert_ne!(orders[0], orders[1]);
        assert_eq!(orders[2], shuffled(12, 42, 2));
        assert!(shuffled(0, 1, 1).is_empty());
    }
}
