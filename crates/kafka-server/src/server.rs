//! The server: starts, restarts, crashes and stops.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::{Connections, Limits, Server, bind, unix_ms};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::cluster::Cluster;
#[cfg(test)]
use crate::cluster::TopicRef;
use crate::connection;
use crate::error::Error;
use crate::memory::Bounds;
use crate::settings::Settings;

/// Interval of checks of the timeouts of transactions.
const TRANSACTION_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A running server. Dropping it ends its connections; [`stop`](Self::stop) waits for them.
#[derive(Debug)]
pub struct KafkaServer {
    settings: Settings,
    directory: PathBuf,
    address: SocketAddr,
    /// `None` only during a restart, or after a restart failed.
    serving: Option<Serving>,
    /// Removed with the server.
    temporary: Option<TempDir>,
}

/// The part that a restart replaces.
#[derive(Debug)]
struct Serving {
    server: Server,
    cluster: Arc<Cluster>,
    /// Stops the timekeeper when it is dropped.
    background: DropGuard,
    timekeeper: JoinHandle<()>,
}

impl KafkaServer {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, if the data directory cannot be used or is in use, or if the
    /// address is not loopback and the settings have no users ([`Error::Exposed`]).
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let address = settings.listen;
        let anonymous = settings.users.is_empty() && !settings.allow_anonymous_remote;
        if anonymous && !address.ip().is_loopback() {
            return Err(Error::Exposed { address });
        }
        let temporary = match settings.data_dir {
            Some(_) => None,
            None => Some(temporary_directory()?),
        };
        let directory = temporary.as_ref().map(TempDir::path);
        let directory = directory.or(settings.data_dir.as_deref());
        let directory = directory.map(Path::to_owned).unwrap_or_default();
        let serving = Serving::start(&settings, &directory, settings.listen).await?;
        Ok(Self {
            settings,
            directory,
            address: serving.server.address(),
            serving: Some(serving),
            temporary,
        })
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns host and port for the `bootstrap.servers` of a client.
    pub fn bootstrap_servers(&self) -> String {
        match &self.settings.advertised {
            Some((host, port)) => format!("{host}:{port}"),
            None => self.address.to_string(),
        }
    }

    /// Returns the directory of topics and groups.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the data that is served; `None` while the server restarts.
    pub(crate) fn serving_cluster(&self) -> Option<&Cluster> {
        self.serving.as_ref().map(|serving| &*serving.cluster)
    }

    /// Syncs all records to the disk, so that they survive a crash of the machine.
    pub async fn sync(&self) -> Result<(), Error> {
        let Some(serving) = &self.serving else {
            return Ok(());
        };
        let synced = serving.cluster.sync().await;
        synced.map_err(Error::sync)
    }

    /// Stops serving and starts again at the same address with the same data.
    ///
    /// After an error the server stays stopped.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.end_serving().await?;
        self.begin_serving().await
    }

    /// Restarts as after a crash of the machine: records that were not synced are lost, although
    /// they were acknowledged. Returns the number of lost offsets.
    ///
    /// After an error the server stays stopped.
    pub async fn crash(&mut self) -> Result<u64, Error> {
        let mut lost = 0;
        if let Some(serving) = self.serving.take() {
            let (cluster, _ended) = serving.end().await;
            for partition in cluster.partitions() {
                let dropped = partition.log().drop_unsynced();
                lost += dropped.map_err(Error::sync)?;
            }
        }
        self.begin_serving().await?;
        Ok(lost)
    }

    /// Answers the current requests, ends all connections and closes the logs. Removes a temporary
    /// directory.
    pub async fn stop(mut self) -> Result<(), Error> {
        let ended = self.end_serving().await;
        if let Some(temporary) = self.temporary.take() {
            temporary
                .close()
                .map_err(|source| Error::directory(&self.directory, source))?;
        }
        ended
    }

    async fn begin_serving(&mut self) -> Result<(), Error> {
        let serving = Serving::start(&self.settings, &self.directory, self.address).await?;
        self.serving = Some(serving);
        Ok(())
    }

    async fn end_serving(&mut self) -> Result<(), Error> {
        let Some(serving) = self.serving.take() else {
            return Ok(());
        };
        let (cluster, ended) = serving.end().await;
        if self.temporary.is_none() {
            let synced = cluster.sync().await;
            synced.map_err(Error::sync)?;
            if ended {
                cluster.close()?;
            }
        }
        if ended { Ok(()) } else { Err(Error::Busy) }
    }
}

