//! The connector to a cluster, and its administration: which topics it has, and new ones.
//!
//! Administration uses rskafka, without its retries and with a timeout for every call, because it has
//! none. Records are sent and read by `producer` and `reader`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rskafka::BackoffConfig;
use rskafka::client::error::Error as ClientError;
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};

use crate::broker::error::{Error, Protocol};
use crate::broker::failure;
use crate::broker::spec::{Endpoint, Mechanism};
use crate::cause::{Cause, within};

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

    /// Returns the number of partitions of each topic of the cluster, without internal topics.
    pub async fn topics(&self) -> Result<BTreeMap<String, usize>, Error> {
        let client = self.connect().await?;
        let topics = succeed_within(self.request_timeout, client.list_topics()).await;
        let topics = topics.map_err(|source| Error::ListTopics { source })?;
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
        let created = succeed_within(self.request_timeout, create).await;
        created.map_err(failed)
    }

    /// Deletes a topic.
    pub async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        let client = self.connect().await?;
        let failed = |source| Error::DeleteTopic {
            topic: topic.to_owned(),
            source,
        };
        let controller = client
            .controller_client()
            .map_err(|error| failed(failure::cause(&error)))?;
        let timeout_ms = i32::try_from(self.request_timeout.as_millis()).unwrap_or(i32::MAX);
        let delete = controller.delete_topic(topic, timeout_ms);
        let deleted = succeed_within(self.request_timeout, delete).await;
        deleted.map_err(failed)
    }

    /// Connects for administration.
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
            .map_err(|source| self.unreachable(source))
    }
}

async fn succeed_within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, Cause> {
    let result = within(deadline, call).await?;
    result.map_err(|error| failure::cause(&error))
}

/// A deadline of zero makes rskafka try once.
fn no_retries() -> BackoffConfig {
    BackoffConfig {
        deadline: Some(Duration::ZERO),
        ..BackoffConfig::default()
    }
}
