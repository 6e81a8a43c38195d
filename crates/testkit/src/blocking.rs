//! The same for tests without an async runtime.
//!
//! Each type dereferences to the one of the same name at the top of this crate: `bootstrap_servers`,
//! `records`, `faults` and all else that does not wait is the same. What waits is here. It also works
//! on a thread of a runtime, which it then blocks.
//!
//! ```
//! use std::time::Duration;
//!
//! use convoy_testkit::blocking::Kafka;
//!
//! # fn main() -> Result<(), convoy_testkit::Error> {
//! let kafka = Kafka::builder().topic("orders", 3).start()?;
//! kafka.produce("orders", [("k1", "first")])?;
//! kafka.restart()?;
//! assert_eq!(kafka.records("orders")?.len(), 1);
//! kafka.wait_until_committed("billing", "orders", 0, Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```

use std::ops::Deref;
use std::time::Duration;

use crate::error::Error;
use crate::kafka::{self, KafkaBuilder};
use crate::mode::Blocking;
use crate::mongo::{self, MongoBuilder};
use crate::registry::{self, RegistryBuilder};
use crate::servers::ServersBuilder;
use crate::stored::{self, Identity};
use crate::variables::{self, Variables};

/// A Kafka broker for one test; see [`crate::Kafka`].
#[derive(Debug)]
pub struct Kafka(crate::Kafka);

impl Kafka {
    pub(crate) fn new(kafka: crate::Kafka) -> Self {
        Self(kafka)
    }

    /// Starts a broker without topics; those that clients ask for are created with one partition.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Returns a builder, to start with topics, a user or a directory.
    pub fn builder() -> KafkaBuilder<Blocking> {
        KafkaBuilder::default()
    }

    /// See [`crate::Kafka::wait_until_committed`].
    pub fn wait_until_committed(
        &self,
        group: &str,
        topic: &str,
        records: u64,
        deadline: Duration,
    ) -> Result<(), Error> {
        let wait = kafka::Wait::new(group, topic, records, deadline);
        self.0.host().block_on(wait.until(self.0.shared()))
    }

    /// See [`crate::Kafka::restart`].
    pub fn restart(&self) -> Result<(), Error> {
        self.0.host().block_on(kafka::restart(self.0.shared()))
    }

    /// See [`crate::Kafka::crash`].
    pub fn crash(&self) -> Result<u64, Error> {
        self.0.host().block_on(kafka::crash(self.0.shared()))
    }

    /// See [`crate::Kafka::stop`].
    pub fn stop(self) -> Result<(), Error> {
        self.0.host().block_on(kafka::stop(self.0.shared()))
    }
}

impl Deref for Kafka {
    type Target = crate::Kafka;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// A MongoDB server for one test; see [`crate::Mongo`].
#[derive(Debug)]
pub struct Mongo(crate::Mongo);

impl Mongo {
    pub(crate) fn new(mongo: crate::Mongo) -> Self {
        Self(mongo)
    }

    /// Starts a standalone server without users.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Returns a builder, to start with a replica set, a user or a directory.
    pub fn builder() -> MongoBuilder<Blocking> {
        MongoBuilder::default()
    }

    /// See [`crate::Mongo::restart`].
    pub fn restart(&self) -> Result<(), Error> {
        self.0.host().block_on(mongo::restart(self.0.shared()))
    }

    /// See [`crate::Mongo::crash`].
    pub fn crash(&self) -> Result<u64, Error> {
        self.0.host().block_on(mongo::crash(self.0.shared()))
    }

    /// See [`crate::Mongo::stop`].
    pub fn stop(self) -> Result<(), Error> {
        self.0.host().block_on(mongo::stop(self.0.shared()))
    }
}

impl Deref for Mongo {
    type Target = crate::Mongo;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// A Schema Registry for one test; see [`crate::Registry`].
#[derive(Debug)]
pub struct Registry(crate::Registry);

impl Registry {
    pub(crate) fn new(registry: crate::Registry) -> Self {
        Self(registry)
    }

    /// Starts a registry without users, with schemas in memory.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Returns a builder, to start with a user or a directory.
    pub fn builder() -> RegistryBuilder<Blocking> {
        RegistryBuilder::default()
    }

    /// See [`crate::Registry::restart`].
    pub fn restart(&self) -> Result<(), Error> {
        self.0.host().block_on(registry::restart(self.0.shared()))
    }

    /// See [`crate::Registry::crash`].
    pub fn crash(&self) -> Result<(), Error> {
        self.0.host().block_on(registry::crash(self.0.shared()))
    }

    /// See [`crate::Registry::stop`].
    pub fn stop(self) -> Result<(), Error> {
        self.0.host().block_on(registry::stop(self.0.shared()))
    }
}

impl Deref for Registry {
    type Target = crate::Registry;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// All three servers for one test; see [`crate::Servers`].
#[derive(Debug)]
pub struct Servers {
    kafka: Kafka,
    mongo: Mongo,
    registry: Registry,
}

impl Servers {
    pub(crate) fn new(kafka: Kafka, mongo: Mongo, registry: Registry) -> Self {
        Self {
            kafka,
            mongo,
            registry,
        }
    }

    /// Starts all three without users.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Returns a builder, to start with topics, a user, a replica set or a directory.
    pub fn builder() -> ServersBuilder<Blocking> {
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

    /// See [`crate::Servers::assert_all_stored`].
    #[track_caller]
    pub fn assert_all_stored(&self, topic: &str, namespace: &str, identity: &Identity) {
        stored::assert_all_stored(&self.kafka, topic, &self.mongo, namespace, identity);
    }

    /// See [`crate::Servers::wait_until_all_stored`].
    pub fn wait_until_all_stored(
        &self,
        topic: &str,
        namespace: &str,
        identity: &Identity,
        deadline: Duration,
    ) -> Result<(), Error> {
        let wait = stored::Wait::new(topic, namespace, identity, deadline)?;
        let (kafka, mongo) = (self.kafka.0.shared(), self.mongo.0.shared());
        self.kafka.0.host().block_on(wait.until(kafka, mongo))
    }

    /// See [`crate::Servers::stop`].
    pub fn stop(self) -> Result<(), Error> {
        self.kafka.stop()?;
        self.registry.stop()?;
        self.mongo.stop()
    }
}
