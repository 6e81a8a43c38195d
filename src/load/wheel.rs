//! A hierarchical timer wheel: which timer fires next, for a million timers.
//!
//! Time is cut into ticks. Level 0 has a slot for each of the next 4,096 ticks, level 1 one for
//! each of the next 4,096 × 4,096, and so on; a timer waits in the lowest level that reaches far
//! enough, and moves down when time comes to its slot. Timers of one slot form a linked list
//! through the timers themselves, so that a timer takes 24 bytes wherever it waits. The timers of
//! one tick are sorted when it comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

const LEVEL_BITS: u32 = 12;
const SLOTS: usize = 1 << LEVEL_BITS;
const SLOT_MASK: u64 = SLOTS as u64 - 1;

/// End of a list of timers.
const NONE: u32 = u32::MAX;

/// Timers that share a tick on average: sorting a few at once is cheaper than a slot for each.
const TIMERS_PER_TICK: f64 = 16.0;

/// The longest tick, 2^40 ns or 18 minutes.
const MAX_TICK_BITS: u32 = 40;

/// A fixed set of timers, each armed for one instant at a time.
#[derive(Debug)]
pub struct Wheel {
    timers: Vec<Timer>,
    levels: Vec<Level>,
    tick_bits: u32,
    /// The tick whose timers are firing.
    tick: u64,
    /// Timers of that tick, latest first.
    firing: Vec<(u64, u32)>,
    /// Timers armed for that tick while it was firing.
    late: BinaryHeap<Reverse<(u64, u32)>>,
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    due: u64,
    fired: u64,
    next: u32,
}

/// A timer whose instant is the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    /// Which one.
    pub timer: u32,
    /// What it was armed for, in nanoseconds.
    pub at: u64,
    /// How often it had fired before.
    pub before: u64,
}

impl Wheel {
    /// Makes timers `0..timers`, none of them armed.
    ///
    /// `mean_distance` is about how many nanoseconds lie between two firings of any timer; a wrong
    /// guess costs time, not order.
    pub fn new(timers: u32, mean_distance: f64) -> Self {
        assert!(timers < NONE, "the largest number marks the end of a list");
        let tick_bits = (mean_distance * TIMERS_PER_TICK).max(1.0).log2();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the logarithm is between 0 and the largest exponent of an f64"
        )]
        let tick_bits = (tick_bits as u32).min(MAX_TICK_BITS);
        let levels = (u64::BITS - tick_bits).div_ceil(LEVEL_BITS);
        let timer = Timer {
            due: 0,
            fired: 0,
            next: NONE,
        };
        Self {
            timers: vec![timer; timers as usize],
            levels: (0..levels).map(|_| Level::new()).collect(),
            tick_bits,
            tick: 0,
            firing: Vec::new(),
            late: BinaryHeap::new(),
        }
    }

    /// Arms a timer that is not armed, for an instant not before the one that fired last.
    pub fn arm(&mut self, timer: u32, due: u64) {
        self.timers[timer as usize].due = due;
        if due >> self.tick_bits <= self.tick {
            self.late.push(Reverse((due, timer)));
        } else {
            self.wait(timer, due);
        }
    }

    /// Fires the armed timer with the least (instant, number); none if no timer is armed.
    pub fn fire(&mut self) -> Option<Fired> {
        while self.firing.is_empty() && self.late.is_empty() {
            self.advance()?;
        }
        let late = self.late.peek().map(|&Reverse(late)| late);
        let late_first = match (late, self.firing.last()) {
            (Some(late), Some(&firing)) => late < firing,
            (late, _) => late.is_some(),
        };
        let (at, timer) = if late_first {
            self.late.pop().map(|Reverse(late)| late)?
        } else {
            self.firing.pop()?
        };
        let state = &mut self.timers[timer as usize];
        let before = state.fired;
        state.fired += 1;
        Some(Fired { timer, at, before })
    }

    /// Puts a timer of a later tick into the slot where it waits.
    fn wait(&mut self, timer: u32, due: u64) {
        let tick = due >> self.tick_bits;
        // The highest group of bits in which the ticks differ.
        let level = (u64::BITS - 1 - (tick ^ self.tick).leading_zeros()) / LEVEL_BITS;
        let slot = slot_of(tick, level);
        let level = &mut self.levels[level as usize];
        self.timers[timer as usize].next = level.heads[slot];
        level.heads[slot] = timer;
        level.occupied.insert(slot);
    }

    /// Moves to the next occupied slot; none if no timer waits.
    fn advance(&mut self) -> Option<()> {
        let (level, slot) = (0_u32..).zip(&self.levels).find_map(|(level, slots)| {
            let from = slot_of(self.tick, level) + 1;
            Some((level, slots.occupied.first_from(from)?))
        })?;
        let shift = level * LEVEL_BITS;
        let above = self.tick.checked_shr(shift + LEVEL_BITS).unwrap_or(0);
        let above = above.checked_shl(shift + LEVEL_BITS).unwrap_or(0);
        self.tick = above | (slot as u64) << shift;
        let mut timer = self.levels[level as usize].take(slot);
        while timer != NONE {
            let Timer { due, next, .. } = self.timers[timer as usize];
            if due >> self.tick_bits == self.tick {
                self.firing.push((due, timer));
            } else {
                self.wait(timer, due);
            }
            timer = next;
        }
        self.firing.sort_unstable_by(|a, b| b.cmp(a));
        Some(())
    }
}

