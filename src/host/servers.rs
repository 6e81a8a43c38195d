//! The servers of a run while it goes on: watched, restarted, paused and stopped.

use std::future::Future;
use std::time::Duration;

use convoy_kafka_server::KafkaServer;
use convoy_registry_server::RegistryServer;
use convoy_server_kit::SecretUri;

use crate::cause::chain;
use crate::error::Error;
use crate::faults::Target;
use crate::host::backend::{Backends, Progress};
use crate::host::broker::Broker;
use crate::host::embedded::DataPlace;
use crate::host::roles::{Role, Runtimes};
use crate::host::store::Store;
use crate::host::{file_sizes, space};
use crate::pipeline::{self, Endpoints, TerminatedServers};
use crate::proxy::Proxy;
use crate::report::{BackendKind, Durability};
use crate::settings::{BrokerChoice, ExternalBroker, ServerOrigins, SimulateSettings, StoreChoice};
use crate::terminal::Terminal;

/// Pause between two checks of the containers while requests fail.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Addresses of the servers without credentials, and what chose each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Addresses of the broker, separated by commas.
    pub broker: String,
    /// URI of the store.
    pub store: String,
    /// Option or variable that chose the broker.
    pub broker_origin: String,
    /// Option or variable that chose the store.
    pub store_origin: String,
}

impl Addresses {
    /// Prints the addresses of servers that convoy started; those of others are known earlier.
    pub(super) fn announce(&self, backends: &Backends, announce: Progress<'_>) {
        let servers = [
            ("broker", backends.broker, &self.broker),
            ("store", backends.store, &self.store),
        ];
        for (server, kind, address) in servers {
            if kind != BackendKind::External {
                announce(&format!("{server}: listening at {address}"));
            }
        }
    }
}

/// Names the broker and the store of a run before they start: by address if it is known, and by what
/// chose them.
pub(super) fn decided_lines(
    settings: &SimulateSettings,
    backends: &Backends,
    origins: &ServerOrigins,
) -> [String; 2] {
    let broker = match &settings.broker {
        BrokerChoice::External(broker) => external_broker_line(broker, &origins.broker),
        _ => server_line("broker", &backends.broker.to_string(), &origins.broker),
    };
    let store = match &settings.store {
        StoreChoice::External(uri) => external_store_line(uri, &origins.store),
        _ => server_line("store", &backends.store.to_string(), &origins.store),
    };
    [broker, store]
}

/// Names a server by address, and the option or variable that chose it.
fn server_line(server: &str, address: &str, origin: &str) -> String {
    format!("{server}: {address} ({origin})")
}

/// Names an existing broker and what chose it.
pub(crate) fn external_broker_line(broker: &ExternalBroker, origin: &str) -> String {
    let address = format!("external {}", broker.bootstrap.join(","));
    server_line("broker", &address, origin)
}

/// Names an existing store and what chose it.
pub(crate) fn external_store_line(uri: &SecretUri, origin: &str) -> String {
    server_line("store", &format!("external {uri}"), origin)
}

/// Running servers, or the addresses of existing ones.
#[derive(Debug)]
pub struct Servers {
    /// Addresses that clients connect to.
    pub endpoints: Endpoints,
    /// Their own addresses, without proxies.
    pub addresses: Addresses,
    /// Kind of the broker.
    pub broker_kind: BackendKind,
    /// Kind of the store.
    pub store_kind: BackendKind,
    /// Meaning of an acknowledgement by the broker and by the store.
    pub durability: Durability,
    pub(super) broker: Broker,
    pub(super) registry: Option<RegistryServer>,
    pub(super) store: Store,
    /// Inject faults into servers that are not embedded.
    pub(super) _proxies: Vec<Proxy>,
    /// Outlives the embedded servers, whose data it holds.
    pub(super) data: Option<DataPlace>,
}

impl Servers {
    /// Returns the URI of the store, without proxies.
    pub fn store_uri(&self) -> SecretUri {
        self.store.uri()
    }

    /// Returns how many records of the topics the consumer's group has not committed: the group with
    /// this name, or the only other one that has committed offsets of each topic. `None` if there is
    /// none or more than one, or if the broker is not embedded.
    pub fn uncommitted(&self, group: &str, topics: &[String]) -> Option<u64> {
        let Broker::Embedded(broker) = &self.broker else {
            return None;
        };
        let of = |group: &str| {
            let each = topics.iter().map(|topic| uncommitted(broker, group, topic));
            each.sum::<Option<u64>>()
        };
        of(group).or_else(|| {
            let others = broker.snapshot().groups;
            let mut others = others.iter().filter_map(|other| of(&other.name));
            let only = others.next()?;
            others.next().is_none().then_some(only)
        })
    }

