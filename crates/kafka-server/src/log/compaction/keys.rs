//! The last offset of each key, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Limit on keys: about 50 MB. A partition with more is compacted in several passes.
pub const MAX_KEYS: usize = 1_000_000;

/// Keys are known by 128 bits of a keyed hash, so that nobody can make two of them the same.
#[derive(Debug)]
pub struct Keys {
    offsets: HashMap<u128, i64>,
    hashers: [RandomState; 2],
    limit: usize,
}

impl Keys {
    pub fn new(limit: usize) -> Self {
        Self {
            offsets: HashMap::new(),
            hashers: [RandomState::new(), RandomState::new()],
            limit,
        }
    }

    /// Remembers an offset of a key; returns false if there is no room for another key.
    pub fn note(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = self.hash(key);
        if self.offsets.len() >= self.limit && !self.offsets.contains_key(&hash) {
            return false;
        }
        self.offsets.insert(hash, offset);
        true
    }

    /// Whether a later record has the same key.
    pub fn is_replaced(&self, key: &[u8], offset: i64) -> bool {
        let last = self.offsets.get(&self.hash(key));
        last.is_some_and(|last| *last > offset)
    }

    fn hash(&self, key: &[u8]) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|state| state.hash_one(key));
        u128::from(high) << 64 | u128::from(low)
    }
}
