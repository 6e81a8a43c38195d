//! The task that keeps this process in its Kafka consumer group: joins, sends heartbeats, commits the
//! positions of checkpoints, joins again when the group rebalances, and leaves.
//!
//! ```text
//!  ┌▶ join ──▶ assignment ─▶ [session gives up what it no longer has] ─▶ Released
//!  │                          heartbeats, commits                           │
//!  └──── a partition was given up, or the group rebalances ◀────────────────┘
//! ```
//!
//! A partition that moves to another member is assigned to nobody at first. This member stores its
//! last records, commits, and joins again, and only then another one gets the partition.
//!
//! A member that the coordinator no longer knows gives up everything and joins as a new one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Interval, MissedTickBehavior};

use crate::broker::{self, Committed, GroupMember, GroupStep, Joined, Offsets, Remedy};
use crate::cause::{Trouble, chain};
use crate::measure::nanos;
use crate::pipeline::context::Context;
use crate::pipeline::group::handle::{Command, Confirmed, Handle, Standing};
use crate::pipeline::group::names::{names, number, numbers};
use crate::pipeline::group::participation::Timing;
use crate::pipeline::lag::PartitionProgress;
use crate::pipeline::machine::Attempts;
use crate::pipeline::outage::{Failing, Outage};
use crate::pipeline::topic_partition::TopicPartition;

/// How often offsets are committed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// How long a member waits for the others to join. Those of other programs may take five minutes.
const JOIN_TIMEOUT: Duration = Duration::from_secs(6 * 60);

/// How often the leader looks whether topics have other partitions, and how often while one does not
/// exist: a new topic is not known to all brokers at once.
const METADATA_INTERVAL: Duration = Duration::from_secs(30);
const MISSING_TOPIC_INTERVAL: Duration = Duration::from_secs(1);

/// How long a broker may refuse to coordinate a group without a warning: for its first group it creates
/// a topic.
const COORDINATOR_GRACE: Duration = Duration::from_secs(5);

/// Pause before the group is joined again after another rebalance, and before the last offsets are
/// committed again.
const REJOIN_PAUSE: Duration = Duration::from_millis(50);

/// How often the last offsets are committed again after a failure.
const LAST_COMMITS: usize = 3;

/// The task.
#[derive(Debug)]
pub struct Membership {
    context: Arc<Context>,
    member: GroupMember,
    timing: Timing,
    commands: mpsc::Receiver<Command>,
    standing: watch::Sender<Standing>,
    /// Progress of each partition, and the offset that was committed last.
    tracked: BTreeMap<TopicPartition, (Arc<PartitionProgress>, Option<i64>)>,
    unconfirmed: Vec<(TopicPartition, oneshot::Sender<Confirmed>)>,
    /// Number of the last assignment that the session has followed.
    released: u64,
    /// Whether the last assignment lacks partitions that the one before had.
    revokes: bool,
    /// Requests to the coordinator that fail, and when the first of them did.
    outage: Option<Failing>,
    failing_since: Option<u64>,
}

/// How a member goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Stay,
    Rejoin,
    /// Give up everything first.
    Lost,
    Leave,
}

impl Membership {
    /// Returns the task of a member, which is to be run, with what controls and shows it.
    pub fn new(
        context: Arc<Context>,
        member: GroupMember,
        timing: Timing,
    ) -> (Self, Handle, watch::Receiver<Standing>) {
        let (handle, commands) = Handle::new();
        let (standing, shown) = watch::channel(Standing::default());
        let task = Self {
            context,
            member,
            timing,
            commands,
            standing,
            tracked: BTreeMap::new(),
            unconfirmed: Vec::new(),
            released: 0,
            revokes: false,
            outage: None,
            failing_since: None,
        };
        (task, handle, shown)
    }

