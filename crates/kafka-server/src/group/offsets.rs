//! How far a group has read: its committed offsets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// The offset to go on from.
    pub offset: i64,
    /// The leader epoch of the record before it, -1 if unknown.
    pub leader_epoch: i32,
    /// What the committer noted beside it.
    pub metadata: Option<String>,
}

/// The committed offsets of one group, by topic and partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offsets {
    topics: BTreeMap<String, BTreeMap<i32, Committed>>,
}

impl Offsets {
    /// Whether nothing was committed.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Notes what was committed.
    pub fn commit(&mut self, topic: &str, partition: i32, committed: Committed) {
        let partitions = match self.topics.get_mut(topic) {
            Some(partitions) => partitions,
            None => self.topics.entry(topic.to_owned()).or_default(),
        };
        partitions.insert(partition, committed);
    }

    /// Returns what was committed.
    pub fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Forgets what was committed; whether there was something.
    pub fn delete(&mut self, topic: &str, partition: i32) -> bool {
        let Some(partitions) = self.topics.get_mut(topic) else {
            return false;
        };
        let deleted = partitions.remove(&partition).is_some();
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        deleted
    }

    /// Forgets a topic; returns the partitions that had been committed.
    pub fn delete_topic(&mut self, topic: &str) -> Vec<i32> {
        let partitions = self.topics.remove(topic).unwrap_or_default();
        partitions.into_keys().collect()
    }

    /// Returns everything in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeMap<i32, Committed>)> {
        let topics = self.topics.iter();
        topics.map(|(topic, partitions)| (topic.as_str(), partitions))
    }
}
