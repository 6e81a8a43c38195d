//! Scope of an audit: the run, its vehicles and its topics.

use crate::audit::order::Position;
use crate::audit::reading_id::ReadingId;
use crate::record::{DocumentId, RunKey, StoredDocument};

/// The run, vehicles and topics that documents must belong to.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Key of the run in document ids.
    pub run: RunKey,
    /// Number of vehicles.
    pub vehicles: u32,
    /// Topics, each with its number of partitions.
    pub topics: Vec<(String, u32)>,
}

impl Scope {
    /// Returns a document's id if it belongs to this run and the document's fields agree with it.
    pub(super) fn identity(&self, stored: &StoredDocument<'_>) -> Option<DocumentId> {
        let id = stored.id?;
        let agrees = id.run() == self.run
            && id.vehicle() < self.vehicles
            && stored.vehicle == Some(i64::from(id.vehicle()))
            && stored.sequence == Some(id.sequence().cast_signed());
        agrees.then_some(id)
    }

    /// Returns the index of the topic that a document was read from; `None` if this run does not
    /// write to it, or the partition or offset is impossible.
    pub(super) fn topic_of(&self, stored: &StoredDocument<'_>) -> Option<usize> {
        let known = |(topic, partitions): &(String, u32)| {
            topic == stored.topic && (0..i64::from(*partitions)).contains(&stored.partition)
        };
        let topic = self.topics.iter().position(known)?;
        (stored.offset >= 0).then_some(topic)
    }

    /// Returns the reading of a document and the place of its record; `None` if it belongs to no
    /// vehicle or topic of this run.
    pub fn position(&self, stored: &StoredDocument<'_>) -> Option<(ReadingId, Position)> {
        let id = self.identity(stored)?;
        let reading = ReadingId {
            vehicle: id.vehicle(),
            sequence: id.sequence(),
        };
        let position = Position {
            topic: self.topic_of(stored)?,
            partition: stored.partition,
            offset: stored.offset,
        };
        Some((reading, position))
    }
}