    /// Stays in the group until the session leaves it, or until the coordinator does not take this
    /// member or has not responded for too long.
    pub async fn run(mut self) -> Result<(), broker::Error> {
        loop {
            let mut next = self.join().await?;
            if next == Next::Stay {
                next = self.stay().await?;
            }
            match next {
                Next::Leave => return self.leave().await,
                Next::Lost if self.lose().await == Next::Leave => return self.leave().await,
                Next::Lost | Next::Stay | Next::Rejoin => {}
            }
        }
    }

    /// Joins the group with what is still assigned, and shows the new assignment.
    async fn join(&mut self) -> Result<Next, broker::Error> {
        let timeout = self.context.settings.timeouts.broker;
        let mut attempts = Attempts::new(timeout);
        let mut waits = Attempts::new(JOIN_TIMEOUT.max(timeout));
        self.standing
            .send_modify(|standing| standing.stable = false);
        let owned = names(&self.context, &self.standing.borrow().assigned);
        loop {
            let joined = {
                let joining = self.member.join(&owned);
                tokio::pin!(joining);
                loop {
                    tokio::select! {
                        joined = &mut joining => break joined,
                        command = self.commands.recv() => match command {
                            Some(Command::Confirm(partition, reply)) => {
                                self.unconfirmed.push((partition, reply));
                            }
                            Some(Command::Track(partition, progress)) => {
                                self.tracked.insert(partition, (progress, None));
                            }
                            Some(Command::Released(number)) => self.released = number,
                            Some(Command::Committed(..)) => {}
                            Some(Command::Leave) | None => return Ok(Next::Leave),
                        },
                    }
                }
            };
            let error = match joined {
                Ok(joined) => {
                    self.answered();
                    self.show(joined);
                    return Ok(Next::Stay);
                }
                Err(error) => error,
            };
            match error.remedy() {
                Remedy::GiveUp => return Err(error),
                Remedy::Lost if !owned.is_empty() => return Ok(Next::Lost),
                Remedy::Rejoin => tokio::time::sleep(REJOIN_PAUSE).await,
                Remedy::Lost | Remedy::Retry => {
                    self.failed(&error);
                    let attempts = if waits_for_members(&error) {
                        &mut waits
                    } else {
                        &mut attempts
                    };
                    match attempts.failed(self.context.clock.now()) {
                        Some(pause) => tokio::time::sleep(pause).await,
                        None => return Err(error),
                    }
                }
            }
        }
    }

    /// Shows an assignment to the session.
    fn show(&mut self, joined: Joined) {
        let Joined {
            generation,
            assigned,
            alone,
        } = joined;
        let assigned = numbers(&self.context, &assigned);
        self.revokes = !self.standing.borrow().assigned.is_subset(&assigned);
        tracing::info!(
            generation,
            partitions = assigned.len(),
            alone,
            "joined the group"
        );
        self.standing.send_modify(|standing| {
            *standing = Standing {
                number: standing.number + 1,
                generation,
                assigned,
                alone,
                stable: true,
            };
        });
    }

    /// Waits until the session has given up everything: the group goes on without this member.
    async fn lose(&mut self) -> Next {
        tracing::warn!(
            "lost the membership of the group: giving up all partitions and joining again"
        );
        // Positions of another generation are not committed; the checkpoints have them.
        self.tracked.clear();
        self.standing.send_modify(|standing| {
            standing.number += 1;
            standing.assigned.clear();
            standing.stable = false;
        });
        let number = self.standing.borrow().number;
        while self.released != number {
            match self.commands.recv().await {
                Some(Command::Released(number)) => self.released = number,
                // Without an answer, a claim fails.
                Some(Command::Confirm(..) | Command::Track(..) | Command::Committed(..)) => {}
                Some(Command::Leave) | None => return Next::Leave,
            }
        }
        Next::Rejoin
    }

