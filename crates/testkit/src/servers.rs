//! All three servers for a test.

use std::future::Future;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server::KafkaServer;
use convoy_mongodb_server::MongoServer;
use convoy_registry_server::RegistryServer;

use crate::blocking;
use crate::error::Error;
use crate::host::Host;
use crate::kafka::{Kafka, KafkaBuilder, KafkaFaults};
use crate::mode::{Async, Blocking};
use crate::mongo::{Mongo, MongoBuilder, MongoFaults};
use crate::registry::{Registry, RegistryBuilder};
use crate::stored::{self, Identity};
use crate::variables::{self, Variables};

/// A Kafka broker, a MongoDB server and a Schema Registry for one test.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), convoy_testkit::Error> {
/// use convoy_testkit::Servers;
///
/// let servers = Servers::builder().topic("orders", 3).start().await?;
/// let (kafka, mongo) = (servers.kafka(), servers.mongo());
/// println!("{} and {}", kafka.bootstrap_servers(), mongo.uri());
/// // A program with its own configuration gets the variables of a `.env`:
/// let mut program = std::process::Command::new("orders");
/// program.envs(servers.env());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Servers {
    kafka: Kafka,
    mongo: Mongo,
    registry: Registry,
}

impl Servers {
    /// Starts all three without users.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Returns a builder, to start with topics, a user, a replica set or a directory.
    pub fn builder() -> ServersBuilder<Async> {
        ServersBuilder::default()
    }

    /// Returns the broker.
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// Returns the store.
    pub fn mongo(&self) -> &Mongo {
        &self.mongo
    }

    /// Returns the registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns `HOST:PORT` for the `bootstrap.servers` of a client.
    pub fn bootstrap_servers(&self) -> &str {
        self.kafka.bootstrap_servers()
    }

    /// Returns the connection string for MongoDB's drivers.
    pub fn uri(&self) -> &str {
        self.mongo.uri()
    }

    /// Returns the URL of the registry.
    pub fn registry_url(&self) -> &str {
        self.registry.url()
    }

    /// Returns the variables of a `.env`, as `convoy up` sets them.
    pub fn env(&self) -> Variables {
        variables::of_all(&self.kafka, &self.registry, &self.mongo)
    }

    /// Asserts that each record of a topic is stored exactly once in a collection, and nothing else.
    /// `namespace` is `database.collection`.
    ///
    /// # Panics
    ///
    /// If records are missing or stored more than once, or if documents belong to no record: the
    /// message names them.
    #[track_caller]
    pub fn assert_all_stored(&self, topic: &str, namespace: &str, identity: &Identity) {
        stored::assert_all_stored(&self.kafka, topic, &self.mongo, namespace, identity);
    }

    /// Waits until each record of a topic is stored exactly once in a collection, and nothing else.
    ///
    /// # Errors
    ///
    /// After the deadline, [`Error::NotStored`] names the records and documents that differ.
    pub async fn wait_until_all_stored(
        &self,
        topic: &str,
        namespace: &str,
        identity: &Identity,
        deadline: Duration,
    ) -> Result<(), Error> {
        let wait = stored::Wait::new(topic, namespace, identity, deadline)?;
        let (kafka, mongo) = (self.kafka.shared(), self.mongo.shared());
        self.kafka.host().run(wait.until(kafka, mongo)).await
    }

    /// Ends all three; reports what goes wrong, which a drop does not.
    pub async fn stop(self) -> Result<(), Error> {
        self.kafka.stop().await?;
        self.registry.stop().await?;
        self.mongo.stop().await
    }
}

/// How the three servers start; made by [`Servers::builder`] or [`blocking::Servers::builder`].
#[derive(Debug)]
#[must_use = "servers that are not started serve no client"]
pub struct ServersBuilder<Mode = Async> {
    kafka: KafkaBuilder,
    mongo: MongoBuilder,
    registry: RegistryBuilder,
    mode: PhantomData<Mode>,
}

