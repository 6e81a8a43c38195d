//! Checkpoints: the consumers' committed positions, in a collection beside the documents.
//!
//! A position is written after every record before it is stored or dead-lettered, and only by the
//! owner of the partition: each owner has an epoch, and an older epoch cannot write.

use std::sync::Arc;

use bson::doc;

use crate::pipeline::context::Context;
use crate::pipeline::lag::PartitionProgress;
use crate::pipeline::topic_partition::TopicPartition;
use crate::store::{Documents, Error, Updated, Upsert};

/// Checkpoints of one run or group.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    collection: Documents,
    /// Run or group, the prefix of each checkpoint's id.
    owner: String,
    epoch: i64,
    /// `None` if the lag is not measured.
    progress: Option<Arc<PartitionProgress>>,
}

impl Checkpoints {
    /// `epoch` is the epoch of the partition's owner.
    pub fn new(collection: Documents, owner: String, epoch: i64) -> Self {
        Self {
            collection,
            owner,
            epoch,
            progress: None,
        }
    }

    /// Reports each position to the progress of the one partition that is written.
    #[must_use]
    pub fn reporting_to(mut self, progress: Arc<PartitionProgress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Takes a partition over at a position.
    pub async fn claim(
        &self,
        context: &Context,
        partition: TopicPartition,
        position: i64,
    ) -> Result<(), Error> {
        let filter = doc! { "_id": self.id(context, partition), "epoch": { "$lt": self.epoch } };
        let update = doc! { "$set": {
            "run": &context.settings.run_id,
            "topic": context.topic(partition),
            "partition": partition.number,
            "epoch": self.epoch,
            "offset": position,
        } };
        let updated = self.collection.update(filter, update, Upsert::Yes).await?;
        match updated {
            Updated::Yes => Ok(()),
            Updated::No => Err(fenced(context, partition)),
        }
    }

    /// Writes a position, and the epoch of the leader that appended the record before it. Every
    /// record before it must be stored or dead-lettered.
    pub async fn write(
        &self,
        context: &Context,
        partition: TopicPartition,
        position: i64,
        leader_epoch: Option<i32>,
    ) -> Result<(), Error> {
        let filter = doc! { "_id": self.id(context, partition), "epoch": self.epoch };
        let mut fields = doc! { "offset": position };
        if let Some(leader_epoch) = leader_epoch {
            fields.insert("leader_epoch", leader_epoch);
        }
        let update = doc! { "$set": fields };
        let updated = self.collection.update(filter, update, Upsert::No).await?;
        context.counters.checkpoints.add(1);
        match updated {
            Updated::Yes => {
                if let Some(progress) = &self.progress {
                    progress.committed(position);
                }
                Ok(())
            }
            Updated::No if self.read(context, partition).await?.is_some() => {
                Err(fenced(context, partition))
            }
            Updated::No => Err(Error::CheckpointLost {
                topic: context.topic(partition).to_owned(),
                partition: partition.number,
                collection: self.collection.name(),
            }),
        }
    }

    /// Returns the position of a partition.
    pub async fn read(
        &self,
        context: &Context,
        partition: TopicPartition,
    ) -> Result<Option<i64>, Error> {
        let found = self
            .collection
            .find_one(doc! { "_id": self.id(context, partition) })
            .await?;
        Ok(found.and_then(|checkpoint| checkpoint.get_i64("offset").ok()))
    }

    fn id(&self, context: &Context, partition: TopicPartition) -> String {
        let topic = context.topic(partition);
        format!("{}/{topic}/{}", self.owner, partition.number)
    }
}

fn fenced(context: &Context, partition: TopicPartition) -> Error {
    Error::Fenced {
        topic: context.topic(partition).to_owned(),
        partition: partition.number,
    }
}