    /// Sends heartbeats and commits until the group must be joined again. Partitions that this member
    /// no longer has are given up and committed before that.
    async fn stay(&mut self) -> Result<Next, broker::Error> {
        let standing = self.standing.borrow().clone();
        let mut next = if self.revokes {
            Next::Rejoin
        } else {
            Next::Stay
        };
        let mut heartbeats = interval(self.timing.heartbeat);
        let mut commits = interval(COMMIT_INTERVAL);
        let look = if self.member.lacks_topic() {
            MISSING_TOPIC_INTERVAL
        } else {
            METADATA_INTERVAL
        };
        let mut looks = interval(look);
        looks.reset();
        loop {
            let step = tokio::select! {
                _due = heartbeats.tick() => self.beat().await?,
                _due = commits.tick() => self.commit().await?,
                _due = looks.tick() => self.look().await?,
                command = self.commands.recv() => match command {
                    Some(command) => self.perform(command).await?,
                    None => Next::Leave,
                },
            };
            match step {
                Next::Stay => {}
                Next::Rejoin => next = Next::Rejoin,
                Next::Lost | Next::Leave => return Ok(step),
            }
            if next == Next::Rejoin && self.released == standing.number {
                let committed = self.commit().await?;
                if committed == Next::Stay && !self.uncommitted().is_empty() {
                    continue;
                }
                self.tracked
                    .retain(|partition, _| standing.assigned.contains(partition));
                return Ok(Next::Rejoin.or(committed));
            }
        }
    }

    async fn perform(&mut self, command: Command) -> Result<Next, broker::Error> {
        match command {
            Command::Confirm(partition, reply) => {
                self.unconfirmed.push((partition, reply));
                // Claims of an assignment come together.
                let mut next = Next::Stay;
                while let Ok(command) = self.commands.try_recv() {
                    match command {
                        Command::Confirm(partition, reply) => {
                            self.unconfirmed.push((partition, reply));
                        }
                        other => next = next.or(Box::pin(self.perform(other)).await?),
                    }
                }
                Ok(next.or(self.beat().await?))
            }
            Command::Track(partition, progress) => {
                self.tracked.insert(partition, (progress, None));
                Ok(Next::Stay)
            }
            Command::Released(number) => {
                self.released = number;
                Ok(Next::Stay)
            }
            Command::Committed(partitions, reply) => {
                let wanted = names(&self.context, &partitions);
                let committed = self.member.committed(&wanted).await;
                match committed {
                    Ok(committed) => {
                        let offset = |((topic, index), committed): ((String, i32), Committed)| {
                            Some((number(&self.context, &topic, index)?, committed.offset))
                        };
                        let _gone = reply.send(committed.into_iter().filter_map(offset).collect());
                        Ok(Next::Stay)
                    }
                    Err(error) => self.react(error),
                }
            }
            Command::Leave => Ok(Next::Leave),
        }
    }

    /// Sends a heartbeat, and confirms the membership to all claims that wait for it.
    async fn beat(&mut self) -> Result<Next, broker::Error> {
        let waiting = std::mem::take(&mut self.unconfirmed);
        let next = match self.member.heartbeat().await {
            Ok(()) => {
                self.answered();
                Next::Stay
            }
            // Until the members have joined again, the generation is still the current one.
            Err(error) if error.remedy() == Remedy::Rejoin => Next::Rejoin,
            Err(error) => return self.react(error),
        };
        if waiting.is_empty() {
            return Ok(next);
        }
        let partitions = waiting.iter().map(|(partition, _reply)| *partition);
        let wanted = names(&self.context, &partitions.collect());
        let mut committed = match self.member.committed(&wanted).await {
            Ok(committed) => committed,
            Err(error) => return Ok(next.or(self.react(error)?)),
        };
        let standing = self.standing.borrow();
        for (partition, reply) in waiting {
            if standing.assigned.contains(&partition) {
                let topic = self.context.topic(partition).to_owned();
                let _gone = reply.send(Confirmed {
                    generation: standing.generation,
                    committed: committed.remove(&(topic, partition.number)),
                });
            }
        }
        Ok(next)
    }

