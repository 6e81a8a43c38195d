//! The reader of one partition: a connection to its leader, fetches and offsets.

use std::ops::RangeInclusive;
use std::time::Duration;

use convoy_kafka_server::protocol::FieldError;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::Request;

use crate::broker::client::{CONNECT_DEADLINE, Connector};
use crate::broker::error::Error;
use crate::broker::reader::aborted::Aborted;
use crate::broker::reader::requests::{
    Answer, EARLIEST, LATEST, LIST_OFFSETS, OFFSET_FOR_LEADER_EPOCH, PartitionData, Target,
};
use crate::broker::reader::response::Undecoded;
use crate::broker::reader::topic_id::TopicId;
use crate::broker::wire::{self, Connection, ErrorCode, Leader, Response, connect_leader};
use crate::cause::Trouble;
use crate::string_enum::string_enum;

string_enum! {
    /// Which records of transactions a consumer reads.
    Isolation {
        /// Those of committed transactions.
        ReadCommitted = "read-committed",
        /// All of them, also those of aborted and unfinished transactions.
        ReadUncommitted = "read-uncommitted",
    }
}

/// The response to one fetch.
#[derive(Debug)]
pub struct Fetched {
    /// Records that are not decoded yet.
    pub records: Undecoded,
    /// Offset after the last record that can be read: the high watermark, or the last stable offset
    /// if only committed records are read.
    pub end: i64,
    /// Whether the response has bytes of records.
    pub has_records: bool,
    /// Whether the broker delays this client because of a quota. It may leave records out then.
    pub throttled: bool,
}

/// Reads one partition of a topic.
#[derive(Debug)]
pub struct PartitionReader {
    connector: Connector,
    topic: String,
    number: i32,
    isolation: Isolation,
    /// Id of the topic at the first connection.
    topic_id: Option<TopicId>,
    /// Epoch of the leader that appended the last record; `None` if it is not to be checked.
    leader_epoch: Option<i32>,
    connection: Option<Leading>,
}

/// A connection to the leader.
#[derive(Debug)]
struct Leading {
    connection: Connection,
    /// Epoch of the leader.
    epoch: Option<i32>,
    /// Whether its log has the records that were read.
    checked: bool,
}

/// Why there is no response.
enum Failed {
    /// There is no connection to the right leader.
    Connect(Error),
    Request(wire::Error),
}

impl Connector {
    /// Returns a reader of one partition. It opens its own connection at first use.
    ///
    /// Brokers process the requests of a connection in order, so a fetch that waits on one
    /// partition must not share a connection with another.
    pub fn reader(&self, topic: &str, partition: i32, isolation: Isolation) -> PartitionReader {
        PartitionReader::new(self.clone(), topic, partition, isolation)
    }
}

impl PartitionReader {
    fn new(connector: Connector, topic: &str, number: i32, isolation: Isolation) -> Self {
        Self {
            connector,
            topic: topic.to_owned(),
            number,
            isolation,
            topic_id: None,
            leader_epoch: None,
            connection: None,
        }
    }

    /// Returns the topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the partition's number.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// Returns the id of the topic; `None` from brokers before Kafka 2.8.
    ///
    /// After that, requests fail if the topic has another id.
    pub async fn topic_id(&mut self) -> Result<Option<TopicId>, Error> {
        self.connected().await?;
        Ok(self.topic_id)
    }

    /// Sets the epoch of the leader that appended the last record that was read. If another leader
    /// does not have this record, the next fetch fails.
    pub fn set_leader_epoch(&mut self, epoch: Option<i32>) {
        self.leader_epoch = epoch;
    }

    /// Fetches from `offset`, waiting up to `wait` for the first record.
    ///
    /// A batch larger than `max_bytes` is fetched as a whole. Cancel safe.
    pub async fn fetch(
        &mut self,
        offset: i64,
        max_bytes: i32,
        wait: Duration,
    ) -> Result<Fetched, Error> {
        self.check_leader(offset).await?;
        let fetched = self.fetch_once(offset, max_bytes, wait).await?;
        // Old brokers cut the first batch.
        let whole = fetched.records.cut_batch();
        match whole.and_then(|bytes| i32::try_from(bytes).ok()) {
            Some(bytes) if bytes > max_bytes => self.fetch_once(offset, bytes, wait).await,
            _ => Ok(fetched),
        }
    }

    async fn fetch_once(
        &mut self,
        offset: i64,
        max_bytes: i32,
        wait: Duration,
    ) -> Result<Fetched, Error> {
        // The id of the topic is known once there is a connection.
        self.connected().await?;
        let topic = self.topic.clone();
        let target = self.target(&topic);
        let request = |version| target.fetch(version, offset, max_bytes, wait);
        let decode = |response: &Response| target.decode_fetch(response);
        let answered = self.request(target.fetch_versions(), request, wait, decode);
        let failed = match answered.await {
            Ok(data) => return Ok(self.fetched(data, offset)),
            Err(Failed::Connect(error)) => return Err(error),
            Err(Failed::Request(error)) => error,
        };
        let partition = self.number;
        if failed.code() == Some(ResponseError::OffsetOutOfRange.into()) {
            return Err(Error::OffsetOutOfRange {
                topic,
                partition,
                offset,
            });
        }
        self.connection = None;
        Err(Error::Fetch {
            topic,
            partition,
            offset,
            source: failed.into_cause(),
        })
    }