impl Serving {
    async fn start(
        settings: &Settings,
        directory: &Path,
        address: SocketAddr,
    ) -> Result<Self, Error> {
        let listener = bind(address)
            .await
            .map_err(|source| Error::Listen { source })?;
        let address = listener
            .local_addr()
            .map_err(|source| Error::Serve { source })?;
        let limits = settings.limits;
        let cluster = Cluster::open(settings.clone(), directory.to_owned(), address)?;
        let cluster = Arc::new(cluster);
        let background = CancellationToken::new();
        let timekeeper = tokio::spawn(keep_time(Arc::clone(&cluster), background.clone()));
        let served = Arc::clone(&cluster);
        let bounds = Arc::new(Bounds::new(limits, settings.frame_memory));
        // A connection beyond the limit is accepted, so that an idle one can be closed for it.
        let limits = Limits {
            connections: limits.connections + Connections::WAITING,
            ..limits
        };
        let server = Server::start(listener, limits, move |stream, stopping| {
            connection::accept(Arc::clone(&served), Arc::clone(&bounds), stream, stopping)
        })
        .map_err(|source| Error::Serve { source })?;
        Ok(Self {
            server,
            cluster,
            background: background.drop_guard(),
            timekeeper,
        })
    }

    /// Ends all tasks; returns false if a connection did not end in time.
    async fn end(self) -> (Arc<Cluster>, bool) {
        let ended = self.server.stop().await;
        drop(self.background);
        let timekept = self.timekeeper.await;
        (self.cluster, ended && timekept.is_ok())
    }
}

#[cfg(test)]
impl KafkaServer {
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.serving.as_ref().unwrap().cluster
    }

    /// Creates a topic without a client.
    pub(crate) fn create_topic(&self, name: &str, partitions: i32) {
        let configs = std::collections::BTreeMap::new();
        let created = self.cluster().create_topic(name, partitions, configs);
        created.unwrap();
    }

    /// Returns the number of fetches that wait for the first partition of a topic.
    pub(crate) fn watched(&self, topic: &str) -> usize {
        let topic = TopicRef::Name(topic);
        self.cluster().partition(topic, 0).unwrap().watched()
    }
}

/// Runs what no request triggers: deadlines of groups, retention and syncs.
async fn keep_time(cluster: Arc<Cluster>, stopping: CancellationToken) {
    let upkeep = async {
        let interval = cluster.settings().upkeep_interval;
        // A round that has begun ends before the server does: it replaces files.
        while stopping
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            upkeep(&cluster, &stopping).await;
        }
    };
    let transactions = stopping.run_until_cancelled(expire_transactions(&cluster));
    tokio::join!(cluster.groups().keep_time(&stopping), upkeep, transactions);
}

/// Aborts transactions beyond their timeouts.
async fn expire_transactions(cluster: &Cluster) {
    loop {
        tokio::time::sleep(TRANSACTION_CHECK_INTERVAL).await;
        let now = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
        cluster.transactions().expire(cluster, now);
    }
}

/// Applies retention, compacts and, with a data directory, syncs the logs.
async fn upkeep(cluster: &Arc<Cluster>, stopping: &CancellationToken) {
    let (cleaning, until) = (Arc::clone(cluster), stopping.clone());
    let removed = tokio::task::spawn_blocking(move || cleaning.clean_up(unix_ms(), &until));
    // The panic hook reports a panic; the next round follows anyway.
    let _panicked = removed.await;
    if cluster.settings().data_dir.is_some()
        && let Err(error) = cluster.sync().await
    {
        let reason = &error as &dyn std::error::Error;
        warn!(reason, "failed to sync the logs");
    }
}

fn temporary_directory() -> Result<TempDir, Error> {
    tempfile::Builder::new()
        .prefix("convoy-broker-")
        .tempdir()
        .map_err(|source| Error::directory(&std::env::temp_dir(), source))
}
