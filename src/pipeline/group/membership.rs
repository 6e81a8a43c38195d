//! Decides which member owns which partition, pure.
//!
//! Each member repeatedly reads the heartbeats of all members and the leases of all partitions from
//! the store, and decides what to claim and what to give up:
//!
//! ```text
//!  heartbeats ─▶ live members ─▶ assignment: i-th partition ↦ (i mod n)-th live member
//!                                    │
//!  leases ───────────────────────────┴▶ claim own free partitions · give up those of others
//! ```
//!
//! A member is dead if its heartbeat has not changed for a while on the observer's own clock, so the
//! clocks of hosts need not agree. Views of members may differ for a moment. The epoch keeps two
//! owners from harming each other: a claim raises it with a conditional write, so each epoch has one
//! owner, and a checkpoint with an older epoch changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::nanos;
use crate::pipeline::topic_partition::TopicPartition;

/// Heartbeats and timeouts of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Interval between two heartbeats of a member, and between two reads of the group.
    pub heartbeat: Duration,
    /// A member without a heartbeat for this long is dead.
    pub dead_after: Duration,
    /// A live member that does not give up a partition within this time loses it.
    pub give_up_timeout: Duration,
}

impl Default for Timing {
    /// Partitions of a dead owner have a new one within `dead_after` and two heartbeats.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            dead_after: Duration::from_secs(6),
            give_up_timeout: Duration::from_secs(30),
        }
    }
}

/// The lease of one partition in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Each claim raises it.
    pub epoch: i64,
    /// Name of the owner; `None` if the partition is free.
    pub owner: Option<String>,
}

/// The group as a member reads it from the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Last heartbeat of each member.
    pub members: BTreeMap<String, i64>,
    /// Leases by partition.
    pub leases: BTreeMap<TopicPartition, Lease>,
}

/// What a member must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Claim a partition whose lease has this epoch; 0 without a lease.
    Claim(TopicPartition, i64),
    /// Store the records read so far, write the checkpoint and free the lease.
    GiveUp(TopicPartition),
    /// Stop at once: another member has the lease.
    Drop(TopicPartition),
    /// Free a lease that this member has but does not use.
    Free(TopicPartition, i64),
    /// Remove a dead member, unless its heartbeat changes first.
    Evict(String, i64),
}

/// State of a partition in this member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// A claim is in flight.
    Claiming,
    /// The member reads it under an epoch.
    Owning(i64),
    /// The member stores the last records and reads no more.
    Leaving,
}

/// The last heartbeat of a member, and when it changed on the observer's clock.
#[derive(Debug, Clone, Copy)]
struct Heartbeat {
    number: i64,
    changed: u64,
}

/// One member's state of its group.
#[derive(Debug)]
pub struct Membership {
    name: String,
    timing: Timing,
    partitions: Vec<TopicPartition>,
    heartbeats: BTreeMap<String, Heartbeat>,
    holdings: BTreeMap<TopicPartition, Holding>,
    /// Partitions that a live member must still give up: epoch, and since when.
    awaited: BTreeMap<TopicPartition, (i64, u64)>,
    /// Whether every partition had its assigned owner at the last read.
    in_place: bool,
}

impl Membership {
    /// Joins a group that shares these partitions.
    pub fn new(name: String, timing: Timing, partitions: Vec<TopicPartition>) -> Self {
        Self {
            name,
            timing,
            partitions,
            heartbeats: BTreeMap::new(),
            holdings: BTreeMap::new(),
            awaited: BTreeMap::new(),
            in_place: false,
        }
    }

