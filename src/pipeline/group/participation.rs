//! How a process takes part in its group.

use std::time::Duration;

use crate::broker::Isolation;
use crate::pipeline::group::membership::Timing;
use crate::string_enum::string_enum;

string_enum! {
    /// Where a group starts to read.
    Start {
        /// At its checkpoints, or at the earliest record without one.
        Checkpoint = "checkpoint",
        /// At the earliest record of the log.
        Earliest = "earliest",
        /// After the latest record of the log.
        Latest = "latest",
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Participation {
    /// Where the group starts to read.
    pub start: Start,
    /// Which records of transactions it reads.
    pub isolation: Isolation,
    /// Heartbeats and timeouts of members.
    pub timing: Timing,
    /// What ends the session.
    pub length: Length,
    /// Whether dead letters are retried first.
    pub replay_dead_letters: bool,
}
