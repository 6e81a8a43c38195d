//! Positions in the log.

/// The end of the log after a write, for [`Log::sync`](crate::engine::log::Log::sync) to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position(pub(super) u64);