    /// Decides what to do about a view read at `now`, nanoseconds on this process's clock.
    pub fn observe(&mut self, now: u64, view: &View) -> Vec<Action> {
        let mut actions = self.observe_members(now, view);
        let live = self.live_members(now);
        self.in_place = true;
        for index in 0..self.partitions.len() {
            let partition = self.partitions[index];
            let assigned = live[index % live.len()] == self.name;
            let lease = view.leases.get(&partition);
            let owner = lease.and_then(|lease| lease.owner.as_deref());
            self.in_place &= owner == Some(live[index % live.len()].as_str());
            match self.holdings.get(&partition) {
                Some(Holding::Owning(epoch)) => {
                    let ours = lease.is_some_and(|lease| {
                        lease.epoch == *epoch && lease.owner.as_ref() == Some(&self.name)
                    });
                    if !ours || !assigned {
                        self.holdings.insert(partition, Holding::Leaving);
                        actions.push(if ours {
                            Action::GiveUp(partition)
                        } else {
                            Action::Drop(partition)
                        });
                    }
                }
                Some(Holding::Claiming | Holding::Leaving) => {}
                None if assigned => actions.extend(self.claim(now, partition, lease, &live)),
                None => {
                    self.awaited.remove(&partition);
                    // A claim with a lost response, or a lease that could not be freed.
                    let left = lease.filter(|_| owner == Some(&self.name));
                    actions.extend(left.map(|lease| Action::Free(partition, lease.epoch)));
                }
            }
        }
        actions
    }

    /// Claims a partition, or waits until its live owner has given it up.
    fn claim(
        &mut self,
        now: u64,
        partition: TopicPartition,
        lease: Option<&Lease>,
        live: &[String],
    ) -> Option<Action> {
        let epoch = lease.map_or(0, |lease| lease.epoch);
        let owner = lease.and_then(|lease| lease.owner.as_ref());
        let busy = owner.is_some_and(|owner| *owner != self.name && live.contains(owner));
        if busy {
            let (awaited, since) = self.awaited.entry(partition).or_insert((epoch, now));
            if *awaited != epoch {
                (*awaited, *since) = (epoch, now);
            }
            if now.saturating_sub(*since) < nanos(self.timing.give_up_timeout) {
                return None;
            }
        }
        self.awaited.remove(&partition);
        self.holdings.insert(partition, Holding::Claiming);
        Some(Action::Claim(partition, epoch))
    }

    /// Records heartbeats and evicts dead members.
    fn observe_members(&mut self, now: u64, view: &View) -> Vec<Action> {
        self.heartbeats
            .retain(|member, _| view.members.contains_key(member));
        for (member, number) in &view.members {
            let current = Heartbeat {
                number: *number,
                changed: now,
            };
            let heartbeat = self.heartbeats.entry(member.clone()).or_insert(current);
            if heartbeat.number != *number {
                *heartbeat = current;
            }
        }
        let dead = |(member, heartbeat): (&String, &Heartbeat)| {
            let dead = *member != self.name && !self.is_live(now, heartbeat);
            dead.then(|| Action::Evict(member.clone(), heartbeat.number))
        };
        self.heartbeats.iter().filter_map(dead).collect()
    }

    fn is_live(&self, now: u64, heartbeat: &Heartbeat) -> bool {
        now.saturating_sub(heartbeat.changed) <= nanos(self.timing.dead_after)
    }

    /// Returns the names of live members, sorted, including this one.
    fn live_members(&self, now: u64) -> Vec<String> {
        let others = self
            .heartbeats
            .iter()
            .filter(|(member, heartbeat)| **member != self.name && self.is_live(now, heartbeat))
            .map(|(member, _)| member.clone());
        let mut live: Vec<String> = others.chain([self.name.clone()]).collect();
        live.sort_unstable();
        live
    }

    /// Records a successful claim with its new epoch.
    pub fn claimed(&mut self, partition: TopicPartition, epoch: i64) {
        self.holdings.insert(partition, Holding::Owning(epoch));
    }

    /// Records that this member no longer has a partition: a claim failed, or reading has stopped.
    pub fn left(&mut self, partition: TopicPartition) {
        self.holdings.remove(&partition);
    }

    /// Returns the partitions that this member reads.
    pub fn owned(&self) -> impl Iterator<Item = TopicPartition> + '_ {
        self.holdings
            .iter()
            .filter(|(_, holding)| matches!(holding, Holding::Owning(_)))
            .map(|(partition, _)| *partition)
    }

    /// Returns whether every partition has its assigned owner and every member has sent a heartbeat
    /// recently, so that no takeover is due.
    pub fn settled(&self, now: u64) -> bool {
        let limit = 3 * nanos(self.timing.heartbeat);
        let recent = |it: &Heartbeat| now.saturating_sub(it.changed) <= limit;
        self.in_place && self.heartbeats.values().all(recent)
    }
}
