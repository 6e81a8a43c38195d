//! A group in the store: one document per member with its heartbeat, one per partition with its owner.
//!
//! ```text
//!  <collection>_members      { _id: "<group>/<member>", beat }
//!  <collection>_checkpoints  { _id: "<group>/<topic>/<partition>", topic, partition, epoch, owner,
//!                              offset, topic_id, leader_epoch }
//! ```
//!
//! `topic_id` and `leader_epoch` are absent if the broker does not have them.
//!
//! A lease is also the partition's checkpoint, so a new owner knows the offset to continue at. Every
//! change requires the epoch that the member has seen.

use bson::{Document, RawDocument, doc};

use crate::broker::TopicId;
use crate::pipeline::context::Context;
use crate::pipeline::group::membership::{Lease, View};
use crate::pipeline::settings::StorageSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::store::{Connection, Documents, Error, Upsert};

/// Heartbeats and leases of one group, written by one member.
#[derive(Debug, Clone)]
pub struct Leases {
    checkpoints: Documents,
    members: Documents,
    group: String,
    member: String,
}

/// The result of a successful claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// Epoch of the new owner.
    pub epoch: i64,
    /// Where to continue.
    pub place: Place,
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

impl Place {
    /// Returns a place of which only the offset is known.
    pub fn at(offset: i64) -> Self {
        Self {
            offset,
            topic_id: None,
            leader_epoch: None,
        }
    }

    fn of(lease: &RawDocument) -> Option<Self> {
        let topic_id = lease.get_str("topic_id").ok();
        Some(Self {
            offset: lease.get_i64("offset").ok()?,
            topic_id: topic_id.and_then(|id| id.parse().ok()),
            leader_epoch: lease.get_i32("leader_epoch").ok(),
        })
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

impl Leases {
    pub fn new(
        context: &Context,
        storage: &StorageSettings,
        store: &Connection,
        member: String,
    ) -> Self {
        Self {
            checkpoints: store.documents(&storage.checkpoint_collection()),
            members: store.documents(&storage.member_collection()),
            group: storage.checkpoint_owner(&context.settings).to_owned(),
            member,
        }
    }

    /// Returns the collection of leases. It is that of the checkpoints.
    pub fn checkpoints(&self) -> Documents {
        self.checkpoints.clone()
    }

    /// Writes a heartbeat. Each must have another number.
    pub async fn heartbeat(&self, number: i64) -> Result<(), Error> {
        let filter = doc! { "_id": self.member_key(&self.member) };
        let update = doc! { "$set": { "beat": number } };
        self.members.update(filter, update, Upsert::Yes).await?;
        Ok(())
    }

    /// Reads all members and all leases.
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

    /// Claims a partition whose lease has the epoch `seen`. Without a lease, it starts at `begin`.
    ///
    /// Returns `None` if another member was faster.
    pub async fn claim(
        &self,
        context: &Context,
        partition: TopicPartition,
        seen: i64,
        begin: Place,
    ) -> Result<Option<Claimed>, Error> {
        let epoch = seen + 1;
        let key = self.lease_key(context, partition);
        let (filter, update, upsert) = if seen == 0 {
            let filter = doc! { "_id": &key, "epoch": { "$lt": epoch } };
            let mut lease = doc! {
                "topic": context.topic(partition),
                "partition": partition.number,
                "epoch": epoch,
                "owner": &self.member,
            };
            lease.extend(begin.fields());
            (filter, lease, Upsert::Yes)
        } else {
            let filter = doc! { "_id": &key, "epoch": seen };
            let lease = doc! { "epoch": epoch, "owner": &self.member };
            (filter, lease, Upsert::No)
        };
        self.checkpoints
            .update(filter, doc! { "$set": update }, upsert)
            .await?;
        // The epoch is raised, so no older owner can change the offset that is read here. The read
        // also shows whether a claim with a lost response has succeeded.
        let lease = self.checkpoints.find_one(doc! { "_id": &key }).await?;
        let ours = |lease: &RawDocument| {
            lease.get_i64("epoch").is_ok_and(|found| found == epoch)
                && lease
                    .get_str("owner")
                    .is_ok_and(|owner| owner == self.member)
        };
        Ok(lease.filter(|lease| ours(lease)).map(|lease| Claimed {
            epoch,
            place: Place::of(&lease).unwrap_or(begin),
        }))
    }

    /// Moves the checkpoint of a partition that this member owns.
    pub async fn place(
        &self,
        context: &Context,
        partition: TopicPartition,
        epoch: i64,
        place: Place,
    ) -> Result<(), Error> {
        let key = self.lease_key(context, partition);
        let filter = doc! { "_id": key, "epoch": epoch, "owner": &self.member };
        let update = doc! { "$set": place.fields() };
        self.checkpoints.update(filter, update, Upsert::No).await?;
        Ok(())
    }

    /// Frees a partition, unless another member has taken it over.
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

    /// Sets the checkpoint of a partition. Its current owner loses the partition.
    pub async fn reset(
        &self,
        context: &Context,
        partition: TopicPartition,
        place: Place,
    ) -> Result<(), Error> {
        let filter = doc! { "_id": self.lease_key(context, partition) };
        let mut lease = doc! {
            "topic": context.topic(partition),
            "partition": partition.number,
            "owner": bson::Bson::Null,
        };
        lease.extend(place.fields());
        let update = doc! { "$set": lease, "$inc": { "epoch": 1_i64 } };
        self.checkpoints.update(filter, update, Upsert::Yes).await?;
        Ok(())
    }

    /// Removes a dead member, unless it has sent a heartbeat after `heartbeat`.
    pub async fn evict(&self, member: &str, heartbeat: i64) -> Result<(), Error> {
        let filter = doc! { "_id": self.member_key(member), "beat": heartbeat };
        self.members.remove(filter).await
    }

    /// Frees all partitions of this member and leaves the group.
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

    /// Matches every document of the group by a range of keys: those that start with its name and a
    /// slash. The character after the slash is `0`.
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
