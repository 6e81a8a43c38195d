//! Where the partitions of a topic are: bootstrap servers, metadata, leaders.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use convoy_kafka_server::protocol::{FieldError, Reader};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::broker::spec::Endpoint;
use crate::broker::wire::address;
use crate::broker::wire::code::ErrorCode;
use crate::broker::wire::connection::Connection;
use crate::broker::wire::error::Error;
use crate::broker::wire::request::Response;
use crate::broker::wire::transport::Deadline;

const METADATA: RangeInclusive<i16> = 4..=12;

/// First versions of the metadata with leader epochs, and with ids of topics.
const WITH_LEADER_EPOCHS: i16 = 7;
const WITH_TOPIC_IDS: i16 = 10;

/// Bytes of the number of a broker.
const BROKER_BYTES: usize = 4;

/// Time between the attempts to connect to two bootstrap servers.
const STAGGER: Duration = Duration::from_secs(1);

/// The leader of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Number of the broker.
    pub node: i32,
    /// Advertised address of the broker, `host:port`.
    pub address: String,
    /// Number of the leader's term, which grows with each election. `None` from old brokers.
    pub epoch: Option<i32>,
    /// Id of the topic: a topic that is deleted and created again gets another one. `None` from old
    /// brokers.
    pub topic_id: Option<Uuid>,
}

/// The partitions of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Id of the topic. `None` from old brokers.
    pub id: Option<Uuid>,
    /// The leader of each partition, or why it has none.
    pub partitions: BTreeMap<i32, Result<Leader, ErrorCode>>,
}

/// Connects to the first bootstrap server that responds.
///
/// An attempt starts when the one before has failed, or has not succeeded for a second: one server
/// that does not respond costs no more.
pub async fn connect_any(endpoint: &Endpoint, deadline: Duration) -> Result<Connection, Error> {
    connect_any_until(endpoint, Deadline::after(deadline)).await
}

async fn connect_any_until(endpoint: &Endpoint, deadline: Deadline) -> Result<Connection, Error> {
    let servers = u32::try_from(endpoint.bootstrap.len()).unwrap_or(u32::MAX);
    let stagger = STAGGER.min(deadline.duration() / servers.max(1));
    let mut waiting = endpoint.bootstrap.iter().enumerate();
    let mut attempts = FuturesUnordered::new();
    let mut failures = BTreeMap::new();
    loop {
        match waiting.next() {
            Some((index, address)) => attempts.push(async move {
                let opened = Connection::open_until(endpoint, address, deadline).await;
                (index, opened)
            }),
            None if attempts.is_empty() => {
                return Err(Error::bootstrap(failures.into_values().collect()));
            }
            None => {}
        }
        let all_started = waiting.len() == 0;
        tokio::select! {
            Some((index, outcome)) = attempts.next() => match outcome {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    failures.insert(index, error);
                }
            },
            () = tokio::time::sleep(stagger), if !all_started => {}
        }
    }
}

/// Connects to the leader of a partition, found by any bootstrap server.
pub async fn connect_leader(
    endpoint: &Endpoint,
    topic: &str,
    partition: i32,
    deadline: Duration,
) -> Result<(Connection, Leader), Error> {
    let deadline = Deadline::after(deadline);
    let mut connection = connect_any_until(endpoint, deadline).await?;
    let metadata = topic_metadata_until(&mut connection, topic, deadline).await?;
    let unknown = Err(ResponseError::UnknownTopicOrPartition.into());
    let found = metadata.partitions.get(&partition).cloned();
    let leader = found
        .unwrap_or(unknown)
        .map_err(|code| connection.refused(code, None))?;
    if leader.address != connection.address() {
        connection = Connection::open_until(endpoint, &leader.address, deadline).await?;
    }
    Ok((connection, leader))
}

/// Requests the metadata of one topic, without creating it.
pub async fn topic_metadata(
    connection: &mut Connection,
    topic: &str,
    deadline: Duration,
) -> Result<TopicMetadata, Error> {
    topic_metadata_until(connection, topic, Deadline::after(deadline)).await
}

