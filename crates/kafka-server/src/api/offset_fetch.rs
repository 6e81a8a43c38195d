//! `OffsetFetch`: the committed offsets of groups.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_OffsetFetch>
//! - KIP-709 (several groups since version 8)

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{GroupId, TopicName};

use crate::api::str_bytes::str_bytes;
use crate::api::topic_partitions::{TopicPartitions, topic_partitions};
use crate::cluster::Cluster;
use crate::group::Committed;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

pub const SEVERAL_GROUPS_SINCE: i16 = 8;
const LEADER_EPOCH_SINCE: i16 = 5;
const STABLE_SINCE: i16 = 7;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub groups: Vec<WantedGroup<'a>>,
    /// Whether an offset that a transaction may replace is an error.
    pub require_stable: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub struct WantedGroup<'a> {
    pub group: &'a str,
    /// Partitions by topic; `None` for all committed offsets.
    pub topics: Option<Vec<TopicPartitions<'a>>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let groups = if version >= SEVERAL_GROUPS_SINCE {
            reader.array(|reader| {
                let group = reader.string()?;
                if version >= 9 {
                    let _member = reader.nullable_string()?;
                    let _member_epoch = reader.i32()?;
                }
                let topics = reader.nullable_array(topic_partitions)?;
                reader.tags()?;
                Ok(WantedGroup { group, topics })
            })?
        } else {
            vec![WantedGroup {
                group: reader.string()?,
                topics: reader.nullable_array(topic_partitions)?,
            }]
        };
        let require_stable = version >= STABLE_SINCE && reader.bool()?;
        reader.tags()?;
        Ok(Self {
            groups,
            require_stable,
        })
    }
}

/// A committed offset, or that a transaction may replace it.
type Lookup = Result<Option<Committed>, ResponseError>;

/// A topic and the committed offsets of its partitions.
type Found = (String, Vec<(i32, Lookup)>);

/// Answers with the committed offsets; -1 if there is none.
pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let version = reply.version();
    if version >= SEVERAL_GROUPS_SINCE {
        let groups = request.groups.iter().map(|wanted| {
            let topics = find(cluster, request, wanted)
                .into_iter()
                .map(|(topic, found)| {
                    let partitions = found
                        .into_iter()
                        .map(|(index, committed)| describe(index, committed));
                    OffsetFetchResponseTopics::default()
                        .with_name(TopicName(str_bytes(&topic)))
                        .with_partitions(partitions.collect())
                });
            OffsetFetchResponseGroup::default()
                .with_group_id(GroupId(str_bytes(wanted.group)))
                .with_topics(topics.collect())
        });
        let response = OffsetFetchResponse::default().with_groups(groups.collect());
        return reply.send(&response);
    }
    let found = request.groups.first();
    let found = found.map(|wanted| find(cluster, request, wanted));
    let topics = found.into_iter().flatten().map(|(topic, found)| {
        let partitions = found
            .into_iter()
            .map(|(index, committed)| describe_classic(index, committed, version));
        OffsetFetchResponseTopic::default()
            .with_name(TopicName(str_bytes(&topic)))
            .with_partitions(partitions.collect())
    });
    reply.send(&OffsetFetchResponse::default().with_topics(topics.collect()))
}

fn find(cluster: &Cluster, request: &Request<'_>, wanted: &WantedGroup<'_>) -> Vec<Found> {
    let offsets = cluster.groups().offsets(wanted.group);
    let lookup = |topic: &str, index: i32| {
        let transactions = cluster.transactions();
        if request.require_stable && transactions.has_pending(wanted.group, topic, index) {
            return Err(ResponseError::UnstableOffsetCommit);
        }
        Ok(offsets.get(topic, index).cloned())
    };
    let Some(topics) = &wanted.topics else {
        let all = offsets.iter().map(|(topic, partitions)| {
            let partitions = partitions.iter();
            let found = partitions.map(|(index, _)| (*index, lookup(topic, *index)));
            (topic.to_owned(), found.collect())
        });
        return all.collect();
    };
    let topics = topics.iter().map(|(topic, partitions)| {
        let partitions = partitions.iter();
        let found = partitions.map(|index| (*index, lookup(topic, *index)));
        ((*topic).to_owned(), found.collect())
    });
    topics.collect()
}

fn describe(index: i32, committed: Lookup) -> OffsetFetchResponsePartitions {
    let response = OffsetFetchResponsePartitions::default().with_partition_index(index);
    let code = committed.as_ref().err().map_or(0, ResponseError::code);
    match committed.ok().flatten() {
        Some(committed) => response
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(committed.metadata.map(|text| str_bytes(&text))),
        None => response
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(str_bytes("")))
            .with_error_code(code),
    }
}

fn describe_classic(index: i32, committed: Lookup, version: i16) -> OffsetFetchResponsePartition {
    let response = OffsetFetchResponsePartition::default().with_partition_index(index);
    let code = committed.as_ref().err().map_or(0, ResponseError::code);
    match committed.ok().flatten() {
        Some(committed) => {
            let epoch = if version >= LEADER_EPOCH_SINCE {
                committed.leader_epoch
            } else {
                -1
            };
            response
                .with_committed_offset(committed.offset)
                .with_committed_leader_epoch(epoch)
                .with_metadata(committed.metadata.map(|text| str_bytes(&text)))
        }
        None => response
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(str_bytes("")))
            .with_error_code(code),
    }
}
