//! A group in the store: one document per member with its beat, one per partition with its owner.
//!
//! ```text
//!  <collection>_members      { _id: "<group>/<member>", beat }
//!  <collection>_checkpoints  { _id: "<group>/<topic>/<partition>", topic, partition, epoch, owner, offset }
//! ```
//!
//! A lease is also the partition's checkpoint, so that whoever takes it over has the offset to go
//! on at. Every change is conditional on the epoch that was seen.

use bson::{Document, RawDocument, doc};

use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::group::membership::{Lease, View};
use crate::store::Upsert;
use crate::store::{Connection, Documents, Error};

/// The documents of one group, as one member writes them.
#[derive(Debug, Clone)]
pub struct Leases {
    checkpoints: Documents,
    members: Documents,
    group: String,
    member: String,
}

/// A partition that a claim has won.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// The epoch of the new owner.
    pub epoch: i64,
    /// Offset to go on at.
    pub position: i64,
}

impl Leases {
    /// Prepares to act as a member of the context's group.
    pub fn new(context: &Context, store: &Connection, member: String) -> Self {
        let settings = &context.settings;
        Self {
            checkpoints: store.documents(&settings.checkpoint_collection()),
            members: store.documents(&settings.member_collection()),
            group: settings.reader().to_owned(),
            member,
        }
    }

    /// Returns the collection of leases, which are the checkpoints.
    pub fn checkpoints(&self) -> Documents {
        self.checkpoints.clone()
    }

    /// Shows that this member lives. Numbers of beats must differ from each other.
    pub async fn beat(&self, number: i64) -> Result<(), Error> {
        let filter = doc! { "_id": self.member_key(&self.member) };
        let update = doc! { "$set": { "beat": number } };
        self.members.update(filter, update, Upsert::Yes).await?;
        Ok(())
    }

    /// Looks at all members and all leases.
    pub async fn view(&self, context: &Context) -> Result<View, Error> {
        let mut view = View::default();
        let prefix = self.member_key("");
        self.members
            .scan(self.of_group(), |member| {
                let name = member.get_str("_id").unwrap_or_default();
                if let Some(name) = name.strip_prefix(&prefix) {
                    let beat = member.get_i64("beat").unwrap_or_default();
                    view.members.insert(name.to_owned(), beat);
                }
            })
            .await?;
        self.checkpoints
            .scan(self.of_group(), |lease| {
                view.leases.extend(read(context, lease));
            })
            .await?;
        Ok(view)
    }

    /// Takes a partition whose lease has an epoch; `earliest` is where to begin without a lease.
    ///
    /// Returns none where another member was faster.
    pub async fn claim(
        &self,
        context: &Context,
        partition: TopicPartition,
        seen: i64,
        earliest: i64,
    ) -> Result<Option<Claimed>, Error> {
        let epoch = seen + 1;
        let key = self.lease_key(context, partition);
        let (filter, update, upsert) = if seen == 0 {
            let filter = doc! { "_id": &key, "epoch": { "$lt": epoch } };
            let lease = doc! {
                "topic": context.topic(partition),
                "partition": partition.number,
                "epoch": epoch,
                "owner": &self.member,
                "offset": earliest,
            };
            (filter, lease, Upsert::Yes)
        } else {
            let filter = doc! { "_id": &key, "epoch": seen };
            let lease = doc! { "epoch": epoch, "owner": &self.member };
            (filter, lease, Upsert::No)
        };
        self.checkpoints
            .update(filter, doc! { "$set": update }, upsert)
            .await?;
        // Read after the epoch is raised, no older owner can change the offset any more. It also
        // tells what became of a claim whose answer got lost.
        let lease = self.checkpoints.find_one(doc! { "_id": &key }).await?;
        let ours = |lease: &RawDocument| {
            lease.get_i64("epoch").is_ok_and(|found| found == epoch)
                && lease
                    .get_str("owner")
                    .is_ok_and(|owner| owner == self.member)
        };
        Ok(lease.filter(|lease| ours(lease)).map(|lease| Claimed {
            epoch,
            position: lease.get_i64("offset").unwrap_or(earliest),
        }))
    }

    /// Gives a partition up, unless it is another's by now.
    pub async fn free(
        &self,
        context: &Context,
        partition: TopicPartition,
        epoch: i64,
    ) -> Result<(), Error> {
        let key = self.lease_key(context, partition);
        let filter = doc! { "_id": key, "epoch": epoch, "owner": &self.member };
        let update = doc! { "$set": { "owner": bson::Bson::Null } };
        self.checkpoints.update(filter, update, Upsert::No).await?;
        Ok(())
    }

    /// Lets the next owner of a partition go on at an offset; whoever has it now loses it.
    pub async fn move_to(
        &self,
        context: &Context,
        partition: TopicPartition,
        offset: i64,
    ) -> Result<(), Error> {
        let filter = doc! { "_id": self.lease_key(context, partition) };
        let update = doc! {
            "$set": {
                "topic": context.topic(partition),
                "partition": partition.number,
                "owner": bson::Bson::Null,
                "offset": offset,
            },
            "$inc": { "epoch": 1_i64 },
        };
        self.checkpoints.update(filter, update, Upsert::Yes).await?;
        Ok(())
    }

    /// Removes a dead member, unless it has shown a sign of life since `beat`.
    pub async fn bury(&self, member: &str, beat: i64) -> Result<(), Error> {
        let filter = doc! { "_id": self.member_key(member), "beat": beat };
        self.members.remove(filter).await
    }

    /// Frees what this member still has, and leaves the group.
    pub async fn leave(&self, context: &Context) -> Result<(), Error> {
        let view = self.view(context).await?;
        for (partition, lease) in view.leases {
            if lease.owner.as_ref() == Some(&self.member) {
                self.free(context, partition, lease.epoch).await?;
            }
        }
        let filter = doc! { "_id": self.member_key(&self.member) };
        self.members.remove(filter).await
    }

    fn member_key(&self, member: &str) -> String {
        format!("{}/{member}", self.group)
    }

    fn lease_key(&self, context: &Context, partition: TopicPartition) -> String {
        let topic = context.topic(partition);
        format!("{}/{topic}/{}", self.group, partition.number)
    }

    /// Every document of the group: keys that begin with its name and a slash, found by their
    /// index. A zero is what follows a slash.
    fn of_group(&self) -> Document {
        let (from, to) = (format!("{}/", self.group), format!("{}0", self.group));
        doc! { "_id": { "$gte": from, "$lt": to } }
    }
}

fn read(context: &Context, lease: &RawDocument) -> Option<(TopicPartition, Lease)> {
    let name = lease.get_str("topic").ok()?;
    let topics = &context.settings.topics;
    let partition = TopicPartition {
        topic: topics.iter().position(|topic| topic == name)?,
        number: lease.get_i32("partition").ok()?,
    };
    let lease = Lease {
        epoch: lease.get_i64("epoch").ok()?,
        owner: lease.get_str("owner").ok().map(str::to_owned),
    };
    Some((partition, lease))
}
