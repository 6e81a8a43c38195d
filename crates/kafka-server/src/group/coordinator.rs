//! The coordinator of all groups: locking, waiting requests, deadlines, the journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use convoy_server_kit::RunClock;
use kafka_protocol::error::ResponseError;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::group::answer::{Answer, Joined, Refused, Synced, Ticket};
use crate::group::description::{Description, Listing};
use crate::group::journal::{self, Entry, Journal};
use crate::group::membership::{Identity, Join, Membership, Sync};
use crate::group::offsets::{Committed, Offsets};
use crate::storage::Storage;

/// Limit on the number of groups.
const MAX_GROUPS: usize = 100_000;

/// Limit on the bytes of all groups together: their names, members and offsets.
const MAX_BYTES: usize = 512 * 1024 * 1024;

/// Bytes of a group beside its texts.
const ENTRY_BYTES: usize = 256;

/// Nanoseconds that a group without members and offsets is kept: Kafka's interval of checks.
const UNUSED_GROUP_KEPT: u64 = 10 * 60 * 1_000_000_000;

/// Longest sleep of the timekeeper.
const MAX_SLEEP: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Coordinator {
    groups: Mutex<Groups>,
    pub(super) clock: RunClock,
    pub(super) join_delay: u64,
    /// Notified when a deadline may have moved closer.
    changed: Notify,
}

#[derive(Debug)]
pub(super) struct Groups {
    pub(super) by_id: BTreeMap<String, Group>,
    waiting: HashMap<Ticket, oneshot::Sender<Answer>>,
    next_ticket: Ticket,
    journal: Journal,
    /// About how many bytes the groups take: what was added is counted at once, what is gone when the
    /// timekeeper looks.
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) membership: Membership,
    pub(super) offsets: Offsets,
    /// When the timekeeper first found neither members nor offsets.
    unused_since: Option<u64>,
}

impl Coordinator {
    /// Opens the groups of a data directory. A new group waits `join_delay` for more members.
    pub fn open(
        storage: &Arc<Storage>,
        join_delay: Duration,
    ) -> Result<Self, crate::journal::Error> {
        let clock = RunClock::start();
        let join_delay = u64::try_from(join_delay.as_nanos()).unwrap_or(u64::MAX);
        let (journal, stored) = journal::open(storage)?;
        let restore = |(id, stored): (String, journal::StoredGroup)| {
            let membership = match stored.snapshot {
                Some(snapshot) => Membership::restore(snapshot, clock.now(), join_delay),
                None => Membership::new(join_delay),
            };
            let offsets = stored.offsets;
            (
                id,
                Group {
                    membership,
                    offsets,
                    unused_since: None,
                },
            )
        };
        Ok(Self {
            groups: Mutex::new(Groups {
                by_id: stored.into_iter().map(restore).collect(),
                waiting: HashMap::new(),
                next_ticket: 0,
                journal,
                bytes: 0,
            }),
            clock,
            join_delay,
            changed: Notify::new(),
        })
    }

