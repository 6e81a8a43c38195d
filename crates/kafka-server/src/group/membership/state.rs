//! The state of a group.

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has no members, perhaps offsets.
    Empty,
    /// It waits for members to join, until a deadline.
    Preparing {
        /// When it goes on without those who have not joined.
        deadline: u64,
        /// Whether it waits for first members, and so for the whole time.
        initial: bool,
    },
    /// It waits for its leader's assignment, until a deadline.
    Completing {
        /// When those who have not asked for their assignment are given up.
        deadline: u64,
    },
    /// Its members work.
    Stable,
}
