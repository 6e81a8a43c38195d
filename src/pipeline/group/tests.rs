//! Goal: while members join, pause, die and return, a partition never has two writers, and soon after
//! the last change each partition has its assigned owner.
//! Method: members against a model of the store, in schedules drawn by proptest. A member's decisions
//! are performed later, one at a time, so that every view can be stale.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use crate::pipeline::group::membership::{Action, Lease, Membership, Timing, View};
use crate::pipeline::topic_partition::TopicPartition;

const SECOND: u64 = 1_000_000_000;
const PARTITIONS: i32 = 5;
const MEMBERS: usize = 4;

const TIMING: Timing = Timing {
    heartbeat: Duration::from_secs(1),
    dead_after: Duration::from_secs(6),
    give_up_timeout: Duration::from_secs(30),
};

/// A step of a schedule.
#[derive(Debug, Clone, Copy)]
enum Step {
    Beat(usize),
    Look(usize),
    /// One decided action is performed.
    Act(usize),
    /// Every worker of a member writes a checkpoint.
    Write(usize),
    Die(usize),
    Join(usize),
    /// Time passes, in tenths of a second.
    Wait(u64),
}

/// The store, and the winner of each epoch.
#[derive(Debug, Default)]
struct Store {
    view: View,
    offsets: BTreeMap<TopicPartition, u64>,
    /// Owner of each epoch.
    winners: BTreeMap<(TopicPartition, i64), String>,
}

/// A process.
#[derive(Debug)]
struct Member {
    name: String,
    membership: Membership,
    beats: i64,
    decided: VecDeque<Action>,
    /// Epoch and position of each partition that it reads.
    workers: BTreeMap<TopicPartition, (i64, u64)>,
}

fn partitions() -> Vec<TopicPartition> {
    (0..PARTITIONS)
        .map(|number| TopicPartition { topic: 0, number })
        .collect()
}

impl Store {
    /// Raises the epoch of a lease if it is the one seen; returns the new epoch.
    fn claim(&mut self, partition: TopicPartition, seen: i64, name: &str) -> Option<i64> {
        let current = self
            .view
            .leases
            .get(&partition)
            .map_or(0, |lease| lease.epoch);
        if current != seen {
            return None;
        }
        let (epoch, owner) = (seen + 1, Some(name.to_owned()));
        self.view.leases.insert(partition, Lease { epoch, owner });
        let before = self.winners.insert((partition, epoch), name.to_owned());
        assert_eq!(before, None, "an epoch is won once");
        Some(epoch)
    }

    fn free(&mut self, partition: TopicPartition, epoch: i64, name: &str) {
        if let Some(lease) = self.view.leases.get_mut(&partition)
            && lease.epoch == epoch
            && lease.owner.as_deref() == Some(name)
        {
            lease.owner = None;
        }
    }

    /// Writes a checkpoint as the owner of an epoch; returns whether it was accepted.
    fn write(&mut self, partition: TopicPartition, epoch: i64, offset: u64) -> bool {
        if self.view.leases[&partition].epoch != epoch {
            return false;
        }
        let before = self.offsets.insert(partition, offset).unwrap_or_default();
        assert!(before <= offset, "a checkpoint never goes back");
        true
    }
}

impl Member {
    fn new(index: usize, generation: u32) -> Self {
        let name = format!("member-{index}-{generation}");
        Self {
            membership: Membership::new(name.clone(), TIMING, partitions()),
            name,
            beats: 0,
            decided: VecDeque::new(),
            workers: BTreeMap::new(),
        }
    }

    fn beat(&mut self, store: &mut Store) {
        self.beats += 1;
        store.view.members.insert(self.name.clone(), self.beats);
    }

    fn look(&mut self, store: &Store, now: u64) {
        // A process reads the group again only after it has performed all actions.
        if self.decided.is_empty() {
            self.decided = self.membership.observe(now, &store.view).into();
        }
    }

    fn act(&mut self, store: &mut Store) {
        match self.decided.pop_front() {
            Some(Action::Claim(partition, seen)) => {
                match store.claim(partition, seen, &self.name) {
                    Some(epoch) => {
                        let position = store.offsets.get(&partition).copied().unwrap_or_default();
                        self.membership.claimed(partition, epoch);
                        let before = self.workers.insert(partition, (epoch, position));
                        assert_eq!(before, None, "a partition has one worker in a process");
                    }
                    None => self.membership.left(partition),
                }
            }
            Some(Action::GiveUp(partition) | Action::Drop(partition)) => {
                self.end(store, partition);
            }
            Some(Action::Free(partition, epoch)) => store.free(partition, epoch, &self.name),
            Some(Action::Evict(member, heartbeat)) => {
                store
                    .view
                    .members
                    .retain(|name, found| *name != member || *found != heartbeat);
            }
            None => {}
        }
    }

    /// A worker stores what it has read, writes its checkpoint and frees the lease.
    fn end(&mut self, store: &mut Store, partition: TopicPartition) {
        if let Some((epoch, position)) = self.workers.remove(&partition) {
            store.write(partition, epoch, position);
            store.free(partition, epoch, &self.name);
        }
        self.membership.left(partition);
    }