impl<Mode> Default for ServersBuilder<Mode> {
    fn default() -> Self {
        Self {
            kafka: KafkaBuilder::default(),
            mongo: MongoBuilder::default(),
            registry: RegistryBuilder::default(),
            mode: PhantomData,
        }
    }
}

/// The started servers, before they are handed out.
struct Started {
    broker: KafkaServer,
    store: MongoServer,
    registry: RegistryServer,
}

impl<Mode> ServersBuilder<Mode> {
    /// Creates a topic.
    pub fn topic(mut self, name: impl Into<String>, partitions: i32) -> Self {
        self.kafka = self.kafka.topic(name, partitions);
        self
    }

    /// Sets whether a topic that a client asks for is created. [default: true]
    pub fn auto_create_topics(mut self, auto_create: bool) -> Self {
        self.kafka = self.kafka.auto_create_topics(auto_create);
        self
    }

    /// Requires this user and password from the clients of all three.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        let (name, password) = (name.into(), password.into());
        self.kafka = self.kafka.user(&name, &password);
        self.mongo = self.mongo.user(&name, &password);
        self.registry = self.registry.user(name, password);
        self
    }

    /// Makes the store the only member of a replica set, with change streams and retryable writes.
    pub fn replica_set(mut self, name: impl Into<String>) -> Self {
        self.mongo = self.mongo.replica_set(name);
        self
    }

    /// Keeps the data in folders of a directory, which is created if it does not exist. Without
    /// one, the data is in temporary directories that are removed at the end.
    pub fn data_dir(mut self, directory: impl AsRef<Path>) -> Self {
        let directory = directory.as_ref();
        self.kafka = self.kafka.data_dir(directory.join("kafka"));
        self.mongo = self.mongo.data_dir(directory.join("mongodb"));
        self.registry = self.registry.data_dir(directory.join("registry"));
        self
    }

    fn launch(
        &self,
    ) -> (
        KafkaFaults,
        MongoFaults,
        impl Future<Output = Result<Started, Error>> + Send + 'static,
    ) {
        let (kafka_faults, broker) = self.kafka.launch();
        let (mongo_faults, store) = self.mongo.launch();
        let registry = self.registry.launch();
        let starting = async move {
            let (broker, store, registry) = tokio::try_join!(broker, store, registry)?;
            Ok(Started {
                broker,
                store,
                registry,
            })
        };
        (kafka_faults, mongo_faults, starting)
    }

    fn started(
        self,
        started: Started,
        kafka_faults: KafkaFaults,
        mongo_faults: MongoFaults,
        host: Arc<Host>,
    ) -> Servers {
        let shared = || Arc::clone(&host);
        Servers {
            kafka: self.kafka.started(started.broker, kafka_faults, shared()),
            mongo: self.mongo.started(started.store, mongo_faults, shared()),
            registry: self.registry.started(started.registry, host),
        }
    }
}

impl ServersBuilder<Async> {
    /// Starts the servers.
    pub async fn start(self) -> Result<Servers, Error> {
        let host = Host::start()?;
        let (kafka_faults, mongo_faults, starting) = self.launch();
        let started = host.run(starting).await?;
        Ok(self.started(started, kafka_faults, mongo_faults, host))
    }
}

impl ServersBuilder<Blocking> {
    /// Starts the servers.
    pub fn start(self) -> Result<blocking::Servers, Error> {
        let host = Host::start()?;
        let (kafka_faults, mongo_faults, starting) = self.launch();
        let started = host.block_on(starting)?;
        let Servers {
            kafka,
            mongo,
            registry,
        } = self.started(started, kafka_faults, mongo_faults, host);
        Ok(blocking::Servers::new(
            blocking::Kafka::new(kafka),
            blocking::Mongo::new(mongo),
            blocking::Registry::new(registry),
        ))
    }
}
