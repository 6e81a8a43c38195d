//! One timer of a wheel.

/// A timer armed for an instant. Timers fire in the order of (due, number).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// When it fires, in nanoseconds.
    pub due: u64,
    /// Number that identifies the timer.
    pub number: u32,
    /// How often it fired before; the wheel does not change it.
    pub fired: u64,
}
