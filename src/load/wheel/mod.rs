//! A hierarchical timer wheel: which timer fires next, for a million timers.
//!
//! Time is cut into ticks. Level 0 has a slot for each of the next 4,096 ticks, level 1 one for
//! each of the next 4,096 × 4,096, and so on; a timer waits in the lowest level that reaches far
//! enough, and moves down when time comes to its slot. The timers of one tick are sorted when it
//! comes.
//!
//! The timers of a slot lie in chunks of a few dozen, so that a slot is read in the order of
//! memory: a list through a million timers would miss the cache at every step. A timer takes 20
//! bytes wherever it waits.

mod level;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::load::wheel::level::{LEVEL_BITS, Level, slot_of};

/// Ends a chain of chunks.
const NO_CHUNK: u32 = u32::MAX;

/// Timers of a chunk: enough to hide the step to the next one, few enough for a slot of one timer.
const CHUNK: usize = 32;

/// Timers that share a tick on average: sorting a few at once is cheaper than a slot for each.
const TIMERS_PER_TICK: f64 = 16.0;

/// The longest tick, 2^40 ns or 18 minutes.
const MAX_TICK_BITS: u32 = 40;

/// Timers that are armed for one instant at a time.
#[derive(Debug)]
pub struct Wheel {
    levels: Vec<Level>,
    chunks: Chunks,
    tick_bits: u32,
    /// The tick whose timers are firing.
    tick: u64,
    /// Timers of that tick, latest first.
    firing: Vec<Timer>,
    /// Timers armed for that tick while it was firing.
    late: BinaryHeap<Reverse<Timer>>,
}

/// A timer armed for an instant. Timers fire in the order of (due, number).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When it fires, in nanoseconds.
    pub due: u64,
    /// Which one it is.
    pub number: u32,
    /// How often it fired before; kept for who armed it.
    pub fired: u64,
}

impl Wheel {
    /// Makes a wheel without an armed timer.
    ///
    /// `mean_distance` is about how many nanoseconds lie between two firings of any timer; a wrong
    /// guess costs time, not order.
    pub fn new(mean_distance: f64) -> Self {
        let tick_bits = (mean_distance * TIMERS_PER_TICK).max(1.0).log2();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the logarithm is between 0 and the largest exponent of an f64"
        )]
        let tick_bits = (tick_bits as u32).min(MAX_TICK_BITS);
        let levels = (u64::BITS - tick_bits).div_ceil(LEVEL_BITS);
        Self {
            levels: (0..levels).map(|_| Level::new()).collect(),
            chunks: Chunks::default(),
            tick_bits,
            tick: 0,
            firing: Vec::new(),
            late: BinaryHeap::new(),
        }
    }

    /// Arms a timer for an instant that is not before the one that fired last.
    pub fn arm(&mut self, timer: Timer) {
        if timer.due >> self.tick_bits <= self.tick {
            self.late.push(Reverse(timer));
        } else {
            self.wait(timer);
        }
    }

    /// Fires the armed timer with the least (due, number); none if no timer is armed.
    pub fn fire(&mut self) -> Option<Timer> {
        while self.firing.is_empty() && self.late.is_empty() {
            self.advance()?;
        }
        let late_first = match (self.late.peek(), self.firing.last()) {
            (Some(Reverse(late)), Some(firing)) => late < firing,
            (late, _) => late.is_some(),
        };
        if late_first {
            self.late.pop().map(|Reverse(timer)| timer)
        } else {
            self.firing.pop()
        }
    }

    /// Puts a timer of a later tick into the slot where it waits.
    fn wait(&mut self, timer: Timer) {
        let tick = timer.due >> self.tick_bits;
        // The highest group of bits in which the ticks differ.
        let level = (u64::BITS - 1 - (tick ^ self.tick).leading_zeros()) / LEVEL_BITS;
        let first = self.levels[level as usize].chunk(slot_of(tick, level));
        self.chunks.push(first, timer);
    }

    /// Moves to the next occupied slot; none if no timer waits.
    fn advance(&mut self) -> Option<()> {
        let (level, slot) = (0_u32..).zip(&self.levels).find_map(|(level, slots)| {
            let from = slot_of(self.tick, level) + 1;
            Some((level, slots.occupied_from(from)?))
        })?;
        let shift = level * LEVEL_BITS;
        let above = self.tick.checked_shr(shift + LEVEL_BITS).unwrap_or(0);
        let above = above.checked_shl(shift + LEVEL_BITS).unwrap_or(0);
        self.tick = above | ((slot as u64) << shift);
        let mut chunk = self.levels[level as usize].take(slot);
        while chunk != NO_CHUNK {
            for index in 0..self.chunks.len(chunk) {
                let timer = self.chunks.get(chunk, index);
                if timer.due >> self.tick_bits == self.tick {
                    self.firing.push(timer);
                } else {
                    self.wait(timer);
                }
            }
            chunk = self.chunks.free(chunk);
        }
        self.firing.sort_unstable_by(|a, b| b.cmp(a));
        Some(())
    }
}

