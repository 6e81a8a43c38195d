//! How a process takes part in its group.

use std::time::Duration;

use crate::broker::Isolation;
use crate::string_enum::string_enum;

string_enum! {
    /// Where a group starts to read.
    Start {
        /// At its checkpoints, or at the earliest record without one. Offsets that another program
        /// committed precede the checkpoints.
        Checkpoint = "checkpoint",
        /// At the earliest record of the log.
        Earliest = "earliest",
        /// After the latest record of the log.
        Latest = "latest",
    }
}

/// Heartbeats and timeouts of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Interval between two heartbeats.
    pub heartbeat: Duration,
    /// A member without a heartbeat for this long is evicted from the group.
    pub session_timeout: Duration,
    /// Time within which the members must give up partitions and join again when the group
    /// rebalances. A member that does not is evicted.
    pub rebalance_timeout: Duration,
}

impl Default for Timing {
    /// The session timeout is the lowest that Kafka allows by default.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            session_timeout: Duration::from_secs(6),
            rebalance_timeout: Duration::from_secs(30),
        }
    }
}

/// What ends a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Length {
    /// It ends after this time.
    pub duration: Option<Duration>,
    /// It ends after this process has stored this many records.
    pub records: Option<u64>,
    /// It ends after receiving nothing for this long, once every record is stored and no partition is
    /// about to be taken over.
    pub idle: Option<Duration>,
}

/// How a process takes part in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participation {
    /// Where the group starts to read.
    pub start: Start,
    /// Which records of transactions it reads.
    pub isolation: Isolation,
    /// Heartbeats and timeouts.
    pub timing: Timing,
    /// Id of a static member, which keeps its partitions while it restarts.
    pub instance: Option<String>,
    /// What ends the session.
    pub length: Length,
    /// Whether dead letters are retried first.
    pub replay_dead_letters: bool,
}
