//! Comparison of keys and proofs.

use std::hint::black_box;

/// Compares in a time that depends on the lengths only.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let differences = left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b));
    // Keeps the compiler from leaving the loop early.
    black_box(differences) == 0
}