    fn fetched(&self, data: PartitionData, offset: i64) -> Fetched {
        let (end, aborted) = match self.isolation {
            Isolation::ReadCommitted if data.last_stable_offset >= 0 => {
                (data.last_stable_offset, Aborted::new(data.aborted))
            }
            _ => (data.high_watermark, Aborted::default()),
        };
        Fetched {
            end,
            has_records: !data.records.is_empty(),
            throttled: data.throttled,
            records: Undecoded::new(data.records, aborted, offset, data.high_watermark),
        }
    }

    /// Checks that the log of a new leader has the records before `offset`.
    async fn check_leader(&mut self, offset: i64) -> Result<(), Error> {
        let Some(epoch) = self.leader_epoch else {
            return Ok(());
        };
        let leading = self.connected().await?;
        if leading.checked || leading.epoch.is_none_or(|now| now == epoch) {
            return Ok(());
        }
        let end = self.end_of_epoch(epoch).await?;
        if let Some(end) = end.filter(|end| *end < offset) {
            return Err(Error::LogTruncated {
                topic: self.topic.clone(),
                partition: self.number,
                offset,
                end,
            });
        }
        if let Some(leading) = &mut self.connection {
            leading.checked = true;
        }
        Ok(())
    }

    /// Returns the offset after the last record that the leader of an epoch appended; `None` if the
    /// broker does not know it.
    pub async fn end_of_epoch(&mut self, epoch: i32) -> Result<Option<i64>, Error> {
        let topic = self.topic.clone();
        let target = self.target(&topic);
        let request = |version| target.offset_for_leader_epoch(version, epoch);
        let decode = |response: &Response| target.decode_epoch_end(response);
        let answered = self.request(OFFSET_FOR_LEADER_EPOCH, request, Duration::ZERO, decode);
        match answered.await {
            Ok(end) => Ok((end >= 0).then_some(end)),
            // Brokers before Kafka 0.11 do not say, and others only to some users.
            Err(Failed::Request(error))
                if matches!(error.trouble(), Some(Trouble::Version | Trouble::Forbidden)) =>
            {
                Ok(None)
            }
            Err(failed) => Err(self.unlisted(failed)),
        }
    }

    /// Returns the offset of the log's first record, and the offset after the last one that can be
    /// read.
    pub async fn offsets(&mut self) -> Result<(i64, i64), Error> {
        let earliest = self.offset_at(EARLIEST).await?;
        Ok((earliest, self.offset_at(LATEST).await?))
    }

    async fn offset_at(&mut self, timestamp: i64) -> Result<i64, Error> {
        let topic = self.topic.clone();
        let target = self.target(&topic);
        let request = |_version| target.list_offsets(timestamp);
        let decode = |response: &Response| target.decode_offset(response);
        let answered = self.request(LIST_OFFSETS, request, Duration::ZERO, decode);
        answered.await.map_err(|failed| self.unlisted(failed))
    }

    /// Returns the error of a request for offsets.
    fn unlisted(&mut self, failed: Failed) -> Error {
        match failed {
            Failed::Connect(error) => error,
            Failed::Request(error) => {
                self.connection = None;
                Error::ListOffsets {
                    topic: self.topic.clone(),
                    partition: self.number,
                    source: error.into_cause(),
                }
            }
        }
    }

    /// Sends a request to the leader, which may wait before it responds.
    async fn request<R: Request, T>(
        &mut self,
        versions: RangeInclusive<i16>,
        request: impl FnOnce(i16) -> R + Send,
        wait: Duration,
        decode: impl FnOnce(&Response) -> Result<Answer<T>, FieldError> + Send,
    ) -> Result<T, Failed> {
        let deadline = wait + self.connector.request_timeout();
        let leading = self.connected().await.map_err(Failed::Connect)?;
        let connection = &mut leading.connection;
        let answer = connection.call(versions, request, deadline, decode).await;
        let content = answer.and_then(|answer| {
            let check = |code| {
                let checked = ErrorCode::check(code);
                checked.map_err(|code| connection.refused(code, None))
            };
            check(answer.code)?;
            let Some((code, content)) = answer.partition else {
                let missing = ResponseError::UnknownTopicOrPartition.into();
                return Err(connection.refused(missing, None));
            };
            check(code)?;
            Ok(content)
        });
        content.map_err(Failed::Request)
    }

    /// Returns a connection to the leader, a new one if there is none that can be used.
    async fn connected(&mut self) -> Result<&mut Leading, Error> {
        let usable = self.connection.take();
        let leading = match usable.filter(|it| it.connection.is_usable()) {
            Some(leading) => leading,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(leading))
    }

    async fn connect(&mut self) -> Result<Leading, Error> {
        let endpoint = self.connector.endpoint();
        let connecting = connect_leader(endpoint, &self.topic, self.number, CONNECT_DEADLINE);
        let unconnected = |error: wire::Error| self.connector.unreachable(error.into_cause());
        let (connection, leader) = connecting.await.map_err(unconnected)?;
        let Leader {
            epoch, topic_id, ..
        } = leader;
        let found = topic_id.map(TopicId::from);
        if let (Some(expected), Some(found)) = (self.topic_id, found)
            && expected != found
        {
            return Err(Error::TopicRecreated {
                topic: self.topic.clone(),
            });
        }
        self.topic_id = self.topic_id.or(found);
        Ok(Leading {
            connection,
            epoch,
            checked: false,
        })
    }

    fn target<'a>(&self, topic: &'a str) -> Target<'a> {
        Target {
            topic,
            topic_id: self.topic_id,
            number: self.number,
            isolation_level: match self.isolation {
                Isolation::ReadUncommitted => 0,
                Isolation::ReadCommitted => 1,
            },
        }
    }
}
