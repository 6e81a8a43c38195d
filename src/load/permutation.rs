//! A seeded permutation of the numbers below a count, computed without storing it.

use crate::load::random::random_bits;

const ROUNDS: u64 = 4;

/// A one-to-one map of `0..count` onto itself, chosen by a seed.
///
/// A Feistel network over the next power of four; numbers that fall outside the count are mapped
/// again until they fall inside.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    count: u64,
    half_bits: u32,
    seed: u64,
}

impl Permutation {
    /// Chooses a permutation of `count` numbers; `count` is at least one.
    pub fn new(count: u32, seed: u64) -> Self {
        assert!(count > 0, "the count is at least one");
        let bits = u32::BITS - (count - 1).leading_zeros();
        Self {
            count: u64::from(count),
            half_bits: bits.div_ceil(2).max(1),
            seed,
        }
    }

    /// Returns the image of a number.
    pub fn map(&self, number: u32) -> u32 {
        debug_assert!(
            u64::from(number) < self.count,
            "the number is below the count"
        );
        let mut mapped = self.encrypt(u64::from(number));
        while mapped >= self.count {
            mapped = self.encrypt(mapped);
        }
        u32::try_from(mapped).expect("the count fits 32 bits")
    }

    fn encrypt(&self, number: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for round in 0..ROUNDS {
            let scrambled = random_bits(self.seed, round, right) & mask;
            (left, right) = (right, left ^ scrambled);
        }
        (left << self.half_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_is_the_image_of_one_number(count in 1_u32..3_000, seed: u64) {
            let order = Permutation::new(count, seed);
            let mut hit = vec![false; count as usize];
            for number in 0..count {
                hit[order.map(number) as usize] = true;
            }
            prop_assert!(hit.into_iter().all(|hit| hit));
        }
    }

    #[test]
    fn largest_count_is_supported() {
        let order = Permutation::new(u32::MAX, 1);
        assert_ne!(order.map(0), order.map(u32::MAX - 1));
    }

    #[test]
    fn different_seeds_give_different_orders() {
        let order = |seed| (0..100).map(move |n| Permutation::new(100, seed).map(n));
        assert!(order(1).eq(order(1)));
        assert!(!order(1).eq(order(2)));
        assert!(!order(1).eq(0..100));
    }
}
