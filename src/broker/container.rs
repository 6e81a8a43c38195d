//! Redpanda in a container.
//!
//! The port that clients use is chosen before the start, because the broker must advertise it. A
//! metadata request proves that it is ready; log lines change from version to version.
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

/// Image that is started unless the user names another.
pub const IMAGE: &str = "redpandadata/redpanda:v25.1.1";

/// Port of the Kafka protocol in the container.
const KAFKA: u16 = 9_092;

/// Port of the Schema Registry in the container.
const REGISTRY: u16 = 8_081;

/// A Redpanda broker of this run. Dropping it removes the container.
#[derive(Debug)]
pub struct Redpanda {
    container: Container<GenericImage>,
    endpoint: Endpoint,
    registry: String,
    deadline: Duration,
}

impl Redpanda {
    /// Starts a broker and waits until it answers.
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

    /// Returns where clients connect.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Waits until its Schema Registry answers and returns its address.
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

    /// Leaves the container where it is and returns its id.
    pub fn keep(self) -> Option<String> {
        self.container.keep()
    }

    /// Returns how the container ended, if it did.
    pub async fn end(&self) -> Option<Error> {
        self.container.end().await
    }

    /// Removes the container.
    pub async fn stop(self) -> Result<(), Error> {
        self.container.remove().await
    }
}

/// One core and one gigabyte, polling with epoll, so that it leaves the rest to the load.
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
    fn the_mapped_address_is_advertised() {
        let command = command("127.0.0.1", 40_123).join(" ");
        assert!(
            command.contains("--advertise-kafka-addr=PLAINTEXT://127.0.0.1:40123"),
            "{command}"
        );
        assert!(!command.contains("--mode"), "{command}");
    }
}
