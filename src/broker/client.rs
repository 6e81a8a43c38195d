//! The Kafka client: rskafka without its retries, a timeout for every call, and a definite outcome
//! of each produce request: acknowledged, rejected or unknown.
//!
//! rskafka's own retry appends a batch twice if the connection is lost between append and ack, and
//! reports one offset. It has no request timeout. So convoy does both by itself.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use rskafka::BackoffConfig;
use rskafka::client::error::{Error as ClientError, ProtocolError};
use rskafka::client::partition::{
    Compression as ClientCompression, OffsetAt, PartitionClient, UnknownTopicHandling,
};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::Record as ClientRecord;

use crate::broker::error::{Error, Protocol};
use crate::broker::failure::{self, protocol_error};
use crate::broker::spec::{Compression, Endpoint, Mechanism};
use crate::cause::{Cause, chain, within};
use crate::platform;
use crate::record::{Envelope, Header, Headers};

/// Bytes of one produce request. The default limit of brokers is 1 MiB.
pub const BATCH_BYTES: usize = 900 * 1024;

/// Timeout for connecting, including TLS and authentication.
pub(super) const CONNECT_DEADLINE: Duration = Duration::from_secs(8);

/// Default request timeout. A fetch may take this long beyond its own wait.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Upper bound for the bytes of a record in a batch besides key, value and headers.
const RECORD_OVERHEAD: usize = 40;

/// Connects to one cluster.
#[derive(Debug, Clone)]
pub struct Connector {
    endpoint: Arc<Endpoint>,
    request_timeout: Duration,
}

impl Connector {
    /// Creates a connector. It does not connect yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint: Arc::new(endpoint),
            request_timeout: REQUEST_TIMEOUT,
        }
    }

    /// Sets the request timeout.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Connects and requests the cluster's metadata.
    async fn connect(&self) -> Result<Client, Error> {
        let endpoint = &self.endpoint;
        let mut builder = ClientBuilder::new(endpoint.bootstrap.clone())
            .client_id("convoy")
            .backoff_config(no_retries());
        if let Some(tls) = &endpoint.tls {
            builder = builder.tls_config(Arc::clone(&tls.config));
        }
        if let Some(proxy) = endpoint.socks_proxy {
            builder = builder.socks5_proxy(proxy.to_string());
        }
        if let Some(login) = &endpoint.login {
            let credentials =
                Credentials::new(login.user.clone(), login.password.reveal().to_owned());
            builder = builder.sasl_config(match login.mechanism {
                Mechanism::Plain => SaslConfig::Plain(credentials),
                Mechanism::ScramSha256 => SaslConfig::ScramSha256(credentials),
                Mechanism::ScramSha512 => SaslConfig::ScramSha512(credentials),
            });
        }
        succeed_within(CONNECT_DEADLINE, builder.build())
            .await
            .map_err(|failure| self.unconnected(failure))
    }

    fn unconnected(&self, failure: Failure) -> Error {
        self.connect_error(failure.into_cause())
    }

    /// Returns the error of a connection that failed.
    pub(super) fn connect_error(&self, source: Cause) -> Error {
        let endpoint = &self.endpoint;
        Error::Connect {
            bootstrap: endpoint.bootstrap.join(","),
            protocol: Protocol {
                encrypts: endpoint.tls.is_some(),
                authenticates: endpoint.login.is_some(),
            },
            source,
        }
    }

    /// Returns what it connects to.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the request timeout.
    pub(super) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Returns the number of partitions of each topic of the cluster.
    pub async fn topics(&self) -> Result<BTreeMap<String, usize>, Error> {
        let client = self.connect().await?;
        let topics = succeed_within(self.request_timeout, client.list_topics())
            .await
            .map_err(|failure| Error::ListTopics {
                source: failure.into_cause(),
            })?;
        Ok(topics
            .into_iter()
            .map(|topic| (topic.name, topic.partitions.len()))
            .collect())
    }

    /// Creates a topic.
    pub async fn create_topic(
        &self,
        topic: &str,
        partitions: i32,
        replication_factor: i16,
    ) -> Result<(), Error> {
        let client = self.connect().await?;
        let failed = |source| Error::CreateTopic {
            topic: topic.to_owned(),
            source,
        };
        let controller = client
            .controller_client()
            .map_err(|error| failed(failure::cause(&error)))?;
        let timeout_ms = i32::try_from(self.request_timeout.as_millis()).unwrap_or(i32::MAX);
        let create = controller.create_topic(topic, partitions, replication_factor, timeout_ms);
        succeed_within(self.request_timeout, create)
            .await
            .map_err(|failure| failed(failure.into_cause()))
    }

    /// Returns a handle to one partition. It opens its own connection at first use.
    pub fn partition(&self, topic: &str, partition: i32) -> Partition {
        Partition {
            connector: self.clone(),
            topic: topic.to_owned(),
            number: partition,
            client: None,
        }
    }
}

