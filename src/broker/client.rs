//! Reading by rskafka, without its retries and with a timeout for every call.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rskafka::BackoffConfig;
use rskafka::client::error::{Error as ClientError, ProtocolError};
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};

use crate::broker::error::{Error, Protocol};
use crate::broker::failure::{self, protocol_error};
use crate::broker::spec::{Endpoint, Mechanism};
use crate::cause::{Cause, within};
use crate::record::Headers;

/// Timeout for connecting, including TLS and authentication.
pub(in crate::broker) const CONNECT_DEADLINE: Duration = Duration::from_secs(8);

/// Default request timeout. A fetch may take this long beyond its own wait.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

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
            .map_err(|failure| self.unreachable(failure.into_cause()))
    }

    pub(in crate::broker) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(in crate::broker) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Returns the error of a cluster to which no connection could be made.
    pub(in crate::broker) fn unreachable(&self, source: Cause) -> Error {
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

    /// Returns a handle to one partition. It opens its own connection at first use.
    ///
    /// Brokers process the requests of a connection in order, so a fetch that waits on one
    /// partition must not share a connection with another.
    pub fn partition(&self, topic: &str, partition: i32) -> Partition {
        Partition {
            connector: self.clone(),
            topic: topic.to_owned(),
            number: partition,
            client: None,
        }
    }
}

/// A record of the log.
#[derive(Debug)]
pub struct Record {
    /// Offset in its partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Key; `None` has none.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order, as far as rskafka keeps it: it sorts them by name and keeps the last of
    /// those with the same name.
    pub headers: Headers,
}

/// The response to one fetch.
#[derive(Debug)]
pub struct Fetched {
    /// Records in order of their offsets; empty if none arrived within the wait.
    pub records: Vec<Record>,
    /// Offset after the last record of the log.
    pub high_watermark: i64,
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
            let partition =
                found.map_err(|failure| self.connector.unreachable(failure.into_cause()))?;
            self.client = Some(partition);
        }
        Ok(self.client.as_ref().expect("the client was made above"))
    }

    /// Fetches from `offset`, waiting up to `wait` for the first record.
    pub async fn fetch(
        &mut self,
        offset: i64,
        max_bytes: i32,
        wait: Duration,
    ) -> Result<Fetched, Error> {
        let (topic, partition) = (self.topic.clone(), self.number);
        let request_timeout = self.connector.request_timeout;
        let client = self.client().await?;
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let fetch = client.fetch_records(offset, 1..max_bytes, wait_ms);
        match succeed_within(wait + request_timeout, fetch).await {
            Ok((records, high_watermark)) => {
                let records = records.into_iter().map(Record::from).collect();
                Ok(Fetched {
                    records,
                    high_watermark,
                })
            }
            Err(failure) if failure.protocol() == Some(ProtocolError::OffsetOutOfRange) => {
                Err(Error::OffsetOutOfRange {
                    topic,
                    partition,
                    offset,
                })
            }
            Err(failure) => {
                self.client = None;
                let source = failure.into_cause();
                Err(Error::Fetch {
                    topic,
                    partition,
                    offset,
                    source,
                })
            }
        }
    }

    /// Returns the offset of the log's first record and the offset after its last one.
    pub async fn offsets(&mut self) -> Result<(i64, i64), Error> {
        let (topic, partition) = (self.topic.clone(), self.number);
        let request_timeout = self.connector.request_timeout;
        let client = self.client().await?;
        let ends = async {
            let earliest = client.get_offset(OffsetAt::Earliest).await?;
            Ok((earliest, client.get_offset(OffsetAt::Latest).await?))
        };
        let ends = succeed_within(request_timeout, ends).await;
        ends.map_err(|failure| {
            self.client = None;
            Error::ListOffsets {
                topic,
                partition,
                source: failure.into_cause(),
            }
        })
    }
}

impl From<rskafka::record::RecordAndOffset> for Record {
    fn from(fetched: rskafka::record::RecordAndOffset) -> Self {
        let record = fetched.record;
        Self {
            offset: fetched.offset,
            timestamp_ms: record.timestamp.timestamp_millis(),
            key: record.key,
            value: record.value,
            headers: record.headers.into(),
        }
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
