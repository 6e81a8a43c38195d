//! Reasons to wait longer than the settle time: the consumer cannot store anything now, but will.
//!
//! A consumer that was killed leaves its partitions to nobody until its session times out, which takes
//! 45 s with the defaults of Java's client and librdkafka. The group rebalances meanwhile.

use std::fmt;
use std::time::Duration;

use crate::broker::{self, Connector, Offsets, Partitions, Remedy};
use crate::pipeline::external::group_name;

/// Longest time without a new document, in addition to the settle time.
pub const LONGEST_HOLD: Duration = Duration::from_secs(120);

/// Deadline of a look at the groups.
const DEADLINE: Duration = Duration::from_secs(3);

/// Groups that are looked at, if the one that convoy names has read nothing.
const MOST_GROUPS: usize = 16;

/// States of a group whose members do not read: those of the classic protocol and of KIP-848.
const REBALANCING: [&str; 4] = [
    "PreparingRebalance",
    "CompletingRebalance",
    "Assigning",
    "Reconciling",
];

/// The process of an external consumer.
pub trait ConsumerProcess: fmt::Debug + Send + Sync {
    /// Returns what is known of it now.
    fn state(&self) -> ProcessState;
}

/// What is known of a consumer's process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessState {
    /// Number of times that it was started.
    pub starts: u64,
    /// Whether it has not ended.
    pub running: bool,
    /// Whether a fault has stopped it for a while.
    pub paused: bool,
}

/// What a group said at one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen<'a> {
    state: &'a str,
    members: usize,
    uncommitted: bool,
}

/// Looks at the consumer's process and its group.
#[derive(Debug)]
pub struct Holding<'a> {
    connector: &'a Connector,
    run_id: &'a str,
    partitions: Partitions,
    /// Offset after the last record of each partition; empty if it is not known.
    ends: Offsets,
    process: Option<&'a dyn ConsumerProcess>,
    starts: u64,
    had_members: bool,
}

impl<'a> Holding<'a> {
    /// Looks at the groups that read these partitions.
    pub fn new(
        connector: &'a Connector,
        run_id: &'a str,
        ends: Offsets,
        process: Option<&'a dyn ConsumerProcess>,
    ) -> Self {
        let mut partitions = Partitions::new();
        for (topic, number) in ends.keys() {
            partitions.entry(topic.clone()).or_default().insert(*number);
        }
        Self {
            connector,
            run_id,
            partitions,
            ends,
            process,
            starts: process.map_or(0, |it| it.state().starts),
            had_members: false,
        }
    }

    /// Returns whether the consumer cannot read at the moment, but is about to.
    pub async fn holds(&mut self) -> bool {
        let process = self.process.map(ConsumerProcess::state);
        let process = process.unwrap_or_default();
        let restarted = std::mem::replace(&mut self.starts, process.starts) != process.starts;
        if restarted || process.paused {
            return true;
        }
        if self.ends.is_empty() {
            return false;
        }
        let looked = tokio::time::timeout(DEADLINE, self.look(process.running)).await;
        match looked {
            Ok(Ok(held)) => held,
            // No consumer can read from a broker that does not respond.
            Ok(Err(error)) => error.remedy() == Remedy::Retry,
            Err(_elapsed) => true,
        }
    }

    async fn look(&mut self, running: bool) -> Result<bool, broker::Error> {
        let own = group_name(self.run_id);
        if let Some(held) = self.look_at(&own, running).await? {
            return Ok(held);
        }
        let others = self.connector.group_names().await?;
        for other in others.iter().take(MOST_GROUPS) {
            if self.look_at(other, running).await? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at one group; `None` if it has committed nothing, unless convoy has named it.
    async fn look_at(&mut self, group: &str, running: bool) -> Result<Option<bool>, broker::Error> {
        let mut coordinator = self.connector.coordinator(group, "convoy-settle");
        let committed = coordinator.committed(&self.partitions).await?;
        let described = coordinator.describe().await?;
        let known = !committed.is_empty();
        if !known && (described.members.is_empty() || group != group_name(self.run_id)) {
            return Ok(None);
        }
        let behind = |(partition, end): (&(String, i32), &i64)| {
            committed.get(partition).map_or(0, |it| it.offset) < *end
        };
        let seen = Seen {
            state: &described.state,
            members: described.members.len(),
            uncommitted: self.ends.iter().any(behind),
        };
        let held = seen.holds(self.had_members && running);
        self.had_members |= seen.members > 0;
        Ok(Some(held))
    }
}

impl Seen<'_> {
    /// Returns whether the group's members cannot read now. `comes_back`: it had members, and the
    /// command still runs.
    fn holds(self, comes_back: bool) -> bool {
        let idle = REBALANCING.contains(&self.state) || self.members == 0 && comes_back;
        self.uncommitted && idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_that_rebalances_with_records_to_read_holds() {
        let seen = |state, members, uncommitted| Seen {
            state,
            members,
            uncommitted,
        };
        for (seen, comes_back, expected) in [
            (seen("PreparingRebalance", 2, true), false, true),
            (seen("CompletingRebalance", 1, true), false, true),
            (seen("Assigning", 1, true), false, true),
            (seen("PreparingRebalance", 2, false), true, false),
            (seen("Stable", 1, true), true, false),
            (seen("Empty", 0, true), true, true),
            (seen("Empty", 0, true), false, false),
            (seen("Empty", 0, false), true, false),
            (seen("Dead", 0, true), false, false),
        ] {
            assert_eq!(seen.holds(comes_back), expected, "{seen:?} {comes_back}");
        }
    }
}
