//! The consumers' positions, kept beside the documents they stand for.
//!
//! A position is written only after everything before it is stored or dead-lettered, and only by
//! the owner of the partition: each owner has an epoch, and a smaller epoch cannot write.

use bson::doc;

use crate::pipeline::context::{Context, TopicPartition};
use crate::store::{Updated, Upsert};
use crate::store::{Documents, Error};

/// Writes positions of one run or group.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    collection: Documents,
    epoch: i64,
}

impl Checkpoints {
    /// Prepares to write as the owner with an epoch.
    pub fn new(collection: Documents, epoch: i64) -> Self {
        Self { collection, epoch }
    }

    /// Takes a partition over, from a position on.
    pub async fn claim(
        &self,
        context: &Context,
        partition: TopicPartition,
        position: i64,
    ) -> Result<(), Error> {
        let filter = doc! { "_id": key(context, partition), "epoch": { "$lt": self.epoch } };
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

    /// Writes a position: everything before it is stored or dead-lettered.
    pub async fn write(
        &self,
        context: &Context,
        partition: TopicPartition,
        position: i64,
    ) -> Result<(), Error> {
        let filter = doc! { "_id": key(context, partition), "epoch": self.epoch };
        let update = doc! { "$set": { "offset": position } };
        let updated = self.collection.update(filter, update, Upsert::No).await?;
        context.counters.checkpoints.add(1);
        fenced(updated, context, partition)
    }

    /// Reads a position.
    pub async fn read(
        &self,
        context: &Context,
        partition: TopicPartition,
    ) -> Result<Option<i64>, Error> {
        let found = self
            .collection
            .find_one(doc! { "_id": key(context, partition) })
            .await?;
        Ok(found.and_then(|checkpoint| checkpoint.get_i64("offset").ok()))
    }
}

fn key(context: &Context, partition: TopicPartition) -> String {
    let topic = context.topic(partition);
    format!("{}/{topic}/{}", context.settings.reader(), partition.number)
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
