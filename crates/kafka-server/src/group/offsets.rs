//! The committed offsets of one group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// Offset of the next record to read.
    pub offset: i64,
    /// Leader epoch of the record before it; -1 if unknown.
    pub leader_epoch: i32,
    /// Text that the client stored with the offset.
    pub metadata: Option<String>,
}

/// The committed offsets of one group, by topic and partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offsets {
    topics: BTreeMap<String, BTreeMap<i32, Committed>>,
}

impl Offsets {
    /// Bytes of an offset beside its texts.
    pub const ENTRY_BYTES: usize = 256;

    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Returns about how many bytes the offsets take.
    pub fn bytes(&self) -> usize {
        let offsets = self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.values().map(move |committed| {
                Self::ENTRY_BYTES + topic.len() + committed.metadata.as_ref().map_or(0, String::len)
            })
        });
        offsets.sum()
    }

    pub fn commit(&mut self, topic: &str, partition: i32, committed: Committed) {
        let partitions = match self.topics.get_mut(topic) {
            Some(partitions) => partitions,
            None => self.topics.entry(topic.to_owned()).or_default(),
        };
        partitions.insert(partition, committed);
    }

    pub fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Deletes an offset; returns whether there was one.
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

    /// Deletes the offsets of a topic; returns their partitions.
    pub fn delete_topic(&mut self, topic: &str) -> Vec<i32> {
        let partitions = self.topics.remove(topic).unwrap_or_default();
        partitions.into_keys().collect()
    }

    /// Returns all offsets in order of topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeMap<i32, Committed>)> {
        let topics = self.topics.iter();
        topics.map(|(topic, partitions)| (topic.as_str(), partitions))
    }
}
