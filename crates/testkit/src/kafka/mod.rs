//! A Kafka broker for a test.

mod builder;
#[cfg(feature = "tls")]
mod certificates;
mod faults;
mod progress;

#[cfg(feature = "tls")]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server::{KafkaServer, Record, User};
use tokio::sync::Mutex;

pub use self::builder::KafkaBuilder;
pub use self::faults::{Api, ErrorCode, KafkaFaults};
pub(crate) use self::progress::Wait;
use crate::error::{Error, boxed};
use crate::host::Host;
use crate::mode::Async;
use crate::variables::{self, Variables};

const BROKER: &str = "Kafka broker";

/// A Kafka broker on a free port of loopback, with the real protocol, for one test.
///
/// It starts in milliseconds and ends when it is dropped; its data is removed unless
/// [`KafkaBuilder::data_dir`] names a directory.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), convoy_testkit::Error> {
/// use convoy_testkit::Kafka;
///
/// let kafka = Kafka::builder().topic("orders", 3).start().await?;
/// // Point the program under test at it:
/// println!("bootstrap.servers={}", kafka.bootstrap_servers());
///
/// // Look at the topic without a client:
/// kafka.produce("orders", [("k1", "first"), ("k2", "second")])?;
/// assert_eq!(kafka.records("orders")?.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Kafka {
    server: Arc<Mutex<Option<KafkaServer>>>,
    host: Arc<Host>,
    bootstrap_servers: String,
    user: Option<User>,
    #[cfg(feature = "tls")]
    tls: Option<certificates::Certificates>,
    faults: KafkaFaults,
}

impl Kafka {
    /// Starts a broker without topics; those that clients ask for are created with one partition.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Returns a builder, to start with topics, a user or a directory.
    pub fn builder() -> KafkaBuilder<Async> {
        KafkaBuilder::default()
    }

    /// Returns `HOST:PORT` for the `bootstrap.servers` of a client.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Returns the variables of a `.env`: `BOOTSTRAP_SERVER`, `SECURITY_PROTOCOL`,
    /// `SASL_MECHANISM`, `API_KEY` and `API_SECRET_KEY`, as `convoy up` sets them; with TLS also
    /// `SSL_CA_LOCATION`.
    pub fn env(&self) -> Variables {
        #[cfg(feature = "tls")]
        let ca_file = self.ca_file();
        #[cfg(not(feature = "tls"))]
        let ca_file = None;
        variables::of_broker(&self.bootstrap_servers, self.user.as_ref(), ca_file)
    }

    /// Returns the file (PEM) with the certificate that clients must trust; `None` without TLS.
    #[cfg(feature = "tls")]
    pub fn ca_file(&self) -> Option<&Path> {
        self.tls.as_ref()?.ca_file()
    }

    /// Returns the faults that a test can inject.
    pub fn faults(&self) -> &KafkaFaults {
        &self.faults
    }

    /// Creates a topic.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), Error> {
        let topic = topic.to_owned();
        self.with(move |server| server.add_topic(&topic, partitions))
    }

    /// Returns the names of all topics in order.
    pub fn topics(&self) -> Result<Vec<String>, Error> {
        self.with(KafkaServer::topics)
    }

    /// Appends records, each a key and a value, to the partitions that Kafka's own producers choose
    /// for the keys. No fault gets in the way. The topic is created if it does not exist.
    pub fn produce<K, V>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), Error>
    where
        K: Into<Vec<u8>>,
        V: Into<Vec<u8>>,
    {
        let records = records.into_iter();
        let records: Vec<(Vec<u8>, Vec<u8>)> = records.map(|(k, v)| (k.into(), v.into())).collect();
        let topic = topic.to_owned();
        self.with(move |server| {
            let mut records = records.iter();
            records.try_for_each(|(key, value)| {
                server
                    .append(&topic, Some(key), Some(value))
                    .map(|_offset| ())
            })
        })
    }

    /// Returns the records of a topic in order of partition and offset, as a `read_committed`
    /// consumer gets them: without those of aborted and open transactions.
    pub fn records(&self, topic: &str) -> Result<Vec<Record>, Error> {
        let topic = topic.to_owned();
        self.with(move |server| server.records(&topic))
    }

    /// Returns the number of records of a topic that a group has committed.
    pub fn committed(&self, group: &str, topic: &str) -> Result<u64, Error> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        let progress = self.with(move |server| server.progress(&group, &topic))?;
        Ok(progress::committed(&progress))
    }

    /// Waits until a group has committed a number of records of a topic.
    ///
    /// # Errors
    ///
    /// After the deadline, [`Error::NotCommitted`] says where the group stands in each partition.
    pub async fn wait_until_committed(
        &self,
        group: &str,
        topic: &str,
        records: u64,
        deadline: Duration,
    ) -> Result<(), Error> {
        let wait = Wait::new(group, topic, records, deadline);
        let server = Arc::clone(&self.server);
        self.host.run(wait.until(server)).await
    }

    /// Serves again at the same address with the same data, as after an orderly restart of a broker.
    pub async fn restart(&self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        self.host.run(restart(server)).await
    }

    /// Serves again at the same address, as after a crash of the machine: records that were not
    /// synced to disk are lost, although they were acknowledged. Returns their number.
    pub async fn crash(&self) -> Result<u64, Error> {
        let server = Arc::clone(&self.server);
        self.host.run(crash(server)).await
    }

    /// Ends all connections and removes the data; reports what goes wrong, which a drop does not.
    pub async fn stop(self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        self.host.run(stop(server)).await
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn shared(&self) -> Arc<Mutex<Option<KafkaServer>>> {
        Arc::clone(&self.server)
    }

    /// Looks at the data; waits while the broker restarts.
    fn with<T: Send + 'static>(
        &self,
        look: impl FnOnce(&KafkaServer) -> Result<T, convoy_kafka_server::DataError> + Send + 'static,
    ) -> Result<T, Error> {
        let server = self.shared();
        let looked = self.host.block_on(async move {
            let server = server.lock().await;
            let server = server
                .as_ref()
                .ok_or(convoy_kafka_server::DataError::Stopped)?;
            look(server)
        });
        looked.map_err(Error::from)
    }
}

pub(crate) async fn restart(server: Arc<Mutex<Option<KafkaServer>>>) -> Result<(), Error> {
    let mut server = server.lock().await;
    let server = server
        .as_mut()
        .ok_or(convoy_kafka_server::DataError::Stopped)?;
    server.restart().await.map_err(failed_restart)
}

pub(crate) async fn crash(server: Arc<Mutex<Option<KafkaServer>>>) -> Result<u64, Error> {
    let mut server = server.lock().await;
    let server = server
        .as_mut()
        .ok_or(convoy_kafka_server::DataError::Stopped)?;
    server.crash().await.map_err(failed_restart)
}

pub(crate) async fn stop(server: Arc<Mutex<Option<KafkaServer>>>) -> Result<(), Error> {
    let stopping = server.lock().await.take();
    match stopping {
        Some(server) => server.stop().await.map_err(|source| Error::Stop {
            server: BROKER,
            source: boxed(source),
        }),
        None => Ok(()),
    }
}

fn failed_restart(source: convoy_kafka_server::Error) -> Error {
    Error::Restart {
        server: BROKER,
        source: boxed(source),
    }
}