/// The chunks of all slots.
#[derive(Debug)]
struct Chunks {
    chunks: Vec<Chunk>,
    /// The first chunk that no slot uses.
    free: u32,
}

/// Some timers of a slot, each attribute on its own so that no byte is padding.
#[derive(Debug, Clone)]
struct Chunk {
    dues: [u64; CHUNK],
    fired: [u64; CHUNK],
    numbers: [u32; CHUNK],
    len: u32,
    next: u32,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: NO_CHUNK,
        }
    }
}

impl Chunks {
    /// Adds a timer to the chain that starts at `first`.
    fn push(&mut self, first: &mut u32, timer: Timer) {
        if *first == NO_CHUNK || self.len(*first) == CHUNK {
            *first = self.allocate(*first);
        }
        let chunk = &mut self.chunks[*first as usize];
        let index = chunk.len as usize;
        chunk.dues[index] = timer.due;
        chunk.fired[index] = timer.fired;
        chunk.numbers[index] = timer.number;
        chunk.len += 1;
    }

    fn len(&self, chunk: u32) -> usize {
        self.chunks[chunk as usize].len as usize
    }

    fn get(&self, chunk: u32, index: usize) -> Timer {
        let chunk = &self.chunks[chunk as usize];
        Timer {
            due: chunk.dues[index],
            number: chunk.numbers[index],
            fired: chunk.fired[index],
        }
    }

    /// Gives a chunk back and returns the one that followed it.
    fn free(&mut self, chunk: u32) -> u32 {
        let state = &mut self.chunks[chunk as usize];
        let next = std::mem::replace(&mut state.next, self.free);
        self.free = chunk;
        next
    }

    fn allocate(&mut self, next: u32) -> u32 {
        if self.free == NO_CHUNK {
            let number = u32::try_from(self.chunks.len()).expect("2^32 chunks are 2 TiB");
            self.chunks.push(Chunk {
                dues: [0; CHUNK],
                fired: [0; CHUNK],
                numbers: [0; CHUNK],
                len: 0,
                next,
            });
            return number;
        }
        let number = self.free;
        let chunk = &mut self.chunks[number as usize];
        self.free = std::mem::replace(&mut chunk.next, next);
        chunk.len = 0;
        number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn timer(due: u64, number: u32) -> Timer {
        Timer {
            due,
            number,
            fired: u64::from(number) * 3,
        }
    }

    fn drain(wheel: &mut Wheel) -> Vec<Timer> {
        std::iter::from_fn(|| wheel.fire()).collect()
    }

    #[test]
    fn timers_fire_in_order_however_far_apart_they_are() {
        let far = 1 << 40;
        let dues = [
            0,
            u64::MAX,
            5,
            5,
            far,
            far + 1,
            1 << 63,
            4_095,
            4_096,
            1 << 24,
        ];
        for mean_distance in [0.0, 1.0, 1e3, 1e9, 1e30, f64::NAN] {
            let mut wheel = Wheel::new(mean_distance);
            let mut expected: Vec<_> = (0..).zip(dues).map(|(n, due)| timer(due, n)).collect();
            for &timer in &expected {
                wheel.arm(timer);
            }
            expected.sort_unstable();
            assert_eq!(drain(&mut wheel), expected);
            assert_eq!(wheel.fire(), None);
        }
    }

    #[test]
    fn a_million_timers_take_about_twenty_bytes_each() {
        let mut wheel = Wheel::new(1e3);
        for number in 0..1_000_000 {
            wheel.arm(timer(u64::from(number) * 1_000, number));
        }
        for _ in 0..3_000_000 {
            let fired = wheel.fire().expect("all timers are armed");
            wheel.arm(timer(fired.due + 1_000_000_000, fired.number));
        }
        let bytes = wheel.chunks.chunks.len() * size_of::<Chunk>();
        assert!(bytes < 26_000_000, "{bytes}");
        assert!(wheel.firing.capacity() < 1_000);
    }

    proptest! {
        #[test]
        fn the_wheel_agrees_with_a_sorted_set(
            first in prop::collection::vec(0_u64..1 << 30, 1..100),
            steps in prop::collection::vec((0_u64..1 << 22, 0_u32..44), 1..300),
            mean_distance in 0.0..1e6,
        ) {
            let mut wheel = Wheel::new(mean_distance);
            let mut model = BTreeSet::new();
            for (number, &due) in (0..).zip(&first) {
                wheel.arm(timer(due, number));
                model.insert(timer(due, number));
            }
            for (distance, shift) in steps {
                let expected = model.pop_first();
                let fired = wheel.fire();
                prop_assert_eq!(fired, expected);
                let Some(Timer { due, number, .. }) = fired else { break };
                let due = due + ((distance << (shift % 40)) >> (shift / 2));
                wheel.arm(timer(due, number));
                model.insert(timer(due, number));
            }
            prop_assert_eq!(drain(&mut wheel), model.into_iter().collect::<Vec<_>>());
        }
    }
}
