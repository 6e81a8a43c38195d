//! Random numbers of generated rows.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
///
/// A seed must give the same rows in every version of convoy, so the generator cannot change.
#[derive(Debug)]
pub(super) struct Random(ChaCha8Rng);

impl Random {
    /// Starts the stream of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Returns a number in [0, 1) with 32 random bits.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / (u64::from(u32::MAX) + 1) as f64
    }

    /// Returns a number below a bound.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let scaled = u64::from(self.0.next_u32()) * u64::from(bound);
        u32::try_from(scaled >> 32).expect("the number is below the bound")
    }
}
