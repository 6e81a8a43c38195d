//! Checkpoints: the consumers' committed positions, in a collection beside the documents.
//!
//! A position is written after every record before it is stored or dead-lettered, and only by the
//! owner of the partition: each owner has an epoch, and an older epoch cannot write.

use bson::doc;

use crate::pipeline::context::{Context, TopicPartition};
use crate::store::{Documents, Error, Updated, Upsert};

/// Checkpoints of one run or group.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    collection: Documents,
    /// Run or group, the prefix of each checkpoint's id.
    owner: String,
    epoch: i64,
}

impl Checkpoints {
    /// `epoch` is the epoch of the partition's owner.
    pub fn new(collection: Documents, owner: String, epoch: i64) -> Self {
        Self {
            collection,
            owner,
            epoch,
        }
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
        fenced(updated, context, partition)
    }

    /// Writes a position. Every record before it must be stored or dead-lettered.
    pub async fn write(
        &self,
        context: &Context,
        partition: TopicPartition,
        position: i64,
    ) -> Result<(), Error> {
        let filter = doc! { "_id": self.id(context, partition), "epoch": self.epoch };
        let update = doc! { "$set": { "offset": position } };
        let updated = self.collection.update(filter, update, Upsert::No).await?;
        context.counters.checkpoints.add(1);
        fenced(updated, context, partition)
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

fn fenced(updated: Updated, context: &Context, partition: TopicPartition) -> Result<(), Error> {
    match updated {
        Updated::Yes => Ok(()),
        Updated::No => Err(Error::Fenced {
            topic: context.topic(partition).to_owned(),
            partition: partition.number,
        }),
    }
}
