//! The store of a run: embedded, in a container, or existing.

use std::future::Future;

use convoy_mongodb_server::MongoServer;
use convoy_server_kit::SecretUri;
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;

use crate::containers::container;
use crate::error::Error;
use crate::host::external::report_kept;
use crate::store::container::ReplicaSet;
use crate::terminal::Terminal;

/// Time that a container gets to end in order, in seconds.
const GRACE_SECONDS: i32 = 10;

/// A store, by its kind.
#[derive(Debug)]
pub(super) enum Store {
    Embedded(Box<MongoServer>),
    Container(Box<ReplicaSet>),
    External(SecretUri),
}

impl Store {
    pub(super) fn uri(&self) -> SecretUri {
        match self {
            Self::Embedded(store) => SecretUri::new(store.uri()),
            Self::Container(store) => store.uri().clone(),
            Self::External(uri) => uri.clone(),
        }
    }

    /// Returns what an acknowledgement means, for the report.
    pub(super) fn durability(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "w: majority, j: true, journal synced to disk",
            Self::Container(_) | Self::External(_) => {
                "w: majority, j: true requested; whether the server syncs its journal is unknown"
            }
        }
    }

    /// Returns an error if its container has ended.
    pub(super) async fn ended(&self) -> Option<container::Error> {
        match self {
            Self::Container(store) => store.end().await,
            Self::Embedded(_) | Self::External(_) => None,
        }
    }

    /// Stops the store in order and starts it again. `runtime` is that of its role.
    pub(super) async fn restart(&mut self, runtime: Handle) -> Result<(), Error> {
        match self {
            Self::Embedded(store) => Ok(TokioContext::new(store.restart(), runtime).await?),
            Self::Container(store) => {
                let restarted = store.container().restart(GRACE_SECONDS).await;
                restarted.map_err(Error::Container)
            }
            Self::External(_) => Err(OUT_OF_REACH),
        }
    }

    /// Pauses a container until `pausing` ends. Fail points and proxies do this for the others.
    pub(super) async fn pause_for(&self, pausing: impl Future<Output = ()>) -> Result<(), Error> {
        match self {
            Self::Container(store) => {
                let paused = store.container().pause_for(pausing).await;
                paused.map_err(Error::Container)
            }
            Self::Embedded(_) | Self::External(_) => Ok(()),
        }
    }

    /// Stops the store, or leaves its container running and says how to reach it.
    pub(super) async fn stop(self, keep: bool, terminal: &Terminal) -> Result<(), Error> {
        match self {
            Self::Embedded(store) => Ok(store.stop().await?),
            Self::Container(store) if keep => {
                let address = store.uri().to_string();
                report_kept(terminal, "store", &address, store.keep());
                Ok(())
            }
            Self::Container(store) => store.stop().await.map_err(Error::Container),
            Self::External(_) => Ok(()),
        }
    }
}

const OUT_OF_REACH: Error = Error::Bug("a fault was planned that the store cannot have");
