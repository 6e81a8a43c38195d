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

mod chunks;
mod level;
mod timer;
mod timer_wheel;

pub use timer::Timer;
pub use timer_wheel::Wheel;