    /// Returns the URL of the embedded registry, if there is one.
    pub fn registry_url(&self) -> Option<String> {
        self.registry.as_ref().map(RegistryServer::url)
    }

    /// Warns if the data of embedded servers fills its file system, and of a limit on file sizes. Never
    /// returns.
    pub fn watch_space<F: Fn(&str)>(&self, warn: F) -> impl Future<Output = ()> + use<F> {
        let directory = self.data.as_ref().map(|data| data.path().to_owned());
        async move {
            match directory {
                Some(directory) => space::watch(&directory, warn).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Reports that the embedded servers can write no more, once a file of theirs may not grow. Never
    /// returns.
    pub fn watch_file_sizes<'a>(
        &self,
        terminated: &'a TerminatedServers,
    ) -> impl Future<Output = ()> + use<'a> {
        let embedded = self.data.is_some();
        async move {
            if embedded {
                file_sizes::watch(terminated).await;
            }
            std::future::pending::<()>().await;
        }
    }

    /// Checks the containers when requests fail, and reports one that has ended. Never returns.
    pub async fn watch(&self, terminated: &TerminatedServers) {
        loop {
            terminated.request_failed().await;
            let (broker, store) = tokio::join!(self.broker.ended(), self.store.ended());
            if let Some(reason) = broker.or(store) {
                terminated.report(pipeline::Error::ServerEnded(reason));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Stops the broker in order and starts it again.
    pub(crate) async fn restart_broker(&mut self, runtimes: &Runtimes) -> Result<(), Error> {
        self.broker.restart(runtimes.handle(Role::Broker)).await
    }

    /// Kills the broker and starts it again. Returns the number of acknowledged records that are
    /// lost, if it is known.
    pub(crate) async fn crash_broker(&mut self, runtimes: &Runtimes) -> Result<Option<u64>, Error> {
        self.broker.crash(runtimes.handle(Role::Broker)).await
    }

    /// Stops the store in order and starts it again.
    pub(crate) async fn restart_store(&mut self, runtimes: &Runtimes) -> Result<(), Error> {
        self.store.restart(runtimes.handle(Role::Store)).await
    }

    /// Pauses a server in a container until `pausing` ends.
    pub(crate) async fn pause_for(
        &self,
        target: Target,
        pausing: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        match target {
            Target::Broker => self.broker.pause_for(pausing).await,
            Target::Store => self.store.pause_for(pausing).await,
            // It is no server.
            Target::Consumer => Ok(()),
        }
    }

    /// Stops the servers. With `keep`, containers keep running, and it is said how to reach them.
    ///
    /// Every server is stopped, also if one fails. Failures of data that is removed are only logged.
    pub async fn stop(self, keep: bool, terminal: &Terminal) -> Result<(), Error> {
        let temporary = self.data.as_ref().is_some_and(DataPlace::is_temporary);
        let broker_is_removed = temporary && self.broker_kind == BackendKind::Embedded;
        let store_is_removed = temporary && self.store_kind == BackendKind::Embedded;
        let broker = log_if(broker_is_removed, self.broker.stop(keep, terminal).await);
        if let Some(registry) = self.registry
            && let Err(error) = registry.stop().await
        {
            tracing::info!(%error, "failed to stop the schema registry in order");
        }
        let store = log_if(store_is_removed, self.store.stop(keep, terminal).await);
        broker.and(store)
    }
}

/// Logs the failure of a server whose data is about to be removed.
fn log_if(removed: bool, stopped: Result<(), Error>) -> Result<(), Error> {
    match stopped {
        Err(error) if removed => {
            tracing::info!(
                error = chain(&error),
                "failed to stop a server in order; its data is removed"
            );
            Ok(())
        }
        stopped => stopped,
    }
}

/// Returns how many records of a topic a group has not committed; `None` if it committed nothing.
fn uncommitted(broker: &KafkaServer, group: &str, topic: &str) -> Option<u64> {
    let partitions = broker.progress(group, topic).ok()?.partitions;
    let known = partitions.iter().any(|it| it.committed.is_some());
    let left = partitions.iter().map(|it| {
        let next = it.committed.unwrap_or(it.start);
        it.end.saturating_sub(next).max(0).unsigned_abs()
    });
    known.then(|| left.sum())
}
