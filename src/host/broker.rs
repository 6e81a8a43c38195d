//! The broker of a run: embedded, in a container, or existing.

use std::future::Future;

use convoy_kafka_server::KafkaServer;
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;

use crate::broker::Endpoint;
use crate::broker::container::Redpanda;
use crate::containers::container;
use crate::error::Error;
use crate::host::external::report_kept;
use crate::terminal::Terminal;

/// Time that a container gets to end in order, in seconds.
const GRACE_SECONDS: i32 = 10;

/// A broker, by its kind.
#[derive(Debug)]
pub(super) enum Broker {
    Embedded(Box<KafkaServer>),
    Container(Box<Redpanda>),
    External(Endpoint),
}

impl Broker {
    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Embedded(broker) => Endpoint::plain(broker.address().to_string()),
            Self::Container(broker) => broker.endpoint().clone(),
            Self::External(endpoint) => endpoint.clone(),
        }
    }

    /// Returns what an acknowledgement means, for the report.
    pub(super) fn durability(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "acks=all, in the page cache of this machine",
            Self::Container(_) => {
                "acks=all; whether the server syncs to disk before it acknowledges is unknown"
            }
            Self::External(_) => "acks=all, as the cluster is configured",
        }
    }

    /// Returns an error if its container has ended.
    pub(super) async fn ended(&self) -> Option<container::Error> {
        match self {
            Self::Container(broker) => broker.end().await,
            Self::Embedded(_) | Self::External(_) => None,
        }
    }

    /// Stops the broker in order and starts it again. `runtime` is that of its role.
    pub(super) async fn restart(&mut self, runtime: Handle) -> Result<(), Error> {
        match self {
            Self::Embedded(broker) => Ok(TokioContext::new(broker.restart(), runtime).await?),
            Self::Container(broker) => {
                let restarted = broker.container().restart(GRACE_SECONDS).await;
                restarted.map_err(Error::Container)
            }
            Self::External(_) => Err(OUT_OF_REACH),
        }
    }

    /// Kills the broker and starts it again. Returns the number of acknowledged records that are
    /// lost, if it is known. `runtime` is that of its role.
    pub(super) async fn crash(&mut self, runtime: Handle) -> Result<Option<u64>, Error> {
        match self {
            Self::Embedded(broker) => {
                let lost = TokioContext::new(broker.crash(), runtime).await?;
                Ok(Some(lost))
            }
            Self::Container(broker) => {
                let restarted = broker.container().restart(0).await;
                restarted.map(|()| None).map_err(Error::Container)
            }
            Self::External(_) => Err(OUT_OF_REACH),
        }
    }

    /// Pauses a container until `pausing` ends. Fail points and proxies do this for the others.
    pub(super) async fn pause_for(&self, pausing: impl Future<Output = ()>) -> Result<(), Error> {
        match self {
            Self::Container(broker) => {
                let paused = broker.container().pause_for(pausing).await;
                paused.map_err(Error::Container)
            }
            Self::Embedded(_) | Self::External(_) => Ok(()),
        }
    }

    /// Stops the broker, or leaves its container running and says how to reach it.
    pub(super) async fn stop(self, keep: bool, terminal: &Terminal) -> Result<(), Error> {
        match self {
            Self::Embedded(broker) => Ok(broker.stop().await?),
            Self::Container(broker) if keep => {
                let address = broker.endpoint().bootstrap.join(",");
                report_kept(terminal, "broker", &address, broker.keep());
                Ok(())
            }
            Self::Container(broker) => broker.stop().await.map_err(Error::Container),
            Self::External(_) => Ok(()),
        }
    }
}

const OUT_OF_REACH: Error = Error::Bug("a fault was planned that the broker cannot have");
