//! MongoDB in a container, as a replica set with one member: only replica sets support
//! `w: "majority"` with a journal.
//!
//! The driver initiates the set, and the container is ready when the server is a writable primary.
//! Clients use a direct connection, because the set's own address is valid only in the container.

use convoy_server_kit::SecretUri;
use testcontainers_modules::mongo::Mongo;
use testcontainers_modules::testcontainers::ImageExt;
use testcontainers_modules::testcontainers::core::IntoContainerPort;

use crate::containers::container::{Common, Container, Error, free_port, start_on_free_ports};
use crate::store::client::Connection;
use crate::store::error::Error as ClientError;

/// Default image.
pub const IMAGE: &str = "mongo:8.0.4";

const SERVER: u16 = 27_017;

/// Name of the replica set.
const SET: &str = "convoy";

/// A MongoDB container of this run. Dropping it removes the container.
#[derive(Debug)]
pub struct ReplicaSet {
    container: Container<Mongo>,
    uri: SecretUri,
}

impl ReplicaSet {
    /// Starts a server and waits until it is a writable primary.
    pub async fn start(common: &Common) -> Result<Self, Error> {
        start_on_free_ports("store", || Self::start_once(common)).await
    }

    async fn start_once(common: &Common) -> Result<Self, Error> {
        let port = free_port()?;
        let (name, tag) = common.name_and_tag();
        // The module's own replica set needs a shell in the image and waits for a log line; both
        // differ between versions.
        let request = Mongo::new()
            .with_name(name)
            .with_tag(tag)
            .with_mapped_port(port, SERVER.tcp())
            .with_ready_conditions(Vec::new())
            .with_cmd(["--replSet", SET, "--bind_ip_all"]);
        let container = Container::start(request, &[(port, SERVER)], common).await?;
        let address = format!("mongodb://{}:{port}/?directConnection=true", common.host);
        let uri = SecretUri::new(address);
        container
            .until_ready(common.deadline, || primary(&uri))
            .await?;
        Ok(Self { container, uri })
    }

    /// Returns the address for clients.
    pub fn uri(&self) -> &SecretUri {
        &self.uri
    }

    /// Returns the container.
    pub fn container(&self) -> &Container<Mongo> {
        &self.container
    }

    /// Keeps the container running and returns its id.
    pub fn keep(self) -> Option<String> {
        self.container.keep()
    }

    /// Returns why the container has ended, if it has.
    pub async fn end(&self) -> Option<Error> {
        self.container.end().await
    }

    /// Removes the container.
    pub async fn stop(self) -> Result<(), Error> {
        self.container.remove().await
    }
}

/// Succeeds if the server is a writable primary; otherwise initiates the set.
async fn primary(uri: &SecretUri) -> Result<(), ClientError> {
    let connection = Connection::open(uri, "admin", 1).await?;
    if connection.is_writable_primary().await? {
        return Ok(());
    }
    let member = format!("127.0.0.1:{SERVER}");
    if let Err(error) = connection.initiate_replica_set(SET, &member).await {
        // An earlier probe initiated the set, and the election has not finished.
        tracing::debug!(%error, "the replica set is not primary yet");
    }
    Err(ClientError::NotPrimary)
}
