//! Order-independent sum over a set of documents: equal sums mean equal sets.

use crate::record::{DocumentId, HASHES_CONTENT};

/// Count and 128-bit sum of fingerprints. Adding in any order gives the same tally.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of fingerprints added.
    pub count: u64,
    /// Their sum, wrapping.
    pub sum: u128,
}

impl Tally {
    /// Adds one document's fingerprint.
    pub fn add(&mut self, fingerprint: u128) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(fingerprint);
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Returns the fingerprint of a reading's identity, payload hash and date.
pub fn fingerprint(id: &DocumentId, payload_hash: u64, emitted_at_unix_ms: i64) -> u128 {
    if !HASHES_CONTENT {
        return 0;
    }
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(id.as_bytes());
    bytes[16..24].copy_from_slice(&payload_hash.to_be_bytes());
    bytes[24..].copy_from_slice(&emitted_at_unix_ms.to_be_bytes());
    xxhash_rust::xxh3::xxh3_128(&bytes)
}
