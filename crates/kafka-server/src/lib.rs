//! An in-process Kafka broker: one node, real protocol, real files, for clients on loopback.
//!
//! ```text
//!  connection ─▶ frame ─▶ api/<request> ─▶ cluster ─▶ topic ─▶ partition ─▶ log/ ─▶ files
//!      ▲                    │ wire (decode), reply (encode)        │
//!      └──── one response per request, in order ◀── watchers ◀─────┘ wake fetches that wait
//! ```
//!
//! Record batches are checked and then kept as the opaque bytes that came; a fetch copies them
//! from the page cache into its response without looking inside.

mod api;
mod auth;
mod batch;
mod cluster;
mod config;
mod connection;
mod error;
mod faults;
mod files;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod group;
mod log;
mod partition;
mod producer_ids;
mod reply;
mod settings;
#[cfg(test)]
mod tests;
mod topic;
mod watchers;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

pub use self::auth::User;
use self::cluster::Cluster;
pub use self::error::Error;
pub use self::faults::{Fault, Faults, Moment};
pub use self::settings::Settings;
use convoy_server_kit::clock::unix_ms;
use convoy_server_kit::{Server, bind};

/// A broker. Dropping it ends its connections; [`stop`](Self::stop) waits for them.
#[derive(Debug)]
pub struct Broker {
    settings: Settings,
    directory: PathBuf,
    address: SocketAddr,
    /// `None` only while it restarts, or after a restart failed.
    serving: Option<Serving>,
    /// Removed with the broker.
    temporary: Option<TempDir>,
}

/// What comes and goes with a restart.
#[derive(Debug)]
struct Serving {
    server: Server,
    cluster: Arc<Cluster>,
    /// Ends the timekeeper when it is dropped.
    background: DropGuard,
    timekeeper: JoinHandle<()>,
}

impl Broker {
    /// Starts a broker on the current tokio runtime.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let address = settings.listen;
        let open_to_all = settings.users.is_empty() && !settings.allow_anonymous_remote;
        if open_to_all && !address.ip().is_loopback() {
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

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the directory that holds topics and logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes everything produced so far survive the end of the machine.
    pub async fn sync(&self) -> Result<(), Error> {
        let Some(serving) = &self.serving else {
            return Ok(());
        };
        let synced = serving.cluster.sync().await;
        synced.map_err(|source| Error::Close { source })
    }

    /// Stops serving and starts again at the same address with the same data.
    ///
    /// After an error the broker serves no more.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.end_serving().await?;
        self.begin_serving().await
    }

    /// Restarts as after the end of the machine: records that were not synced are lost, though
    /// they may have been acknowledged. Returns how many.
    ///
    /// After an error the broker serves no more.
    pub async fn crash(&mut self) -> Result<u64, Error> {
        let mut lost = 0;
        if let Some(serving) = self.serving.take() {
            let (cluster, _ended) = serving.end().await;
            for partition in cluster.partitions() {
                let dropped = partition.log().drop_unsynced();
                lost += dropped.map_err(|source| Error::Close { source })?;
            }
        }
        self.begin_serving().await?;
        Ok(lost)
    }

    /// Answers what is being asked, ends all connections and closes the logs; a temporary
    /// directory is removed.
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
            synced.map_err(|source| Error::Close { source })?;
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
        let server = Server::start(listener, limits, move |stream, stopping| {
            connection::accept(Arc::clone(&served), stream, limits, stopping)
        })
        .map_err(|source| Error::Serve { source })?;
        Ok(Self {
            server,
            cluster,
            background: background.drop_guard(),
            timekeeper,
        })
    }

    /// Ends everything; false if a connection did not end in time.
    async fn end(self) -> (Arc<Cluster>, bool) {
        let ended = self.server.stop().await;
        drop(self.background);
        let timekept = self.timekeeper.await;
        (self.cluster, ended && timekept.is_ok())
    }
}

#[cfg(test)]
impl Broker {
    fn cluster(&self) -> &Cluster {
        &self.serving.as_ref().unwrap().cluster
    }

    /// Creates a topic without a client.
    fn create_topic(&self, name: &str, partitions: i32) {
        let configs = std::collections::BTreeMap::new();
        let created = self.cluster().create_topic(name, partitions, configs);
        created.unwrap();
    }

    /// Returns how many fetches wait for the first partition of a topic.
    fn watched(&self, topic: &str) -> usize {
        let topic = cluster::TopicRef::Name(topic);
        self.cluster().partition(topic, 0).unwrap().watched()
    }
}

/// Does what is due though no client asks for it.
async fn keep_time(cluster: Arc<Cluster>, stopping: CancellationToken) {
    let upkeep = async {
        loop {
            tokio::time::sleep(cluster.settings().upkeep_interval).await;
            upkeep(&cluster).await;
        }
    };
    tokio::select! {
        () = cluster.groups().keep_time(&stopping) => {}
        () = upkeep => {}
    }
}

/// Removes what need not be kept any longer, and syncs what is to be kept.
async fn upkeep(cluster: &Arc<Cluster>) {
    let retaining = Arc::clone(cluster);
    let removed = tokio::task::spawn_blocking(move || retaining.apply_retention(unix_ms()));
    // A panic is reported by the panic hook; the next round comes all the same.
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
