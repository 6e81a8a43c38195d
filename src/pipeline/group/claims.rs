//! Claims of partitions in the store: each owner of a partition raises the epoch of its checkpoint.
//!
//! ```text
//!  <collection>_checkpoints  { _id: "<group>/<topic>/<partition>", topic, partition, epoch, owner,
//!                              generation, offset, topic_id, leader_epoch }
//! ```
//!
//! `topic_id` and `leader_epoch` are absent if the broker does not have them.
//!
//! A claim reads the checkpoint, then lets the coordinator confirm that this member has the partition
//! in the current generation, and then raises the epoch of exactly the checkpoint that it read. A
//! member of an older generation is not confirmed, or it has read an older checkpoint: either way it
//! claims nothing, and its own epoch no longer moves the checkpoint.

use bson::{Document, RawDocument, doc};

use crate::broker::TopicId;
use crate::pipeline::context::Context;
use crate::pipeline::settings::StorageSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::store::{Connection, Documents, Error, Updated, Upsert};

/// Checkpoints of one group, claimed by one member.
#[derive(Debug, Clone)]
pub struct Claims {
    checkpoints: Documents,
    group: String,
    /// Name of this process.
    owner: String,
}

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub offset: i64,
    /// Id of the topic; `None` if it is unknown.
    pub topic_id: Option<TopicId>,
    /// Epoch of the leader that appended the record before the offset; `None` if it is unknown.
    pub leader_epoch: Option<i32>,
}

/// A checkpoint as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Epoch of its owner.
    pub epoch: i64,
    pub place: Place,
}

impl Place {
    /// Returns a place of which only the offset is known.
    pub fn at(offset: i64) -> Self {
        Self {
            offset,
            topic_id: None,
            leader_epoch: None,
        }
    }

    fn fields(&self) -> Document {
        let mut fields = doc! { "offset": self.offset };
        if let Some(id) = self.topic_id {
            fields.insert("topic_id", id.to_string());
        }
        fields.insert("leader_epoch", self.leader_epoch);
        fields
    }
}

impl Checkpoint {
    fn of(document: &RawDocument) -> Option<Self> {
        let topic_id = document.get_str("topic_id").ok();
        Some(Self {
            epoch: document.get_i64("epoch").ok()?,
            place: Place {
                offset: document.get_i64("offset").ok()?,
                topic_id: topic_id.and_then(|id| id.parse().ok()),
                leader_epoch: document.get_i32("leader_epoch").ok(),
            },
        })
    }
}

impl Claims {
    /// `owner` must be another name in each process.
    pub fn new(
        context: &Context,
        storage: &StorageSettings,
        store: &Connection,
        owner: String,
    ) -> Self {
        Self {
            checkpoints: store.documents(&storage.checkpoint_collection()),
            group: storage.checkpoint_owner(&context.settings).to_owned(),
            owner,
        }
    }

    /// Returns the collection of checkpoints.
    pub fn checkpoints(&self) -> Documents {
        self.checkpoints.clone()
    }

    /// Reads the checkpoint of a partition.
    pub async fn read(
        &self,
        context: &Context,
        partition: TopicPartition,
    ) -> Result<Option<Checkpoint>, Error> {
        let found = self
            .checkpoints
            .find_one(doc! { "_id": self.key(context, partition) })
            .await?;
        Ok(found.and_then(|found| Checkpoint::of(&found)))
    }

    /// Claims a partition whose checkpoint is still `seen`, and sets it to a place. Returns the epoch
    /// of the new owner; `None` if the checkpoint is another one by now.
    pub async fn claim(
        &self,
        context: &Context,
        partition: TopicPartition,
        seen: Option<Checkpoint>,
        place: Place,
        generation: i32,
    ) -> Result<Option<i64>, Error> {
        let key = self.key(context, partition);
        let epoch = seen.map_or(1, |seen| seen.epoch + 1);
        let (filter, upsert) = if let Some(seen) = seen {
            let place = seen.place;
            let filter = doc! { "_id": &key, "epoch": seen.epoch, "offset": place.offset };
            (filter, Upsert::No)
        } else {
            let filter = doc! { "_id": &key, "epoch": { "$lt": epoch } };
            (filter, Upsert::Yes)
        };
        let mut fields = doc! {
            "topic": context.topic(partition),
            "partition": partition.number,
            "epoch": epoch,
            "owner": &self.owner,
            "generation": generation,
        };
        fields.extend(place.fields());
        let update = doc! { "$set": fields };
        let updated = self.checkpoints.update(filter, update, upsert).await?;
        if updated == Updated::Yes {
            return Ok(Some(epoch));
        }
        // An earlier attempt may have succeeded, and its response was lost.
        let found = self.checkpoints.find_one(doc! { "_id": &key }).await?;
        let ours = |found: &RawDocument| {
            let owner = found.get_str("owner").unwrap_or_default();
            found.get_i64("epoch").is_ok_and(|found| found == epoch) && owner == self.owner
        };
        Ok(found.filter(|found| ours(found)).map(|_found| epoch))
    }

    /// Sets the checkpoint of a partition. Its current owner can no longer move it.
    pub async fn reset(
        &self,
        context: &Context,
        partition: TopicPartition,
        place: Place,
    ) -> Result<(), Error> {
        let filter = doc! { "_id": self.key(context, partition) };
        let mut fields = doc! {
            "topic": context.topic(partition),
            "partition": partition.number,
            "owner": bson::Bson::Null,
        };
        fields.extend(place.fields());
        let update = doc! { "$set": fields, "$inc": { "epoch": 1_i64 } };
        self.checkpoints.update(filter, update, Upsert::Yes).await?;
        Ok(())
    }

    fn key(&self, context: &Context, partition: TopicPartition) -> String {
        let topic = context.topic(partition);
        format!("{}/{topic}/{}", self.group, partition.number)
    }
}
