//! A hierarchical timer wheel.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::load::wheel::chunks::{Chunks, NO_CHUNK};
use crate::load::wheel::level::{LEVEL_BITS, Level, slot_of};
use crate::load::wheel::timer::Timer;

/// Timers that share a tick on average: sorting a few at once is cheaper than a slot for each.
const TIMERS_PER_TICK: f64 = 16.0;

/// The longest tick, 2^40 ns or 18 minutes.
const MAX_TICK_BITS: u32 = 40;

/// Timers, each armed for at most one instant.
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

impl Wheel {
    /// Makes a wheel without an armed timer.
    ///
    /// `mean_distance` is the mean number of nanoseconds between two firings of any timers; a wrong
    /// estimate costs time, not order.
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

    /// Fires the armed timer with the least (due, number); `None` if no timer is armed.
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

    /// Moves to the next occupied slot; `None` if no timer waits.
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
    fn timers_fire_in_order_at_any_distance() {
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
    fn a_timer_takes_about_twenty_bytes() {
        let mut wheel = Wheel::new(1e3);
        for number in 0..1_000_000 {
            wheel.arm(timer(u64::from(number) * 1_000, number));
        }
        for _ in 0..3_000_000 {
            let fired = wheel.fire().expect("all timers are armed");
            wheel.arm(timer(fired.due + 1_000_000_000, fired.number));
        }
        let bytes = wheel.chunks.bytes();
        assert!(bytes < 26_000_000, "{bytes}");
        assert!(wheel.firing.capacity() < 1_000);
    }

    proptest! {
        #[test]
        fn wheel_agrees_with_a_sorted_set(
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
