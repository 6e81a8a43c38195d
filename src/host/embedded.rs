//! Embedded servers, each on the runtime of its role, and their data directory.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use convoy_kafka_server as broker;
use convoy_kafka_server::KafkaServer;
use convoy_mongodb_server as store;
use convoy_mongodb_server::MongoServer;
use convoy_registry_server as registry;
use convoy_registry_server::RegistryServer;

use crate::error::Error;
use crate::host::data_files;
use crate::host::roles::{Role, Runtimes};
use crate::host::scratch::Scratch;

/// Starts a broker.
pub async fn start_broker(
    settings: broker::Settings,
    runtimes: &Runtimes,
) -> Result<KafkaServer, Error> {
    let starting = runtimes.spawn_start(Role::Broker, KafkaServer::start(settings));
    let started = starting.await;
    Ok(started.map_err(|_panicked| Error::Bug("the embedded broker panicked"))??)
}

/// Starts a Schema Registry.
pub async fn start_registry(
    settings: registry::Settings,
    runtimes: &Runtimes,
) -> Result<RegistryServer, Error> {
    let starting = runtimes.spawn_start(Role::Registry, RegistryServer::start(settings));
    let started = starting.await;
    Ok(started.map_err(|_panicked| Error::Bug("the embedded registry panicked"))??)
}

/// Starts a store.
pub async fn start_store(
    settings: store::Settings,
    runtimes: &Runtimes,
) -> Result<MongoServer, Error> {
    let starting = runtimes.spawn_start(Role::Store, MongoServer::start(settings));
    let started = starting.await;
    Ok(started.map_err(|_panicked| Error::Bug("the embedded store panicked"))??)
}

/// Returns an address on the loopback interface; port 0 takes a free one.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Directory for the data of embedded servers.
#[derive(Debug)]
pub struct DataPlace {
    path: PathBuf,
    /// Removed when this value is dropped.
    scratch: Option<Scratch>,
}

impl DataPlace {
    /// Uses the directory that the user names, or creates a temporary one.
    pub fn open(named: Option<&Path>, run_id: &str) -> Result<Self, Error> {
        if let Some(named) = named {
            data_files::open(named)?;
            return Ok(Self {
                path: named.to_owned(),
                scratch: None,
            });
        }
        let parent = std::env::temp_dir();
        let scratch = Scratch::create(&parent, run_id).map_err(|source| Error::Scratch {
            path: parent,
            source,
        })?;
        Ok(Self {
            path: scratch.path().to_owned(),
            scratch: Some(scratch),
        })
    }

    /// Returns the directory of one server.
    pub fn of(&self, server: &str) -> PathBuf {
        self.path.join(server)
    }

    /// Returns the directory of all servers.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes which servers have data in a named directory, so that it is missed if it is gone.
    pub fn note_files(&self) -> Result<(), Error> {
        if self.is_temporary() {
            return Ok(());
        }
        data_files::note(&self.path)
    }

    /// Returns whether the data is removed when this value is dropped.
    pub fn is_temporary(&self) -> bool {
        self.scratch.is_some()
    }
}