fn slot_of(tick: u64, level: u32) -> usize {
    let slot = tick >> (level * LEVEL_BITS) & SLOT_MASK;
    usize::try_from(slot).expect("a slot has 12 bits")
}

#[derive(Debug)]
struct Level {
    heads: Vec<u32>,
    occupied: Occupied,
}

impl Level {
    fn new() -> Self {
        Self {
            heads: vec![NONE; SLOTS],
            occupied: Occupied::default(),
        }
    }

    /// Empties a slot and returns its first timer.
    fn take(&mut self, slot: usize) -> u32 {
        self.occupied.remove(slot);
        std::mem::replace(&mut self.heads[slot], NONE)
    }
}

/// A set of slots that finds the next one in a few instructions: a bit per slot, and a bit per word
/// of those bits.
#[derive(Debug, Clone)]
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

    /// Returns the first member that is not below `slot`.
    fn first_from(&self, slot: usize) -> Option<usize> {
        let word = slot / 64;
        let here = self.words.get(word)? & (u64::MAX << (slot % 64));
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        let later = self.summary & u64::MAX.checked_shl(u32::try_from(word).ok()? + 1)?;
        let word = later.trailing_zeros() as usize;
        let here = self.words.get(word)?;
        Some(word * 64 + here.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn drain(wheel: &mut Wheel) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| wheel.fire().map(|fired| (fired.at, fired.timer))).collect()
    }

    #[test]
    fn timers_fire_in_order_however_far_apart_they_are() {
        let dues = [
            0,
            u64::MAX,
            5,
            5,
            1 << 40,
            (1 << 40) + 1,
            1 << 63,
            4_095,
            4_096,
            1 << 24,
        ];
        for mean_distance in [0.0, 1.0, 1e3, 1e9, 1e30, f64::NAN] {
            let mut wheel = Wheel::new(10, mean_distance);
            let mut expected = Vec::new();
            for (timer, due) in (0..).zip(dues) {
                wheel.arm(timer, due);
                expected.push((due, timer));
            }
            expected.sort_unstable();
            assert_eq!(drain(&mut wheel), expected);
            assert_eq!(wheel.fire(), None);
        }
    }

    #[test]
    fn a_timer_takes_24_bytes_and_16_more_while_its_tick_fires() {
        assert_eq!(size_of::<Timer>(), 24);
        assert_eq!(size_of::<(u64, u32)>(), 16);
    }

    #[test]
    fn the_number_of_firings_is_counted_per_timer() {
        let mut wheel = Wheel::new(2, 10.0);
        wheel.arm(0, 3);
        wheel.arm(1, 50);
        for before in 0..10 {
            let fired = wheel.fire().expect("a timer is armed");
            assert_eq!((fired.timer, fired.before), (0, before));
            wheel.arm(0, fired.at + 1);
        }
        assert_eq!(drain(&mut wheel), [(13, 0), (50, 1)]);
    }

    proptest! {
        #[test]
        fn the_wheel_agrees_with_a_sorted_set(
            first in prop::collection::vec(0_u64..1 << 30, 1..40),
            steps in prop::collection::vec((0_u64..1 << 22, 0_u32..44), 1..300),
            mean_distance in 0.0..1e6,
        ) {
            let mut wheel = Wheel::new(u32::try_from(first.len()).expect("few"), mean_distance);
            let mut model = BTreeSet::new();
            for (timer, &due) in (0..).zip(&first) {
                wheel.arm(timer, due);
                model.insert((due, timer));
            }
            for (distance, shift) in steps {
                let expected = model.pop_first();
                let fired = wheel.fire().map(|fired| (fired.at, fired.timer));
                prop_assert_eq!(fired, expected);
                let Some((at, timer)) = fired else { break };
                // A shift beyond the distance's own bits makes the timer fire at once again.
                let due = at + (distance << (shift % 40) >> (shift / 2));
                wheel.arm(timer, due);
                model.insert((due, timer));
            }
            prop_assert_eq!(drain(&mut wheel), model.into_iter().collect::<Vec<_>>());
        }
    }
}
