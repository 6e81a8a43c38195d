//! The state of a group.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No members; there may be offsets.
    Empty,
    /// Waiting for members to join.
    Preparing {
        /// When the rebalance continues without members that have not joined.
        deadline: u64,
        /// Whether the group is new, and so waits for the whole delay.
        initial: bool,
    },
    /// Waiting for the leader's assignment.
    Completing {
        /// When members that have not requested their assignment are evicted.
        deadline: u64,
    },
    /// All members have their assignments.
    Stable,
}
