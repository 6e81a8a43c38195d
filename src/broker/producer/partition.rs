//! The producer of one partition: it sends a batch once and says how that ended.

use std::time::Duration;

use kafka_protocol::messages::ProduceRequest;

use crate::broker::client::{CONNECT_DEADLINE, Connector};
use crate::broker::error::Error;
use crate::broker::producer::batch::{Batch, Finished};
use crate::broker::producer::frame::{self, Appended, Target};
use crate::broker::producer::outcome::ProduceOutcome;
use crate::broker::spec::Compression;
use crate::broker::wire::{self, Connection, Deadline, ErrorCode, connect_leader};
use crate::cause::{Cause, chain};

/// Longest wait that a broker can demand before the next request.
const MAX_THROTTLE: Duration = Duration::from_secs(30);

/// Appends batches to one partition.
#[derive(Debug)]
pub struct Producer {
    connector: Connector,
    topic: String,
    number: i32,
    /// Connection to the leader. Dropped after a failure.
    connection: Option<Connection>,
    /// Time until the broker takes the next request.
    throttle: Option<Deadline>,
    /// Reused for compressed records.
    compressed: Vec<u8>,
    /// Reused for the request before the batch.
    head: Vec<u8>,
}

impl Connector {
    /// Returns a producer for one partition. It connects at first use.
    pub fn producer(&self, topic: &str, partition: i32) -> Producer {
        Producer {
            connector: self.clone(),
            topic: topic.to_owned(),
            number: partition,
            connection: None,
            throttle: None,
            compressed: Vec::new(),
            head: Vec::new(),
        }
    }
}

impl Producer {
    /// Returns the topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the partition's number.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// Connects to the leader, so that the first batch does not wait for it.
    pub async fn connect(&mut self) -> Result<(), Error> {
        let connection = self.connected().await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Sends a batch once, to be acknowledged by all replicas in sync, and returns the outcome.
    ///
    /// It never retries.
    pub async fn produce(&mut self, batch: &mut Batch, compression: Compression) -> ProduceOutcome {
        if batch.is_empty() {
            return ProduceOutcome::Refused(Cause::Other("the batch was empty".to_owned()));
        }
        if let Some(throttle) = self.throttle.take() {
            tokio::time::sleep(throttle.left()).await;
        }
        let mut connection = match self.connected().await {
            Ok(connection) => connection,
            Err(error) => {
                let trouble = error.trouble();
                return ProduceOutcome::Rejected(Cause::new(&chain(&error), trouble));
            }
        };
        let finished = match batch.finish(compression, &mut self.compressed) {
            Ok(finished) => finished,
            Err(error) => {
                let text = format!("failed to compress the records: {error}");
                return ProduceOutcome::Refused(Cause::Other(text));
            }
        };
        let target = Target {
            topic: &self.topic,
            partition: self.number,
            timeout: self.connector.request_timeout(),
        };
        let sent = send(&mut connection, finished, target, &mut self.head).await;
        match sent {
            Ok(appended) => {
                if !appended.throttle.is_zero() {
                    let throttle = appended.throttle.min(MAX_THROTTLE);
                    self.throttle = Some(Deadline::after(throttle));
                }
                self.connection = Some(connection);
                ProduceOutcome::Acked {
                    base_offset: appended.base_offset,
                }
            }
            Err(Unsent::TooLong) => {
                self.connection = Some(connection);
                let text = "the request exceeds the limits of Kafka's protocol";
                ProduceOutcome::TooLarge(Cause::Other(text.to_owned()))
            }
            Err(Unsent::Failed(error)) => {
                let outcome = ProduceOutcome::of_failure(error);
                if matches!(outcome, ProduceOutcome::TooLarge(_)) {
                    self.connection = Some(connection);
                }
                outcome
            }
        }
    }

    /// Takes the connection to the leader, or connects to it.
    async fn connected(&mut self) -> Result<Connection, Error> {
        if let Some(connection) = self.connection.take().filter(Connection::is_usable) {
            return Ok(connection);
        }
        let endpoint = self.connector.endpoint();
        let connecting = connect_leader(endpoint, &self.topic, self.number, CONNECT_DEADLINE);
        let unreachable = |error: wire::Error| self.connector.unreachable(error.into_cause());
        let (connection, leader) = connecting.await.map_err(unreachable)?;
        let version = connection.version::<ProduceRequest>(frame::VERSIONS);
        version.map_err(unreachable)?;
        tracing::debug!(
            topic = self.topic,
            partition = self.number,
            leader = leader.address,
            "connected to produce"
        );
        Ok(connection)
    }
}

/// Why a batch was not acknowledged.
enum Unsent {
    /// The frame cannot be written.
    TooLong,
    Failed(wire::Error),
}

async fn send(
    connection: &mut Connection,
    finished: Finished<'_>,
    target: Target<'_>,
    head: &mut Vec<u8>,
) -> Result<Appended, Unsent> {
    let version = connection
        .version::<ProduceRequest>(frame::VERSIONS)
        .map_err(Unsent::Failed)?;
    let frame = frame::wrap(finished, target, version, head).ok_or(Unsent::TooLong)?;
    let decode = |response: &wire::Response| frame::decode(response, target);
    let appended = connection
        .call_encoded::<ProduceRequest, _>(frame, version, target.timeout, decode)
        .await
        .map_err(Unsent::Failed)?;
    let appended = appended
        .ok_or_else(|| Unsent::Failed(connection.lacks::<ProduceRequest>("the partition")))?;
    ErrorCode::check(appended.code)
        .map_err(|code| Unsent::Failed(connection.refused(code, appended.message.as_deref())))?;
    Ok(appended)
}
