//! Offsets and members of a group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::describe_groups_request::DescribeGroupsRequest;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestTopic};
use kafka_protocol::protocol::StrBytes;

use crate::broker::error::Error;
use crate::broker::group::coordinator::Coordinator;
use crate::broker::group::identity::Identity;
use crate::broker::group::protocol::Partitions;
use crate::broker::group::requests::{
    COMMIT_WITH_INSTANCE, DESCRIBE_GROUPS, OFFSET_COMMIT, OFFSET_FETCH, OffsetAnswer,
    decode_commit, decode_groups, decode_offsets, group_id, text,
};
use crate::broker::remedy::GroupStep;
use crate::broker::wire::{self, ErrorCode};

/// Metadata of the offsets that convoy commits. It tells them from those of other programs.
pub const COMMIT_METADATA: &str = "convoy";

/// The committed offset of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Offset of the next record.
    pub offset: i64,
    /// Epoch of the leader that appended the record before it; `None` if it is not stated.
    pub leader_epoch: Option<i32>,
    /// Whether convoy committed it, not another consumer or a tool.
    pub by_convoy: bool,
}

/// A member of a group, as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Name that the client has given itself.
    pub client_id: String,
    /// Host as the broker sees it.
    pub host: String,
}

/// A group, as its coordinator describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupDescription {
    /// State in Kafka's words, such as `Stable`; that of a group that does not exist is `Dead`.
    pub state: String,
    /// Its members.
    pub members: Vec<MemberDescription>,
}

/// Offsets by topic and partition.
pub type Offsets = BTreeMap<(String, i32), i64>;

impl Coordinator {
    /// Requests the committed offsets of partitions. Those without one are absent.
    pub async fn committed(
        &mut self,
        partitions: &Partitions,
    ) -> Result<BTreeMap<(String, i32), Committed>, Error> {
        let group = group_id(self.group());
        let topic = |(topic, numbers): (&String, &BTreeSet<i32>)| {
            OffsetFetchRequestTopic::default()
                .with_name(TopicName(text(topic)))
                .with_partition_indexes(numbers.iter().copied().collect())
        };
        let topics: Vec<_> = partitions.iter().map(topic).collect();
        let request = |_version| {
            OffsetFetchRequest::default()
                .with_group_id(group)
                .with_topics(Some(topics))
        };
        let wait = Duration::ZERO;
        let offsets: Vec<OffsetAnswer> = self
            .call(
                GroupStep::Committed,
                OFFSET_FETCH,
                wait,
                request,
                decode_offsets,
            )
            .await?;
        let mut committed = BTreeMap::new();
        for answer in offsets {
            self.check(GroupStep::Committed, answer.code)?;
            if answer.offset >= 0 {
                let offset = Committed {
                    offset: answer.offset,
                    leader_epoch: answer.leader_epoch,
                    by_convoy: answer.metadata == COMMIT_METADATA,
                };
                committed.insert((answer.topic, answer.number), offset);
            }
        }
        Ok(committed)
    }

    /// Commits offsets of a group without members.
    pub async fn commit_without_members(&mut self, offsets: &Offsets) -> Result<(), Error> {
        let client = Identity::default();
        self.commit_as(&client, offsets, COMMIT_METADATA).await
    }

    /// Commits offsets as another program does it.
    #[cfg(test)]
    pub async fn commit_with_metadata(
        &mut self,
        offsets: &Offsets,
        metadata: &'static str,
    ) -> Result<(), Error> {
        self.commit_as(&Identity::default(), offsets, metadata)
            .await
    }

    /// Commits offsets as a member. Offsets of topics that do not exist any more are left out.
    pub(super) async fn commit_as(
        &mut self,
        identity: &Identity,
        offsets: &Offsets,
        metadata: &'static str,
    ) -> Result<(), Error> {
        let group = group_id(self.group());
        let mut topics: BTreeMap<&String, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for ((topic, number), offset) in offsets {
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(*number)
                .with_committed_offset(*offset)
                .with_committed_metadata(Some(StrBytes::from_static_str(metadata)));
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(topic, partitions): (&String, _)| {
            OffsetCommitRequestTopic::default()
                .with_name(TopicName(text(topic)))
                .with_partitions(partitions)
        };
        let topics: Vec<_> = topics.into_iter().map(topic).collect();
        let request = |version| {
            let request = OffsetCommitRequest::default()
                .with_group_id(group)
                .with_generation_id_or_member_epoch(identity.generation)
                .with_member_id(text(&identity.member_id))
                .with_topics(topics);
            match &identity.instance {
                Some(instance) if version >= COMMIT_WITH_INSTANCE => {
                    request.with_group_instance_id(Some(text(instance)))
                }
                _ => request,
            }
        };
        let wait = Duration::ZERO;
        let decode = |response: &wire::Response| Ok((0, decode_commit(response)?));
        let committed: Vec<(String, i32, i16)> = self
            .call(GroupStep::Commit, OFFSET_COMMIT, wait, request, decode)
            .await?;
        for (topic, partition, code) in committed {
            if code == ResponseError::UnknownTopicOrPartition.code() {
                tracing::debug!(topic, partition, "the topic of an offset does not exist");
                continue;
            }
            self.check(GroupStep::Commit, code)?;
        }
        Ok(())
    }

    /// Requests the members of the group. A group that does not exist has none.
    pub async fn members(&mut self) -> Result<Vec<MemberDescription>, Error> {
        Ok(self.describe().await?.members)
    }

    /// Requests the state and the members of the group.
    pub async fn describe(&mut self) -> Result<GroupDescription, Error> {
        let group = group_id(self.group());
        let request = |_version| DescribeGroupsRequest::default().with_groups(vec![group]);
        let wait = Duration::ZERO;
        let decode = |response: &wire::Response| {
            let described = decode_groups(response)?.pop();
            let described = described.map(|it| (it.code, (it.state, it.members)));
            Ok(described.unwrap_or_default())
        };
        let (state, members) = self
            .call(GroupStep::Describe, DESCRIBE_GROUPS, wait, request, decode)
            .await?;
        let member = |(client_id, host)| MemberDescription { client_id, host };
        Ok(GroupDescription {
            state,
            members: members.into_iter().map(member).collect(),
        })
    }

    /// Checks the error code of one partition.
    fn check(&mut self, step: GroupStep, code: i16) -> Result<(), Error> {
        let refused = ErrorCode::check(code);
        refused.map_err(|code| self.refused(step, code))
    }
}