/// Messages for one partition in one produce request.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<ClientRecord>,
    bytes: usize,
}

impl Batch {
    /// Appends a message. `header` is the encoded envelope; `timestamp_ms` counts from 1970.
    pub fn push(
        &mut self,
        key: Option<Vec<u8>>,
        header: impl Into<Vec<u8>>,
        payload: Vec<u8>,
        timestamp_ms: i64,
    ) {
        let mut headers = Headers::default();
        headers.push(Envelope::HEADER, Some(header.into()));
        self.push_message(key, Some(payload), headers, timestamp_ms);
    }

    /// Appends a message with any headers. `timestamp_ms` counts from 1970.
    pub fn push_message(
        &mut self,
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        headers: Headers,
        timestamp_ms: i64,
    ) {
        let length = |it: &Header| it.name.len() + it.value.as_ref().map_or(0, Vec::len);
        let beside = headers.as_slice().iter().map(length);
        self.bytes += key.as_deref().map_or(0, <[u8]>::len)
            + value.as_deref().map_or(0, <[u8]>::len)
            + beside.sum::<usize>()
            + RECORD_OVERHEAD;
        self.records.push(ClientRecord {
            key,
            value,
            headers: headers.into_map(),
            timestamp: DateTime::from_timestamp_millis(timestamp_ms).unwrap_or_default(),
        });
    }

    /// Returns an upper bound for the bytes of all messages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of messages.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether the batch holds no message.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// How a produce request ended.
#[derive(Debug)]
pub enum ProduceOutcome {
    /// Every message is in the log.
    Acked {
        /// Offset of the batch's first record.
        base_offset: i64,
    },
    /// Nothing was appended. A retry may succeed.
    Rejected(Cause),
    /// Nothing was appended: the batch exceeds the broker's limit.
    TooLarge(Cause),
    /// Nothing was appended. A retry cannot succeed.
    Refused(Cause),
    /// The batch may have been appended or not.
    Unknown(Cause),
}

/// One partition of a topic.
#[derive(Debug)]
pub struct Partition {
    connector: Connector,
    topic: String,
    number: i32,
    /// Dropped after a timeout: rskafka would keep waiting for the lost response.
    client: Option<PartitionClient>,
}

impl Partition {
    /// Returns the topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the partition's number.
    pub fn number(&self) -> i32 {
        self.number
    }

    async fn client(&mut self) -> Result<&PartitionClient, Error> {
        if self.client.is_none() {
            let client = self.connector.connect().await?;
            let find_leader = client.partition_client(
                self.topic.clone(),
                self.number,
                UnknownTopicHandling::Error,
            );
            let found = succeed_within(CONNECT_DEADLINE, find_leader).await;
            let partition = found.map_err(|failure| self.connector.unconnected(failure))?;
            if let Err(error) = platform::send_at_once() {
                tracing::warn!(%error, "requests above 8 KB may be sent 40 ms late");
            }
            self.client = Some(partition);
        }
        Ok(self.client.as_ref().expect("the client was made above"))
    }

