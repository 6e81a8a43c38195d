//! Who owns which partition: the decisions of one member, pure.
//!
//! Each member looks at the same two things in the store, again and again: the beats of all
//! members, and the leases of all partitions. From these it decides what to take and what to give
//! up:
//!
//! ```text
//!  beats ─▶ who lives ─▶ assignment: i-th partition ↦ (i mod n)-th living member
//!                            │
//!  leases ───────────────────┴▶ claim what is ours and free · give up what is another's
//! ```
//!
//! A member is dead when its beat has not changed for a while on the observer's own clock, so the
//! clocks of hosts need not agree. Views may differ for a moment; what keeps two owners from
//! harming each other is not the view but the epoch: a claim raises it by a conditional write, so
//! each epoch has one owner, and a checkpoint under an older epoch changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::nanos;
use crate::pipeline::context::TopicPartition;

/// How long members wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between two beats of a member, and between two looks at the others.
    pub beat: Duration,
    /// A member whose beat has not changed for so long is dead.
    pub dead_after: Duration,
    /// A living member may take so long to give up a partition; then it is taken from it.
    pub patience: Duration,
}

impl Default for Timing {
    /// A dead owner's partitions have a new one within `dead_after` and two beats.
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(1),
            dead_after: Duration::from_secs(6),
            patience: Duration::from_secs(30),
        }
    }
}

/// The lease of one partition, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Raised by each claim.
    pub epoch: i64,
    /// Name of the member that owns the partition; none if it was given up.
    pub owner: Option<String>,
}

/// What a member sees in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Members with their last beats.
    pub members: BTreeMap<String, i64>,
    /// Leases of the partitions that ever had one.
    pub leases: BTreeMap<TopicPartition, Lease>,
}

/// What a member is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Take a partition whose lease has this epoch; zero where there is no lease.
    Claim(TopicPartition, i64),
    /// Store what was read, write the checkpoint, and free the lease.
    GiveUp(TopicPartition),
    /// Stop at once: the lease is another's.
    Drop(TopicPartition),
    /// Free a lease that this member has, but does not use or need.
    Free(TopicPartition, i64),
    /// Remove a member that is dead, unless its beat changes before.
    Bury(String, i64),
}

/// What this member has of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// It tries to take it.
    Claiming,
    /// It reads it under an epoch.
    Owning(i64),
    /// It stores what it has read, and reads no more.
    Leaving,
}

/// When a member was last seen to do something, on the observer's clock.
#[derive(Debug, Clone, Copy)]
struct Sign {
    beat: i64,
    changed: u64,
}

/// One member's knowledge of its group.
#[derive(Debug)]
pub struct Membership {
    name: String,
    timing: Timing,
    partitions: Vec<TopicPartition>,
    signs: BTreeMap<String, Sign>,
    holdings: BTreeMap<TopicPartition, Holding>,
    /// Partitions that a living member still has to give up: under which epoch, since when.
    awaited: BTreeMap<TopicPartition, (i64, u64)>,
    /// Whether every partition had the owner it should have, when last looked.
    in_place: bool,
}

impl Membership {
    /// Joins a group that shares some partitions.
    pub fn new(name: String, timing: Timing, partitions: Vec<TopicPartition>) -> Self {
        Self {
            name,
            timing,
            partitions,
            signs: BTreeMap::new(),
            holdings: BTreeMap::new(),
            awaited: BTreeMap::new(),
            in_place: false,
        }
    }

    /// Decides what to do about what is seen at `now`, nanoseconds on this process's clock.
    pub fn observe(&mut self, now: u64, view: &View) -> Vec<Action> {
        let mut actions = self.look_at_members(now, view);
        let living = self.living(now);
        self.in_place = true;
        for index in 0..self.partitions.len() {
            let partition = self.partitions[index];
            let assigned = living[index % living.len()] == self.name;
            let lease = view.leases.get(&partition);
            let owner = lease.and_then(|lease| lease.owner.as_deref());
            self.in_place &= owner == Some(living[index % living.len()].as_str());
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
                None if assigned => actions.extend(self.claim(now, partition, lease, &living)),
                None => {
                    self.awaited.remove(&partition);
                    // A claim whose answer got lost, or a lease that could not be freed before.
                    let left = lease.filter(|_| owner == Some(&self.name));
                    actions.extend(left.map(|lease| Action::Free(partition, lease.epoch)));
                }
            }
        }
        actions
    }

    /// Takes a partition, or waits until its living owner has given it up.
    fn claim(
        &mut self,
        now: u64,
        partition: TopicPartition,
        lease: Option<&Lease>,
        living: &[String],
    ) -> Option<Action> {
        let epoch = lease.map_or(0, |lease| lease.epoch);
        let owner = lease.and_then(|lease| lease.owner.as_ref());
        let busy = owner.is_some_and(|owner| *owner != self.name && living.contains(owner));
        if busy {
            let (awaited, since) = self.awaited.entry(partition).or_insert((epoch, now));
            if *awaited != epoch {
                (*awaited, *since) = (epoch, now);
            }
            if now.saturating_sub(*since) < nanos(self.timing.patience) {
                return None;
            }
        }
        self.awaited.remove(&partition);
        self.holdings.insert(partition, Holding::Claiming);
        Some(Action::Claim(partition, epoch))
    }

    /// Notes every beat, and finds the dead.
    fn look_at_members(&mut self, now: u64, view: &View) -> Vec<Action> {
        self.signs
            .retain(|member, _| view.members.contains_key(member));
        for (member, beat) in &view.members {
            let sign = self.signs.entry(member.clone()).or_insert(Sign {
                beat: *beat,
                changed: now,
            });
            if sign.beat != *beat {
                *sign = Sign {
                    beat: *beat,
                    changed: now,
                };
            }
        }
        let dead = |(member, sign): (&String, &Sign)| {
            let dead = *member != self.name && !self.lives(now, sign);
            dead.then(|| Action::Bury(member.clone(), sign.beat))
        };
        self.signs.iter().filter_map(dead).collect()
    }

    fn lives(&self, now: u64, sign: &Sign) -> bool {
        now.saturating_sub(sign.changed) <= nanos(self.timing.dead_after)
    }

    /// Names of the living, in order; this one is among them.
    fn living(&self, now: u64) -> Vec<String> {
        let others = self
            .signs
            .iter()
            .filter(|(member, sign)| **member != self.name && self.lives(now, sign))
            .map(|(member, _)| member.clone());
        let mut living: Vec<String> = others.chain([self.name.clone()]).collect();
        living.sort_unstable();
        living
    }

    /// Notes that a claim succeeded, under a new epoch.
    pub fn claimed(&mut self, partition: TopicPartition, epoch: i64) {
        self.holdings.insert(partition, Holding::Owning(epoch));
    }

    /// Notes that this member has nothing of a partition any more: its claim failed, or it has
    /// stopped reading it.
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

    /// Returns whether every partition has the owner it should have and every member has shown a
    /// sign of life lately, so that nothing is about to be taken over.
    pub fn settled(&self, now: u64) -> bool {
        let recent = 3 * nanos(self.timing.beat);
        let lively = |sign: &Sign| now.saturating_sub(sign.changed) <= recent;
        self.in_place && self.signs.values().all(lively)
    }
}
