//! `OffsetCommit`: stores the offsets up to which a group has read.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_OffsetCommit>

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, TopicRef};
use crate::faults::{Fault, Moment};
use crate::group::{Committed, Identity};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// Bytes of metadata of one offset: Kafka's own limit.
const MAX_METADATA_BYTES: usize = 4_096;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub group: &'a str,
    /// Generation of the member; -1 outside a group.
    pub generation: i32,
    pub identity: Identity<'a>,
    pub topics: Vec<TopicOffsets<'a>>,
}

/// A topic's name and offsets of its partitions.
pub type TopicOffsets<'a> = (&'a str, Vec<PartitionOffset<'a>>);

/// A topic's name, and its partitions with their errors.
pub type TopicErrors<'a> = (&'a str, Vec<(i32, Option<ResponseError>)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionOffset<'a> {
    pub partition: i32,
    /// Offset of the next record to read.
    pub offset: i64,
    /// Leader epoch of the record before it; -1 if unknown.
    pub leader_epoch: i32,
    pub metadata: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let group = reader.string()?;
        let generation = reader.i32()?;
        let member = reader.string()?;
        let instance = if version >= 7 {
            reader.nullable_string()?
        } else {
            None
        };
        if version <= 4 {
            let _retention_time_ms = reader.i64()?;
        }
        let topics = PartitionOffset::decode_all(reader, version >= 6)?;
        reader.tags()?;
        Ok(Self {
            group,
            generation,
            identity: Identity { member, instance },
            topics,
        })
    }
}

impl<'a> PartitionOffset<'a> {
    /// Decodes offsets by topic; `with_epoch` if the version has the leader epoch.
    pub fn decode_all(
        reader: &mut Reader<'a>,
        with_epoch: bool,
    ) -> Result<Vec<TopicOffsets<'a>>, wire::Error> {
        reader.array(|reader| {
            let name = reader.string()?;
            let partitions = reader.array(|reader| Self::decode(reader, with_epoch))?;
            reader.tags()?;
            Ok((name, partitions))
        })
    }

    fn decode(reader: &mut Reader<'a>, with_epoch: bool) -> Result<Self, wire::Error> {
        let partition = reader.i32()?;
        let offset = reader.i64()?;
        let leader_epoch = if with_epoch { reader.i32()? } else { -1 };
        let metadata = reader.nullable_string()?;
        reader.tags()?;
        Ok(Self {
            partition,
            offset,
            leader_epoch,
            metadata,
        })
    }

    fn check(&self, cluster: &Cluster, topic: &str) -> Result<Committed, ResponseError> {
        cluster.partition(TopicRef::Name(topic), self.partition)?;
        if self
            .metadata
            .is_some_and(|text| text.len() > MAX_METADATA_BYTES)
        {
            return Err(ResponseError::OffsetMetadataTooLarge);
        }
        Ok(Committed {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata.map(str::to_owned),
        })
    }
}

/// Returns the error of each partition, if any, by topic, and hands over the valid offsets.
pub fn check_all<'a>(
    cluster: &Cluster,
    topics: &[TopicOffsets<'a>],
    mut valid: impl FnMut(&'a str, i32, Committed),
) -> Vec<TopicErrors<'a>> {
    let mut checks = Vec::with_capacity(topics.len());
    for (topic, partitions) in topics {
        let mut outcomes = Vec::with_capacity(partitions.len());
        for wanted in partitions {
            let checked = wanted.check(cluster, topic);
            outcomes.push((wanted.partition, checked.as_ref().err().copied()));
            if let Ok(committed) = checked {
                valid(topic, wanted.partition, committed);
            }
        }
        checks.push((*topic, outcomes));
    }
    checks
}

/// Commits all valid offsets, or none of them.
pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let mut valid = Vec::new();
    let checks = check_all(cluster, &request.topics, |topic, partition, committed| {
        valid.push((topic, partition, committed));
    });
    let groups = cluster.groups();
    let committed = injected(cluster, request.group)
        .and_then(|()| groups.commit(request.group, request.identity, request.generation, &valid));
    let failed = committed.err();
    let topics = checks.into_iter().map(|(topic, outcomes)| {
        let partitions = outcomes.into_iter().map(|(partition, error)| {
            let code = error.or(failed).map_or(0, |error| error.code());
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition)
                .with_error_code(code)
        });
        OffsetCommitResponseTopic::default()
            .with_name(TopicName(str_bytes(topic)))
            .with_partitions(partitions.collect())
    });
    reply.send(&OffsetCommitResponse::default().with_topics(topics.collect()))
}

/// Asks the fault hook for an error code.
fn injected(cluster: &Cluster, group: &str) -> Result<(), ResponseError> {
    let moment = Moment::BeforeCommit { group };
    match cluster.faults().and_then(|hook| hook.fault_for(&moment)) {
        Some(Fault::Refuse(code)) => {
            Err(ResponseError::try_from_code(code).unwrap_or(ResponseError::UnknownServerError))
        }
        _ => Ok(()),
    }
}
