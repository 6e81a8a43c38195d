//! Redpanda in a container.
//!
//! The client port is chosen before the start, because the broker must advertise it. The container
//! is ready when a metadata request succeeds; log lines differ between versions.
//!
//! # References
//!
//! `redpanda start` of Redpanda's documentation; `--mode` is left at its default, because the
//! development modes acknowledge without fsync.

use std::error::Error as StdError;
use std::time::Duration;

use testcontainers_modules::testcontainers::core::IntoContainerPort;
use testcontainers_modules::testcontainers::{GenericImage, ImageExt};

use crate::broker::client::Connector;
use crate::broker::spec::Endpoint;
use crate::containers::container::{Common, Container, Error, free_port, start_on_free_ports};

/// Default image.
pub const IMAGE: &str = "redpandadata/redpanda:v25.1.1";

/// Kafka port in the container.
const KAFKA: u16 = 9_092;

/// Schema Registry port in the container.
const REGISTRY: u16 = 8_081;

/// A Redpanda container of this run. Dropping it removes the container.
#[derive(Debug)]
pub struct Redpanda {
    container: Container<GenericImage>,
    endpoint: Endpoint,
    registry: String,
    deadline: Duration,
}

impl Redpanda {
    /// Starts a broker and waits until it responds.
    pub async fn start(common: &Common) -> Result<Self, Error> {
        start_on_free_ports("broker", || Self::start_once(common)).await
    }

    async fn start_once(common: &Common) -> Result<Self, Error> {
        let (kafka, registry) = (free_port()?, free_port()?);
        let (name, tag) = common.name_and_tag();
        let request = GenericImage::new(name, tag)
            .with_exposed_port(KAFKA.tcp())
            .with_exposed_port(REGISTRY.tcp())
            .with_cmd(command(&common.host, kafka));
        let ports = [(kafka, KAFKA), (registry, REGISTRY)];
        let container = Container::start(request, &ports, common).await?;
        let endpoint = Endpoint::plain(format!("{}:{kafka}", common.host));
        let connector = Connector::new(endpoint.clone());
        container
            .until_ready(common.deadline, || connector.topics())
            .await?;
        Ok(Self {
            container,
            endpoint,
            registry: format!("http://{}:{registry}", common.host),
            deadline: common.deadline,
        })
    }

    /// Returns the endpoint for clients.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Waits until the Schema Registry responds and returns its address.
    pub async fn registry<P, F, E>(&self, probe: P) -> Result<String, Error>
    where
        P: Fn(String) -> F + Send + Sync,
        F: Future<Output = Result<(), E>> + Send,
        E: StdError + Send + Sync + 'static,
    {
        let probe = || probe(self.registry.clone());
        self.container.until_ready(self.deadline, probe).await?;
        Ok(self.registry.clone())
    }

    /// Returns the container.
    pub fn container(&self) -> &Container<GenericImage> {
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

/// Limits the broker to one core, 1 GB and epoll without busy polling, so that the load generator
/// keeps the rest.
fn command(host: &str, kafka: u16) -> Vec<String> {
    let fixed = [
        "redpanda",
        "start",
        "--node-id",
        "0",
        "--smp",
        "1",
        "--memory",
        "1G",
        "--reserve-memory",
        "0M",
        "--overprovisioned",
        "--reactor-backend=epoll",
        "--check=false",
        "--default-log-level=warn",
    ];
    let addresses = [
        format!("--kafka-addr=PLAINTEXT://0.0.0.0:{KAFKA}"),
        format!("--advertise-kafka-addr=PLAINTEXT://{host}:{kafka}"),
        format!("--schema-registry-addr=0.0.0.0:{REGISTRY}"),
    ];
    fixed
        .into_iter()
        .map(str::to_owned)
        .chain(addresses)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_advertises_the_mapped_address() {
        let command = command("127.0.0.1", 40_123).join(" ");
        assert!(
            command.contains("--advertise-kafka-addr=PLAINTEXT://127.0.0.1:40123"),
            "{command}"
        );
        assert!(!command.contains("--mode"), "{command}");
    }
}