async fn topic_metadata_until(
    connection: &mut Connection,
    topic: &str,
    deadline: Deadline,
) -> Result<TopicMetadata, Error> {
    let named = Some(vec![topic.to_owned()]);
    let metadata = metadata(connection, named, deadline).await?;
    let mut topics = metadata.topics.into_iter();
    let found = topics.find(|(name, _)| name == topic);
    let Some((_name, topic)) = found else {
        return Err(connection.lacks::<MetadataRequest>("the requested topic"));
    };
    ErrorCode::check(topic.code).map_err(|code| connection.refused(code, None))?;
    let id = topic.id;
    let locate = |partition: Partition| {
        let leader = partition.leader(&metadata.brokers, id);
        (partition.number, leader)
    };
    Ok(TopicMetadata {
        id,
        partitions: topic.partitions.into_iter().map(locate).collect(),
    })
}

/// Requests the metadata of topics by name, or of all, and creates none.
async fn metadata(
    connection: &mut Connection,
    topics: Option<Vec<String>>,
    deadline: Deadline,
) -> Result<Metadata, Error> {
    let topic = |name| {
        let name = TopicName(StrBytes::from_string(name));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    let topics = topics.map(|names| names.into_iter().map(topic).collect());
    let request = |_version| {
        MetadataRequest::default()
            .with_topics(topics)
            .with_allow_auto_topic_creation(false)
    };
    connection
        .call_until(METADATA, request, deadline, Metadata::decode)
        .await
}

/// What a response states about topics.
struct Metadata {
    /// Addresses by number of the broker.
    brokers: BTreeMap<i32, String>,
    topics: Vec<(String, Topic)>,
}

struct Topic {
    code: i16,
    id: Option<Uuid>,
    partitions: Vec<Partition>,
}

struct Partition {
    code: i16,
    number: i32,
    /// Number of the broker; -1 without a leader.
    leader: i32,
    epoch: Option<i32>,
}

impl Partition {
    fn leader(
        &self,
        brokers: &BTreeMap<i32, String>,
        topic_id: Option<Uuid>,
    ) -> Result<Leader, ErrorCode> {
        ErrorCode::check(self.code)?;
        let address = brokers.get(&self.leader);
        Ok(Leader {
            node: self.leader,
            address: address.ok_or(ResponseError::LeaderNotAvailable)?.clone(),
            epoch: self.epoch,
            topic_id,
        })
    }
}

impl Metadata {
    fn decode(response: &Response) -> Result<Self, FieldError> {
        let version = response.version;
        let mut reader = response.reader();
        let _throttle_ms = reader.i32()?;
        let brokers = reader.array(|reader| {
            let number = reader.i32()?;
            let address = address::format(reader.string()?, reader.i32()?);
            let _rack = reader.nullable_string()?;
            reader.tags()?;
            Ok((number, address))
        })?;
        let _cluster = reader.nullable_string()?;
        let _controller = reader.i32()?;
        let topics = reader.array(|reader| Topic::decode(reader, version))?;
        Ok(Self {
            brokers: brokers.into_iter().collect(),
            topics: topics.into_iter().flatten().collect(),
        })
    }
}

impl Topic {
    /// Decodes a topic with its name; `None` without a name.
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Option<(String, Self)>, FieldError> {
        let code = reader.i16()?;
        let name = reader.nullable_string()?;
        let id = match version {
            WITH_TOPIC_IDS.. => Some(reader.uuid()?).filter(|id| !id.is_nil()),
            _ => None,
        };
        let _internal = reader.bool()?;
        let partitions = reader.array(|reader| Partition::decode(reader, version))?;
        if version >= 8 {
            let _authorized_operations = reader.i32()?;
        }
        reader.tags()?;
        let topic = Self {
            code,
            id,
            partitions,
        };
        Ok(name.map(|name| (name.to_owned(), topic)))
    }
}

impl Partition {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, FieldError> {
        let code = reader.i16()?;
        let number = reader.i32()?;
        let leader = reader.i32()?;
        let epoch = match version {
            WITH_LEADER_EPOCHS.. => Some(reader.i32()?).filter(|epoch| *epoch >= 0),
            _ => None,
        };
        let _replicas = reader.skip_array(BROKER_BYTES)?;
        let _in_sync = reader.skip_array(BROKER_BYTES)?;
        if version >= 5 {
            let _offline = reader.skip_array(BROKER_BYTES)?;
        }
        reader.tags()?;
        Ok(Self {
            code,
            number,
            leader,
            epoch,
        })
    }
}
