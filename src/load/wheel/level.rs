//! One level of a wheel: its slots, and which of them are occupied.

use crate::load::wheel::chunks::NO_CHUNK;

/// Slots of a level, as a power of two.
pub(super) const LEVEL_BITS: u32 = 12;

const SLOTS: usize = 1 << LEVEL_BITS;

/// Returns the slot of a level that a tick belongs to.
pub(super) fn slot_of(tick: u64, level: u32) -> usize {
    let slot = (tick >> (level * LEVEL_BITS)) & (SLOTS as u64 - 1);
    usize::try_from(slot).expect("a slot has 12 bits")
}

/// Slots, each with the first chunk of its timers.
#[derive(Debug)]
pub(super) struct Level {
    chunks: Vec<u32>,
    occupied: Occupied,
}

impl Level {
    pub(super) fn new() -> Self {
        Self {
            chunks: vec![NO_CHUNK; SLOTS],
            occupied: Occupied::default(),
        }
    }

    /// Returns the first chunk of a slot and marks the slot as occupied.
    pub(super) fn chunk(&mut self, slot: usize) -> &mut u32 {
        self.occupied.insert(slot);
        &mut self.chunks[slot]
    }

    /// Empties a slot and returns its first chunk.
    pub(super) fn take(&mut self, slot: usize) -> u32 {
        self.occupied.remove(slot);
        std::mem::replace(&mut self.chunks[slot], NO_CHUNK)
    }

    /// Returns the first occupied slot that is not below `slot`.
    pub(super) fn occupied_from(&self, slot: usize) -> Option<usize> {
        self.occupied.first_from(slot)
    }
}

/// A set of slots that finds the next one in a few instructions: a bit per slot, and a bit per word
/// of those bits.
#[derive(Debug)]
struct Occupied {
    words: [u64; SLOTS / 64],
    summary: u64,
}

impl Default for Occupied {
    fn default() -> Self {
        Self {
            words: [0; SLOTS / 64],
            summary: 0,
        }
    }
}

impl Occupied {
    fn insert(&mut self, slot: usize) {
        self.words[slot / 64] |= 1 << (slot % 64);
        self.summary |= 1 << (slot / 64);
    }

    fn remove(&mut self, slot: usize) {
        self.words[slot / 64] &= !(1 << (slot % 64));
        if self.words[slot / 64] == 0 {
            self.summary &= !(1 << (slot / 64));
        }
    }

    fn first_from(&self, slot: usize) -> Option<usize> {
        let word = slot / 64;
        let here = self.words.get(word)? & (u64::MAX << (slot % 64));
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        let later = u64::MAX.checked_shl(u32::try_from(word).ok()? + 1)?;
        let word = (self.summary & later).trailing_zeros() as usize;
        let here = self.words.get(word)?;
        Some(word * 64 + here.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn next_occupied_slot_is_found(
            slots in prop::collection::btree_set(0..SLOTS, 0..20),
            removed in prop::collection::vec(0..SLOTS, 0..5),
            from in 0..=SLOTS,
        ) {
            let mut occupied = Occupied::default();
            for &slot in &slots {
                occupied.insert(slot);
            }
            for &slot in &removed {
                occupied.remove(slot);
            }
            let left: BTreeSet<_> = slots.into_iter().filter(|s| !removed.contains(s)).collect();
            prop_assert_eq!(occupied.first_from(from), left.range(from..).next().copied());
        }
    }
}