    /// Looks whether topics have other partitions than this member has assigned as the leader.
    async fn look(&mut self) -> Result<Next, broker::Error> {
        match self.member.has_other_partitions().await {
            Ok(true) => Ok(Next::Rejoin),
            Ok(false) => Ok(Next::Stay),
            Err(error) => self.react(error),
        }
    }

    /// Returns the positions that are not committed.
    fn uncommitted(&self) -> Vec<(TopicPartition, i64)> {
        let tracked = self.tracked.iter();
        let moved = tracked.filter_map(|(partition, (progress, committed))| {
            let position = progress.position();
            (*committed != Some(position)).then_some((*partition, position))
        });
        moved.collect()
    }

    /// Commits the positions that have moved.
    async fn commit(&mut self) -> Result<Next, broker::Error> {
        let moved = self.uncommitted();
        if moved.is_empty() {
            return Ok(Next::Stay);
        }
        let named = |(partition, position): &(TopicPartition, i64)| {
            let topic = self.context.topic(*partition).to_owned();
            ((topic, partition.number), *position)
        };
        let offsets: Offsets = moved.iter().map(named).collect();
        if let Err(error) = self.member.commit(&offsets).await {
            return self.react(error);
        }
        self.answered();
        for (partition, position) in moved {
            if let Some((_progress, committed)) = self.tracked.get_mut(&partition) {
                *committed = Some(position);
            }
        }
        Ok(Next::Stay)
    }

    /// Commits the last positions and leaves.
    async fn leave(mut self) -> Result<(), broker::Error> {
        let mut committed = self.commit().await;
        for _ in 0..LAST_COMMITS {
            let again = matches!(committed, Ok(Next::Stay | Next::Rejoin));
            if !again || self.uncommitted().is_empty() {
                break;
            }
            tokio::time::sleep(REJOIN_PAUSE).await;
            committed = self.commit().await;
        }
        if let Err(error) = self.member.leave().await {
            tracing::warn!(
                error = chain(&error),
                "failed to leave the group; it evicts this member after the session timeout"
            );
        }
        committed.map(|_next| ())
    }

    /// Returns how to go on after an error; the error itself if there is no way on.
    fn react(&mut self, error: broker::Error) -> Result<Next, broker::Error> {
        match error.remedy() {
            Remedy::Rejoin => Ok(Next::Rejoin),
            Remedy::Lost => Ok(Next::Lost),
            Remedy::GiveUp => Err(error),
            Remedy::Retry => {
                let since = self.failed(&error);
                let failing = self.context.clock.now().saturating_sub(since);
                if Duration::from_nanos(failing) > self.context.settings.timeouts.broker {
                    return Err(error);
                }
                Ok(Next::Stay)
            }
        }
    }

    /// Records that a request failed; returns when the first one did.
    fn failed(&mut self, error: &broker::Error) -> u64 {
        let (now, cause) = (self.context.clock.now(), chain(error));
        tracing::debug!(error = cause, "retrying a request to the coordinator");
        let since = *self.failing_since.get_or_insert(now);
        if error.code().is_none() || now.saturating_sub(since) > nanos(COORDINATOR_GRACE) {
            let outage = &self.context.broker_outage;
            outage.failed(&mut self.outage, now, &cause);
        }
        since
    }

    fn answered(&mut self) {
        Outage::end(&mut self.outage, self.context.clock.now());
        self.failing_since = None;
    }
}

impl Next {
    /// Returns the more urgent of two.
    fn or(self, other: Self) -> Self {
        let urgency = |next| match next {
            Self::Stay => 0,
            Self::Rejoin => 1,
            Self::Lost => 2,
            Self::Leave => 3,
        };
        if urgency(other) > urgency(self) {
            other
        } else {
            self
        }
    }
}

/// Returns whether the coordinator did not respond because other members have not joined.
fn waits_for_members(error: &broker::Error) -> bool {
    let broker::Error::Group { step, source, .. } = error else {
        return false;
    };
    matches!(step, GroupStep::Join | GroupStep::Sync) && source.trouble() == Some(Trouble::Silent)
}

fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
