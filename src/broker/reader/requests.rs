//! Requests of a reader, and the responses to them. Each is about one partition.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#protocol_messages>
//! - KIP-98 (transactions), KIP-320 (leader epochs), KIP-516 (topic ids)

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use convoy_kafka_server::protocol::{FieldError, Reader};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::broker::reader::aborted::AbortedTransaction;
use crate::broker::reader::topic_id::TopicId;
use crate::broker::wire::Response;

/// Versions with the messages of transactions.
pub const FETCH: RangeInclusive<i16> = 4..=16;
pub const LIST_OFFSETS: RangeInclusive<i16> = 2..=7;
pub const OFFSET_FOR_LEADER_EPOCH: RangeInclusive<i16> = 2..=4;

/// First version of the fetch request that names topics by their ids.
const WITH_TOPIC_IDS: i16 = 13;

/// Timestamps that ask for the first offset, and for the offset after the last one.
pub const EARLIEST: i64 = -2;
pub const LATEST: i64 = -1;

/// A full fetch, not one of a session.
const NO_SESSION: i32 = -1;

/// The number of a client that is not a broker.
const NO_REPLICA: i32 = -1;

/// A response about one partition.
#[derive(Debug)]
pub struct Answer<T> {
    /// Error code of the whole response.
    pub code: i16,
    /// Error code and content of the partition; `None` if the response lacks it.
    pub partition: Option<(i16, T)>,
}

/// What a fetch response says of the partition.
#[derive(Debug)]
pub struct PartitionData {
    pub throttled: bool,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub aborted: Vec<AbortedTransaction>,
    pub records: Bytes,
}

/// What requests are about.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub topic: &'a str,
    pub topic_id: Option<TopicId>,
    pub number: i32,
    /// Kafka's number: 0 reads all, 1 what is committed.
    pub isolation_level: i8,
}

impl Target<'_> {
    fn name(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.topic.to_owned()))
    }

    /// Returns the versions of a fetch: without the id of the topic, those that name it.
    pub fn fetch_versions(&self) -> RangeInclusive<i16> {
        match self.topic_id {
            Some(_) => FETCH,
            None => *FETCH.start()..=WITH_TOPIC_IDS - 1,
        }
    }

    pub fn fetch(&self, version: i16, offset: i64, max_bytes: i32, wait: Duration) -> FetchRequest {
        let partition = FetchPartition::default()
            .with_partition(self.number)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(max_bytes);
        let topic = FetchTopic::default().with_partitions(vec![partition]);
        let topic = match self.topic_id {
            Some(id) if version >= WITH_TOPIC_IDS => topic.with_topic_id(id.uuid()),
            _ => topic.with_topic(self.name()),
        };
        FetchRequest::default()
            .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(1)
            .with_max_bytes(max_bytes)
            .with_isolation_level(self.isolation_level)
            .with_session_epoch(NO_SESSION)
            .with_topics(vec![topic])
    }

    pub fn list_offsets(&self, timestamp: i64) -> ListOffsetsRequest {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(self.number)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(self.name())
            .with_partitions(vec![partition]);
        ListOffsetsRequest::default()
            .with_replica_id(NO_REPLICA.into())
            .with_isolation_level(self.isolation_level)
            .with_topics(vec![topic])
    }

    pub fn offset_for_leader_epoch(&self, version: i16, epoch: i32) -> OffsetForLeaderEpochRequest {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(self.number)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(self.name())
            .with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        if version >= 3 {
            request.with_replica_id(NO_REPLICA.into())
        } else {
            request
        }
    }

    pub fn decode_fetch(&self, response: &Response) -> Result<Answer<PartitionData>, FieldError> {
        let (mut reader, version) = (response.reader(), response.version);
        let throttled = reader.i32()? > 0;
        let mut code = 0;
        if version >= 7 {
            code = reader.i16()?;
            let _session = reader.i32()?;
        }
        let mut partition = None;
        reader.array(|reader| {
            if version >= WITH_TOPIC_IDS {
                let _id = reader.uuid()?;
            } else {
                let _name = reader.string()?;
            }
            reader.array(|reader| {
                let (number, found, data) = decode_partition(reader, response)?;
                if number == self.number {
                    partition = Some((found, PartitionData { throttled, ..data }));
                }
                Ok(())
            })?;
            reader.tags()
        })?;
        Ok(Answer { code, partition })
    }

    /// Reads the offset of a response to [`Self::list_offsets`].
    pub fn decode_offset(&self, response: &Response) -> Result<Answer<i64>, FieldError> {
        self.decode_partition_of(response, |reader| {
            let number = reader.i32()?;
            let code = reader.i16()?;
            let _timestamp = reader.i64()?;
            let offset = reader.i64()?;
            if response.version >= 4 {
                let _leader_epoch = reader.i32()?;
            }
            Ok((number, code, offset))
        })
    }

    /// Reads the end of an epoch; it is negative if the broker does not know the epoch.
    pub fn decode_epoch_end(&self, response: &Response) -> Result<Answer<i64>, FieldError> {
        self.decode_partition_of(response, |reader| {
            let code = reader.i16()?;
            let number = reader.i32()?;
            let _leader_epoch = reader.i32()?;
            let end = reader.i64()?;
            Ok((number, code, end))
        })
    }

    /// Reads a response of partitions by topic, each with its number, its error code and an offset, and
    /// returns those of the partition.
    fn decode_partition_of(
        &self,
        response: &Response,
        decode: impl Fn(&mut Reader<'_>) -> Result<(i32, i16, i64), FieldError>,
    ) -> Result<Answer<i64>, FieldError> {
        let mut reader = response.reader();
        let _throttle_time = reader.i32()?;
        let mut partition = None;
        reader.array(|reader| {
            let _name = reader.string()?;
            reader.array(|reader| {
                let (number, code, offset) = decode(reader)?;
                if number == self.number {
                    partition = Some((code, offset));
                }
                reader.tags()
            })?;
            reader.tags()
        })?;
        Ok(Answer { code: 0, partition })
    }
}

/// Returns number, error code and content of a partition.
fn decode_partition(
    reader: &mut Reader<'_>,
    response: &Response,
) -> Result<(i32, i16, PartitionData), FieldError> {
    let number = reader.i32()?;
    let code = reader.i16()?;
    let high_watermark = reader.i64()?;
    let last_stable_offset = reader.i64()?;
    if response.version >= 5 {
        let _log_start_offset = reader.i64()?;
    }
    let aborted = reader.nullable_array(|reader| {
        let transaction = AbortedTransaction {
            producer_id: reader.i64()?,
            first_offset: reader.i64()?,
        };
        reader.tags()?;
        Ok(transaction)
    })?;
    if response.version >= 11 {
        let _preferred_read_replica = reader.i32()?;
    }
    let records = reader.nullable_bytes()?.unwrap_or_default();
    let records = response.body.slice_ref(records);
    reader.tags()?;
    let data = PartitionData {
        throttled: false,
        high_watermark,
        last_stable_offset,
        aborted: aborted.unwrap_or_default(),
        records,
    };
    Ok((number, code, data))
}