    fn write(&mut self, store: &mut Store) {
        let mut fenced = Vec::new();
        for (partition, (epoch, position)) in &mut self.workers {
            *position += 1;
            if !store.write(*partition, *epoch, *position) {
                fenced.push(*partition);
            }
        }
        for partition in fenced {
            self.end(store, partition);
        }
    }
}

/// A group in its store.
#[derive(Debug, Default)]
struct World {
    store: Store,
    members: BTreeMap<usize, Member>,
    generations: u32,
    now: u64,
}

impl World {
    fn step(&mut self, step: Step) {
        let (members, store) = (&mut self.members, &mut self.store);
        match step {
            Step::Join(index) => {
                self.generations += 1;
                let mut member = Member::new(index, self.generations);
                member.beat(store);
                members.entry(index).or_insert(member);
            }
            Step::Die(index) => drop(members.remove(&index)),
            Step::Wait(tenths) => self.now += tenths * SECOND / 10,
            Step::Beat(index) => members
                .get_mut(&index)
                .into_iter()
                .for_each(|it| it.beat(store)),
            Step::Look(index) => {
                let now = self.now;
                members
                    .get_mut(&index)
                    .into_iter()
                    .for_each(|it| it.look(store, now));
            }
            Step::Act(index) => members
                .get_mut(&index)
                .into_iter()
                .for_each(|it| it.act(store)),
            Step::Write(index) => {
                members
                    .get_mut(&index)
                    .into_iter()
                    .for_each(|it| it.write(store));
            }
        }
        self.assert_one_writer_each();
    }

    /// Checks that at most one worker of each partition has the current epoch.
    fn assert_one_writer_each(&self) {
        let mut writers = BTreeSet::new();
        for member in self.members.values() {
            for (partition, (epoch, _)) in &member.workers {
                if self.store.view.leases[partition].epoch == *epoch {
                    assert!(writers.insert(*partition), "{partition:?} has two writers");
                }
            }
        }
    }

    /// Lets every live member do everything that is due, for one heartbeat.
    fn quiet_beat(&mut self) {
        self.now += SECOND;
        let indexes: Vec<usize> = self.members.keys().copied().collect();
        for index in &indexes {
            self.step(Step::Beat(*index));
        }
        for index in &indexes {
            self.step(Step::Look(*index));
            while !self.members[index].decided.is_empty() {
                self.step(Step::Act(*index));
            }
            self.step(Step::Write(*index));
        }
    }

    fn owned(&self) -> Vec<usize> {
        let owned = |member: &Member| member.membership.owned().count();
        self.members.values().map(owned).collect()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let member = || 0..MEMBERS;
    prop_oneof![
        4 => member().prop_map(Step::Beat),
        6 => member().prop_map(Step::Look),
        12 => member().prop_map(Step::Act),
        4 => member().prop_map(Step::Write),
        1 => member().prop_map(Step::Die),
        2 => member().prop_map(Step::Join),
        3 => (1_u64..90).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn each_partition_has_one_writer_and_gets_its_assigned_owner(
        schedule in prop::collection::vec(step(), 0..300),
    ) {
        let mut world = World::default();
        world.step(Step::Join(0));
        for step in schedule {
            world.step(step);
        }
        world.step(Step::Join(0));
        let bound = TIMING.dead_after.as_secs() + 4;
        for _ in 0..bound {
            world.quiet_beat();
        }
        let owned = world.owned();
        prop_assert_eq!(owned.iter().sum::<usize>(), partitions().len());
        let (least, most) = (owned.iter().min(), owned.iter().max());
        prop_assert!(most.unwrap() - least.unwrap() <= 1, "{:?}", owned);
        // The first member of the last heartbeat has not seen the claims of the others yet.
        world.quiet_beat();
        for member in world.members.values() {
            prop_assert!(member.membership.settled(world.now), "{:?}", member);
        }
    }
}

#[test]
fn partitions_of_a_dead_member_are_taken_over_within_two_heartbeats() {
    let mut world = World::default();
    for index in 0..2 {
        world.step(Step::Join(index));
    }
    for _ in 0..5 {
        world.quiet_beat();
    }
    assert_eq!(world.owned(), [3, 2]);
    world.step(Step::Die(0));
    let mut beats = 0;
    while world.owned() != [5] {
        world.quiet_beat();
        beats += 1;
    }
    assert!(beats <= TIMING.dead_after.as_secs() + 2, "{beats} beats");
}

#[test]
fn partition_is_taken_from_a_member_that_never_gives_it_up() {
    let mut world = World::default();
    world.step(Step::Join(0));
    world.quiet_beat();
    world.step(Step::Join(1));
    // The first sends heartbeats but never reads the group, so it does not know the second.
    for _ in 0..=TIMING.give_up_timeout.as_secs() + 1 {
        world.now += SECOND;
        world.step(Step::Beat(0));
        world.step(Step::Beat(1));
        world.step(Step::Look(1));
        for _ in 0..PARTITIONS {
            world.step(Step::Act(1));
        }
    }
    assert_eq!(world.members[&1].membership.owned().count(), 2);
    // Checkpoints that the first still writes are not accepted.
    world.step(Step::Write(0));
    assert_eq!(world.members[&0].workers.len(), 3);
}
