//! Topics, records and committed offsets, read and written without a client: for tests.
//!
//! Nothing here asks the fault hook or waits for a connection, so a test sees the truth while its
//! clients see faults.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use convoy_server_kit::unix_ms;

use crate::batch::{HEADER_BYTES, Header};
use crate::cluster::{Cluster, TopicRef};
use crate::codec;
use crate::log::Aborted;
use crate::partition::{Found, Isolation, Partition, Reading};
use crate::partitioner::partition_of_key;
use crate::server::KafkaServer;
use crate::topic::Topic;
use crate::varint::{put_varint, varint};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Records that one call returns at most.
const MAX_RECORDS: usize = 1_000_000;

/// A record of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Index of the partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key; `None` if it is null.
    pub key: Option<Bytes>,
    /// The value; `None` if it is null.
    pub value: Option<Bytes>,
    /// Names and values in order.
    pub headers: Vec<(String, Option<Bytes>)>,
}

impl Record {
    /// Returns the key as text; `None` if it is null or not UTF-8.
    pub fn key_str(&self) -> Option<&str> {
        std::str::from_utf8(self.key.as_deref()?).ok()
    }

    /// Returns the value as text; `None` if it is null or not UTF-8.
    pub fn value_str(&self) -> Option<&str> {
        std::str::from_utf8(self.value.as_deref()?).ok()
    }
}

/// What a group has committed for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupProgress {
    /// State in Kafka's words, such as `Stable`; `None` if the group does not exist.
    pub state: Option<&'static str>,
    /// Number of members.
    pub members: usize,
    /// One for each partition, in order.
    pub partitions: Vec<PartitionProgress>,
}

/// What a group has committed for a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionProgress {
    /// Index of the partition.
    pub partition: i32,
    /// Offset after the last record that the group has read; `None` before the first commit.
    pub committed: Option<i64>,
    /// Offset of the first record.
    pub start: i64,
    /// Offset after the last record.
    pub end: i64,
}

impl DataError {
    /// Returns a sentence on what the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Stopped => "start the broker again",
            Self::UnknownTopic { .. } => "create the topic, or correct its name",
            Self::Topic { .. } => {
                "pass a name of at most 249 letters, digits, `.`, `_` and `-`, and fewer partitions"
            }
            Self::TooMany { .. } => "read the topic with a client",
            Self::Storage { .. } => "check the disk and the permissions of the data directory",
        }
    }
}

impl PartitionProgress {
    /// Returns the number of committed records.
    pub fn records(&self) -> u64 {
        let committed = self.committed.unwrap_or(self.start);
        u64::try_from(committed.saturating_sub(self.start)).unwrap_or(0)
    }
}