    /// Sends one batch once and returns the outcome. It never retries.
    pub async fn produce(&mut self, batch: Batch, compression: Compression) -> ProduceOutcome {
        let request_timeout = self.connector.request_timeout;
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => {
                let trouble = error.trouble();
                return ProduceOutcome::Rejected(Cause::new(&chain(&error), trouble));
            }
        };
        let sent = client.produce(batch.records, client_compression(compression));
        match succeed_within(request_timeout, sent).await {
            Ok(offsets) => match offsets.first() {
                Some(first) => ProduceOutcome::Acked {
                    base_offset: *first,
                },
                None => ProduceOutcome::Refused(Cause::Other("the batch was empty".to_owned())),
            },
            Err(failure) => {
                let outcome = failure.into_produce_outcome();
                if !matches!(outcome, ProduceOutcome::TooLarge(_)) {
                    self.client = None;
                }
                outcome
            }
        }
    }

    /// Connects to the partition's leader, which must respond.
    pub async fn open(&mut self) -> Result<(), Error> {
        let (topic, partition) = (self.topic.clone(), self.number);
        let request_timeout = self.connector.request_timeout;
        let client = self.client().await?;
        let latest = succeed_within(request_timeout, client.get_offset(OffsetAt::Latest)).await;
        latest.map(drop).map_err(|failure| {
            self.client = None;
            Error::ListOffsets {
                topic,
                partition,
                source: failure.into_cause(),
            }
        })
    }
}

/// Why a call failed.
enum Failure {
    Timeout(Cause),
    Client(ClientError),
}

impl Failure {
    fn into_cause(self) -> Cause {
        match self {
            Self::Timeout(cause) => cause,
            Self::Client(error) => failure::cause(&error),
        }
    }

    /// Returns the broker's error code, also if rskafka wraps it in an exhausted retry.
    fn protocol(&self) -> Option<ProtocolError> {
        match self {
            Self::Timeout(_) => None,
            Self::Client(error) => protocol_error(error),
        }
    }

    fn into_produce_outcome(self) -> ProduceOutcome {
        let code = self.protocol();
        let cause = self.into_cause();
        match code {
            // No response, or one that does not say whether the batch was appended.
            None
            | Some(ProtocolError::RequestTimedOut | ProtocolError::NotEnoughReplicasAfterAppend) => {
                ProduceOutcome::Unknown(cause)
            }
            Some(ProtocolError::MessageTooLarge | ProtocolError::RecordListTooLarge) => {
                ProduceOutcome::TooLarge(cause)
            }
            Some(
                ProtocolError::UnknownTopicOrPartition
                | ProtocolError::LeaderNotAvailable
                | ProtocolError::NotLeaderOrFollower
                | ProtocolError::NotEnoughReplicas
                | ProtocolError::KafkaStorageError
                | ProtocolError::CorruptMessage
                | ProtocolError::NetworkException
                | ProtocolError::ThrottlingQuotaExceeded,
            ) => ProduceOutcome::Rejected(cause),
            Some(_) => ProduceOutcome::Refused(cause),
        }
    }
}

async fn succeed_within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, Failure> {
    within(deadline, call)
        .await
        .map_err(Failure::Timeout)?
        .map_err(Failure::Client)
}

/// A deadline of zero makes rskafka try once.
fn no_retries() -> BackoffConfig {
    BackoffConfig {
        deadline: Some(Duration::ZERO),
        ..BackoffConfig::default()
    }
}

fn client_compression(compression: Compression) -> ClientCompression {
    match compression {
        Compression::None => ClientCompression::NoCompression,
        Compression::Gzip => ClientCompression::Gzip,
        Compression::Lz4 => ClientCompression::Lz4,
        Compression::Snappy => ClientCompression::Snappy,
        Compression::Zstd => ClientCompression::Zstd,
    }
}