    /// Enforces deadlines until `stopping`: evicts members and ends waits.
    pub async fn keep_time(&self, stopping: &CancellationToken) {
        loop {
            let until_due = self.expire();
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(until_due) => {}
            }
        }
    }

    /// Joins a member, and waits for the end of the rebalance.
    pub async fn join(
        &self,
        group: &str,
        join: Join,
        interrupted: &CancellationToken,
    ) -> Result<Joined, Refused> {
        let answer = {
            let mut groups = self.lock();
            let rejoins = !join.profile.id.is_empty();
            if rejoins && !groups.by_id.contains_key(group) {
                return Err(ResponseError::UnknownMemberId.into());
            }
            groups.create(group, self.join_delay)?;
            groups.charge(join.profile.bytes())?;
            let (ticket, answer) = groups.ticket();
            let now = self.clock.now();
            groups.update(group, |group| group.membership.join(now, join, ticket));
            answer
        };
        self.changed.notify_one();
        match self.wait(answer, interrupted).await {
            Some(Answer::Joined(joined)) => joined,
            _ => Err(ResponseError::RebalanceInProgress.into()),
        }
    }

    /// Accepts the leader's assignments, and waits until there are some.
    pub async fn sync(
        &self,
        group: &str,
        sync: Sync<'_>,
        interrupted: &CancellationToken,
    ) -> Result<Synced, ResponseError> {
        let answer = {
            let mut groups = self.lock();
            if !groups.by_id.contains_key(group) {
                return Err(ResponseError::UnknownMemberId);
            }
            let (ticket, answer) = groups.ticket();
            let now = self.clock.now();
            groups.update(group, |group| group.membership.sync(now, sync, ticket));
            answer
        };
        self.changed.notify_one();
        match self.wait(answer, interrupted).await {
            Some(Answer::Synced(synced)) => synced,
            _ => Err(ResponseError::RebalanceInProgress),
        }
    }

    /// Records a heartbeat.
    pub fn heartbeat(
        &self,
        group: &str,
        identity: Identity<'_>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        let now = self.clock.now();
        let heard = self.lock().update(group, |group| {
            group.membership.heartbeat(now, identity, generation)
        });
        heard.unwrap_or(Err(ResponseError::UnknownMemberId))
    }

    /// Removes a member.
    pub fn leave(&self, group: &str, identity: Identity<'_>) -> Result<(), ResponseError> {
        let now = self.clock.now();
        let left = self
            .lock()
            .update(group, |group| group.membership.leave(now, identity));
        self.changed.notify_one();
        left.unwrap_or(Err(ResponseError::UnknownMemberId))
    }

    /// Commits offsets for a member, or for any client if the group has no members.
    pub fn commit(
        &self,
        group_id: &str,
        identity: Identity<'_>,
        generation: i32,
        offsets: &[(&str, i32, Committed)],
    ) -> Result<(), ResponseError> {
        let mut groups = self.lock();
        if !groups.by_id.contains_key(group_id) && generation >= 0 {
            return Err(ResponseError::IllegalGeneration);
        }
        groups.create(group_id, self.join_delay)?;
        let now = self.clock.now();
        let allowed = groups.update(group_id, |group| {
            group.membership.check_commit(now, identity, generation)
        });
        allowed.unwrap_or(Err(ResponseError::UnknownMemberId))?;
        let entry = |(topic, partition, committed): &(&str, i32, Committed)| Entry::Committed {
            group: group_id.to_owned(),
            topic: (*topic).to_owned(),
            partition: *partition,
            committed: committed.clone(),
        };
        let bytes = offsets.iter().map(|(topic, _, committed)| {
            Offsets::ENTRY_BYTES + topic.len() + committed.metadata.as_ref().map_or(0, String::len)
        });
        groups.charge(bytes.sum())?;
        groups.write(&offsets.iter().map(entry).collect::<Vec<_>>())?;
        if let Some(group) = groups.by_id.get_mut(group_id) {
            for (topic, partition, committed) in offsets {
                group.offsets.commit(topic, *partition, committed.clone());
            }
        }
        groups.rewrite_if_due();
        Ok(())
    }

    /// Returns the committed offsets of a group; none if it does not exist.
    pub fn offsets(&self, group: &str) -> Offsets {
        let groups = self.lock();
        let group = groups.by_id.get(group);
        group.map(|group| group.offsets.clone()).unwrap_or_default()
    }

    /// Deletes committed offsets, except of topics that the group reads; one result for each.
    pub fn delete_offsets(
        &self,
        group_id: &str,
        partitions: &[(&str, i32)],
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        let mut groups = self.lock();
        let Some(group) = groups.by_id.get(group_id) else {
            return Err(ResponseError::GroupIdNotFound);
        };
        let subscribed = if group.membership.members.is_empty() {
            Some(std::collections::BTreeSet::new())
        } else {
            group.membership.subscriptions()
        };
        let Some(subscribed) = subscribed else {
            return Err(ResponseError::NonEmptyGroup);
        };
        let mut results = Vec::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            results.push(if subscribed.contains(*topic) {
                Err(ResponseError::GroupSubscribedToTopic)
            } else {
                groups.delete_offset(group_id, topic, *partition)
            });
        }
        Ok(results)
    }

    /// Deletes a group without members.
    pub fn delete(&self, group_id: &str) -> Result<(), ResponseError> {
        let mut groups = self.lock();
        let group = groups.by_id.get(group_id);
        let group = group.ok_or(ResponseError::GroupIdNotFound)?;
        if !group.membership.is_empty() {
            return Err(ResponseError::NonEmptyGroup);
        }
        groups.write(&[Entry::GroupDeleted {
            group: group_id.to_owned(),
        }])?;
        groups.by_id.remove(group_id);
        Ok(())
    }

    /// Deletes the committed offsets of a deleted topic.
    pub fn forget_topic(&self, topic: &str) {
        let mut groups = self.lock();
        let mut entries = Vec::new();
        for (id, group) in &mut groups.by_id {
            let partitions = group.offsets.delete_topic(topic).into_iter();
            entries.extend(partitions.map(|partition| Entry::OffsetDeleted {
                group: id.clone(),
                topic: topic.to_owned(),
                partition,
            }));
        }
        // After a failed write the offsets reappear on the next start; they are deleted with the
        // group.
        let _logged = groups.write(&entries);
    }

    /// Returns all groups in order of id.
    pub fn list(&self) -> Vec<Listing> {
        let groups = self.lock();
        let listings = groups.by_id.iter();
        listings
            .map(|(id, group)| Listing::new(id, &group.membership))
            .collect()
    }

    pub fn describe(&self, group: &str) -> Option<Description> {
        let groups = self.lock();
        let found = groups.by_id.get(group);
        found.map(|found| Description::new(group, &found.membership))
    }

    /// Enforces deadlines that have passed, and returns the time until the next one.
    fn expire(&self) -> Duration {
        let now = self.clock.now();
        let mut groups = self.lock();
        let due: Vec<String> = groups
            .by_id
            .iter()
            .filter(|(_, group)| group.overdue(now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            groups.update(&id, |group| group.membership.expire(now));
        }
        groups.by_id.retain(|_, group| group.note_use(now));
        groups.count_bytes();
        let deadlines = groups.by_id.values();
        let next = deadlines.filter_map(|group| group.membership.next_deadline());
        next.min().map_or(MAX_SLEEP, |deadline| {
            self.clock.until(deadline).min(MAX_SLEEP)
        })
    }

    async fn wait(
        &self,
        answer: oneshot::Receiver<Answer>,
        interrupted: &CancellationToken,
    ) -> Option<Answer> {
        tokio::select! {
            biased;
            answer = answer => answer.ok(),
            () = interrupted.cancelled() => None,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Groups {
    pub(super) fn create(&mut self, id: &str, join_delay: u64) -> Result<(), ResponseError> {
        if self.by_id.contains_key(id) {
            return Ok(());
        }
        if self.by_id.len() >= MAX_GROUPS {
            self.by_id.retain(|_, group| !group.is_unused());
        }
        if self.by_id.len() >= MAX_GROUPS {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.charge(ENTRY_BYTES + id.len())?;
        let group = Group {
            membership: Membership::new(join_delay),
            offsets: Offsets::default(),
            unused_since: None,
        };
        self.by_id.insert(id.to_owned(), group);
        Ok(())
    }

    fn count_bytes(&mut self) {
        self.bytes = self.by_id.iter().map(|(id, group)| group.bytes(id)).sum();
    }

    /// Counts bytes that are added to the groups.
    fn charge(&mut self, bytes: usize) -> Result<(), ResponseError> {
        if self.bytes.saturating_add(bytes) > MAX_BYTES {
            // Without what is gone, and what replaced something else.
            self.count_bytes();
        }
        if self.bytes.saturating_add(bytes) > MAX_BYTES {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.bytes += bytes;
        Ok(())
    }

    fn ticket(&mut self) -> (Ticket, oneshot::Receiver<Answer>) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(ticket, sender);
        (ticket, receiver)
    }

    /// Changes a group, delivers the resulting answers and stores a snapshot if it changed.
    pub(super) fn update<T>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Group) -> T,
    ) -> Option<T> {
        let group = self.by_id.get_mut(id)?;
        let result = change(group);
        let answers = group.membership.take_answers();
        let snapshot = group.membership.take_snapshot();
        if let Some(snapshot) = snapshot {
            let group = id.to_owned();
            // After a failed write, members must join again after a restart.
            let _logged = self.write(&[Entry::Members { group, snapshot }]);
            self.rewrite_if_due();
        }
        for (ticket, answer) in answers {
            if let Some(sender) = self.waiting.remove(&ticket) {
                // The client may have left.
                let _gone = sender.send(answer);
            }
        }
        Some(result)
    }

    fn delete_offset(
        &mut self,
        group_id: &str,
        topic: &str,
        partition: i32,
    ) -> Result<(), ResponseError> {
        self.write(&[Entry::OffsetDeleted {
            group: group_id.to_owned(),
            topic: topic.to_owned(),
            partition,
        }])?;
        if let Some(group) = self.by_id.get_mut(group_id) {
            group.offsets.delete(topic, partition);
        }
        Ok(())
    }

    pub(super) fn write(&mut self, entries: &[Entry]) -> Result<(), ResponseError> {
        self.journal.append(entries).map_err(|error| {
            let reason = &error as &dyn std::error::Error;
            warn!(reason, "failed to write the groups' journal");
            ResponseError::KafkaStorageError
        })
    }

    pub(super) fn rewrite_if_due(&mut self) {
        if !self.journal.is_rewrite_due() {
            return;
        }
        let entries = self.by_id.iter().flat_map(|(id, group)| group.entries(id));
        if let Err(error) = self.journal.rewrite(entries) {
            let reason = &error as &dyn std::error::Error;
            warn!(reason, "failed to rewrite the groups' journal");
        }
    }
}

impl Group {
    /// Returns about how many bytes the group takes.
    fn bytes(&self, id: &str) -> usize {
        ENTRY_BYTES + id.len() + self.membership.bytes() + self.offsets.bytes()
    }

    fn is_unused(&self) -> bool {
        self.membership.is_empty() && self.offsets.is_empty()
    }

    /// Returns whether to keep the group: it is used, or has not been unused for long.
    fn note_use(&mut self, now: u64) -> bool {
        if !self.is_unused() {
            self.unused_since = None;
            return true;
        }
        let since = *self.unused_since.get_or_insert(now);
        now.saturating_sub(since) < UNUSED_GROUP_KEPT
    }

    fn overdue(&self, now: u64) -> bool {
        let deadline = self.membership.next_deadline();
        deadline.is_some_and(|deadline| deadline <= now)
    }

    fn entries(&self, id: &str) -> Vec<Entry> {
        let members = Entry::Members {
            group: id.to_owned(),
            snapshot: self.membership.snapshot(),
        };
        let offsets = self.offsets.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(move |(partition, committed)| Entry::Committed {
                    group: id.to_owned(),
                    topic: topic.to_owned(),
                    partition: *partition,
                    committed: committed.clone(),
                })
        });
        std::iter::once(members).chain(offsets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_group_is_kept_until_the_next_check() {
        let mut group = Group {
            membership: Membership::new(0),
            offsets: Offsets::default(),
            unused_since: None,
        };
        assert!(group.note_use(5));
        assert!(group.note_use(4 + UNUSED_GROUP_KEPT));
        assert!(!group.note_use(5 + UNUSED_GROUP_KEPT));
    }
}