/// The data cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The server does not serve: a restart has failed.
    #[error("the broker is stopped")]
    Stopped,
    /// There is no such topic.
    #[error("topic `{topic}` does not exist ({})", list(.known))]
    UnknownTopic {
        /// The name that was asked for.
        topic: String,
        /// All topics.
        known: Vec<String>,
    },
    /// The topic cannot be created.
    #[error("topic `{topic}` cannot be created: {reason}")]
    Topic {
        /// Name of the topic.
        topic: String,
        /// Kafka's name of the error.
        reason: String,
    },
    /// The topic has more records than one call returns.
    #[error("topic `{topic}` has more than {MAX_RECORDS} records; read it with a client")]
    TooMany {
        /// Name of the topic.
        topic: String,
    },
    /// A log cannot be read or written.
    #[error("failed to read or write partition {partition} of topic `{topic}`")]
    Storage {
        /// Name of the topic.
        topic: String,
        /// Index of the partition.
        partition: i32,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

fn list(topics: &[String]) -> String {
    if topics.is_empty() {
        return "the broker has no topics".to_owned();
    }
    format!("the broker has `{}`", topics.join("`, `"))
}

impl KafkaServer {
    /// Creates a topic.
    pub fn add_topic(&self, topic: &str, partitions: i32) -> Result<(), DataError> {
        let created = self
            .data()?
            .create_topic(topic, partitions, BTreeMap::default());
        created.map(drop).map_err(|reason| DataError::Topic {
            topic: topic.to_owned(),
            reason: format!("{reason:?}"),
        })
    }

    /// Returns the names of all topics in order.
    pub fn topics(&self) -> Result<Vec<String>, DataError> {
        Ok(names(self.data()?))
    }

    /// Returns the number of partitions of a topic; `None` if it does not exist.
    pub fn partition_count(&self, topic: &str) -> Result<Option<u32>, DataError> {
        let found = self.data()?.topic(TopicRef::Name(topic));
        Ok(found
            .ok()
            .map(|topic| topic.partition_count().unsigned_abs()))
    }

    /// Returns the records of a topic in order of partition and offset, as a `read_committed`
    /// consumer gets them.
    pub fn records(&self, topic: &str) -> Result<Vec<Record>, DataError> {
        let topic = known(self.data()?, topic)?;
        let mut records = Vec::new();
        for (index, partition) in (0..).zip(topic.partitions()) {
            read(&topic, index, &partition, &mut records)?;
        }
        Ok(records)
    }

    /// Appends a record to the partition that Kafka's own producers choose for its key, to
    /// partition 0 without a key. Returns its offset. The topic is created if it does not exist.
    pub fn append(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<i64, DataError> {
        let cluster = self.data()?;
        if cluster.topic(TopicRef::Name(topic)).is_err() {
            self.add_topic(topic, -1)?;
        }
        let topic = known(cluster, topic)?;
        let partitions = topic.partition_count().unsigned_abs().max(1);
        let index = key.map_or(0, |key| partition_of_key(key, partitions));
        let index = index.cast_signed();
        let (header, bytes) = encode(key, value);
        let partition = topic.partition(index);
        let partition = partition.map_err(|_unknown| unknown(cluster, topic.name()))?;
        let appended = partition.append(&header, &bytes);
        appended.map_err(|source| failed(&topic, index, source))
    }

    /// Returns what a group has committed for a topic.
    pub fn progress(&self, group: &str, topic: &str) -> Result<GroupProgress, DataError> {
        let cluster = self.data()?;
        let found = known(cluster, topic)?;
        let offsets = cluster.groups().offsets(group);
        let partitions = (0..).zip(found.partitions()).map(|(index, partition)| {
            let range = partition.offsets();
            PartitionProgress {
                partition: index,
                committed: offsets.get(topic, index).map(|known| known.offset),
                start: range.start,
                end: range.next,
            }
        });
        let described = cluster.groups().describe(group);
        Ok(GroupProgress {
            state: described.as_ref().map(|known| known.listing.state),
            members: described.map_or(0, |known| known.members.len()),
            partitions: partitions.collect(),
        })
    }

    fn data(&self) -> Result<&Cluster, DataError> {
        self.serving_cluster().ok_or(DataError::Stopped)
    }
}

fn names(cluster: &Cluster) -> Vec<String> {
    let topics = cluster.topics();
    topics.iter().map(|topic| topic.name().to_owned()).collect()
}

fn known(cluster: &Cluster, topic: &str) -> Result<Arc<Topic>, DataError> {
    let found = cluster.topic(TopicRef::Name(topic));
    found.map_err(|_code| unknown(cluster, topic))
}

fn unknown(cluster: &Cluster, topic: &str) -> DataError {
    DataError::UnknownTopic {
        topic: topic.to_owned(),
        known: names(cluster),
    }
}

fn failed(
    topic: &Topic,
    partition: i32,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> DataError {
    DataError::Storage {
        topic: topic.name().to_owned(),
        partition,
        source: source.into(),
    }
}

/// Reads a partition from its start.
pub fn read(
    topic: &Topic,
    index: i32,
    partition: &Partition,
    records: &mut Vec<Record>,
) -> Result<(), DataError> {
    let reading = Reading {
        max_bytes: CHUNK_BYTES,
        first_regardless: true,
        isolation: Isolation::ReadCommitted,
    };
    let mut offset = partition.offsets().start;
    loop {
        let found = partition.find(offset, reading);
        let found = found.map_err(|source| failed(topic, index, source))?;
        let Found { slice, aborted, .. } = found;
        let Some(slice) = slice.filter(|slice| slice.bytes > 0) else {
            return Ok(());
        };
        let mut bytes = vec![0; slice.bytes];
        let read = slice.read(&mut bytes);
        read.map_err(|source| failed(topic, index, source))?;
        let decoded = decode(index, &bytes, offset, &aborted.unwrap_or_default(), records);
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        decoded.ok_or_else(|| failed(topic, index, damaged()))?;
        if records.len() > MAX_RECORDS {
            return Err(DataError::TooMany {
                topic: topic.name().to_owned(),
            });
        }
        offset = slice.end_offset;
    }
}

/// Decodes the records of batches from an offset on; `None` if the bytes are damaged.
fn decode(
    partition: i32,
    mut bytes: &[u8],
    from: i64,
    aborted: &[Aborted],
    records: &mut Vec<Record>,
) -> Option<()> {
    while !bytes.is_empty() {
        let header = Header::parse(bytes).ok()?;
        let body = bytes.get(HEADER_BYTES..header.total_bytes)?;
        bytes = bytes.get(header.total_bytes..)?;
        let is_aborted = |entry: &Aborted| {
            entry.producer_id == header.producer_id
                && (entry.first..entry.marker).contains(&header.base_offset)
        };
        if header.control() || header.transactional() && aborted.iter().any(is_aborted) {
            continue;
        }
        let body = codec::decompress(header.codec(), body, codec::MAX_BYTES).ok()?;
        let mut fields = &body[..];
        for _ in 0..header.records {
            let record = record(&header, partition, &mut fields)?;
            if record.offset >= from {
                records.push(record);
            }
        }
    }
    Some(())
}

/// Decodes a record; `None` if the bytes end within it.
fn record(header: &Header, partition: i32, input: &mut &[u8]) -> Option<Record> {
    let _length = varint(input)?;
    let (_attributes, rest) = input.split_first()?;
    *input = rest;
    let since = varint(input)?;
    let timestamp = if header.log_append_time() {
        header.max_timestamp
    } else {
        header.base_timestamp.checked_add(since)?
    };
    let offset = header.base_offset.checked_add(varint(input)?)?;
    let key = nullable(input)?;
    let value = nullable(input)?;
    let count = varint(input)?;
    let mut headers = Vec::new();
    for _ in 0..count {
        let name = nullable(input)?.unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        headers.push((name, nullable(input)?));
    }
    Some(Record {
        partition,
        offset,
        timestamp,
        key,
        value,
        headers,
    })
}

/// Reads bytes with a length, which is -1 for null; the outer `None` if the input ends before them.
#[expect(clippy::option_option, reason = "damaged, null, or bytes")]
fn nullable(input: &mut &[u8]) -> Option<Option<Bytes>> {
    let length = varint(input)?;
    if length < 0 {
        return Some(None);
    }
    let (bytes, rest) = input.split_at_checked(usize::try_from(length).ok()?)?;
    *input = rest;
    Some(Some(Bytes::copy_from_slice(bytes)))
}

/// Returns header and bytes of a batch of one record.
fn encode(key: Option<&[u8]>, value: Option<&[u8]>) -> (Header, Vec<u8>) {
    let mut fields = vec![0, 0, 0]; // attributes, time and offset from those of the batch
    for part in [key, value] {
        let length = part.map_or(-1, |part| i64::try_from(part.len()).unwrap_or(i64::MAX));
        put_varint(length, &mut fields);
        fields.extend(part.unwrap_or_default());
    }
    put_varint(0, &mut fields); // headers
    let mut body = Vec::with_capacity(fields.len() + 5);
    put_varint(i64::try_from(fields.len()).unwrap_or(0), &mut body);
    body.extend(fields);
    let now = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
    let header = Header::of_record(now, &body);
    let mut bytes = header.encode(0, 0).to_vec();
    bytes.extend(body);
    (header, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn texts(records: &[Record]) -> Vec<(i64, &[u8])> {
        let text = |record: &'_ Record| record.offset;
        let values = records.iter().map(|it| it.value.as_deref().unwrap_or(b""));
        records.iter().map(text).zip(values).collect()
    }

    #[tokio::test]
    async fn appended_records_are_read_in_order_of_partition_and_offset() {
        let server = KafkaServer::start(Settings::default()).await.unwrap();
        assert_eq!(server.partition_count("orders").unwrap(), None);
        server.add_topic("orders", 3).unwrap();
        assert_eq!(server.partition_count("orders").unwrap(), Some(3));
        for (key, value) in [("21", "a"), ("abc", "b"), ("21", "c")] {
            let appended = server.append("orders", Some(key.as_bytes()), Some(value.as_bytes()));
            appended.unwrap();
        }
        server.append("orders", None, None).unwrap();
        let records = server.records("orders").unwrap();
        let places = records.iter().map(|it| (it.partition, it.offset));
        assert!(places.is_sorted());
        for record in &records {
            let expected = record
                .key
                .as_deref()
                .map_or(0, |key| partition_of_key(key, 3));
            assert_eq!(record.partition, expected.cast_signed());
        }
        assert_eq!(records.len(), 4);
        assert_eq!(records.iter().filter(|it| it.value.is_none()).count(), 1);
        server.stop().await.unwrap();
    }

    #[tokio::test]
    async fn unknown_topic_is_named_beside_the_known_ones() {
        let server = KafkaServer::start(Settings::default()).await.unwrap();
        let error = server.records("orders").unwrap_err().to_string();
        assert_eq!(
            error,
            "topic `orders` does not exist (the broker has no topics)"
        );
        server.append("order", None, Some(b"x")).unwrap();
        let error = server
            .progress("billing", "orders")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "topic `orders` does not exist (the broker has `order`)"
        );
        let error = server.add_topic("order", 1).unwrap_err().to_string();
        assert_eq!(error, "topic `order` cannot be created: TopicAlreadyExists");
        server.stop().await.unwrap();
    }

    #[test]
    fn batches_of_every_codec_are_decoded_from_an_offset_on() {
        let mut body = Vec::new();
        for (delta, value) in [(0, "a"), (1, "bb"), (2, "ccc")] {
            let mut fields = vec![0];
            put_varint(delta * 10, &mut fields);
            put_varint(delta, &mut fields);
            put_varint(-1, &mut fields);
            put_varint(i64::try_from(value.len()).unwrap(), &mut fields);
            fields.extend(value.as_bytes());
            put_varint(1, &mut fields);
            put_varint(1, &mut fields);
            fields.push(b'h');
            put_varint(-1, &mut fields);
            put_varint(i64::try_from(fields.len()).unwrap(), &mut body);
            body.extend(fields);
        }
        for codec in [
            codec::NONE,
            codec::GZIP,
            codec::SNAPPY,
            codec::LZ4,
            codec::ZSTD,
        ] {
            let mut compressed = Vec::new();
            codec::compress(codec, &body, &mut compressed).unwrap();
            let mut header = Header::of_record(1_000, &compressed);
            header.attributes = codec;
            header.records = 3;
            header.last_offset_delta = 2;
            let mut bytes = header.encode(7, 0).to_vec();
            bytes.extend(&compressed);
            let mut records = Vec::new();
            decode(2, &bytes, 8, &[], &mut records).unwrap();
            assert_eq!(texts(&records), [(8, &b"bb"[..]), (9, b"ccc")]);
            assert_eq!(records[1].timestamp, 1_020);
            assert_eq!(records[1].headers, [("h".to_owned(), None)]);
            for end in 1..bytes.len() {
                assert!(decode(2, &bytes[..end], 0, &[], &mut Vec::new()).is_none());
            }
        }
    }

    #[tokio::test]
    async fn progress_counts_from_the_start_of_the_log() {
        let server = KafkaServer::start(Settings::default()).await.unwrap();
        server.add_topic("orders", 2).unwrap();
        for _ in 0..3 {
            server.append("orders", None, Some(b"x")).unwrap();
        }
        let progress = server.progress("billing", "orders").unwrap();
        assert_eq!((progress.state, progress.members), (None, 0));
        assert_eq!(progress.partitions.len(), 2);
        assert_eq!(progress.partitions[0].end, 3);
        assert_eq!(progress.partitions[0].records(), 0);
        server.stop().await.unwrap();
    }
}
