//! The running server: start, restart, crash, stop.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use convoy_server_kit::disk::Loss;
use convoy_server_kit::{self as kit, Connections, Limits, Server};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::api::Service;
use crate::error::Error;
use crate::http::Frontend;
use crate::journal::{self, Journal};
use crate::settings::Settings;

/// A running Schema Registry. Dropping it closes its connections without waiting for them.
#[derive(Debug)]
pub struct RegistryServer {
    settings: Settings,
    address: SocketAddr,
    service: Arc<Service>,
    serving: Option<Serving>,
}

/// The part of a server that ends with a restart.
#[derive(Debug)]
struct Serving {
    server: Server,
    /// Closes connections without finishing their requests.
    cut: CancellationToken,
}

impl RegistryServer {
    /// Replays the journal of the data directory, if there is one, and serves on the current tokio
    /// runtime.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let service = Arc::new(open(settings.data_dir.as_deref()).await?);
        let serving = Serving::start(&settings, settings.listen, &service).await?;
        Ok(Self {
            settings,
            address: serving.server.address(),
            service,
            serving: Some(serving),
        })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL that clients are configured with, without credentials.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Finishes requests, closes connections, and serves the same schemas again at the same
    /// address. With a data directory they are read from the journal again.
    ///
    /// After an error the server no longer serves.
    pub async fn restart(&mut self) -> Result<(), Error> {
        if let Some(serving) = self.serving.take()
            && !serving.server.stop().await
        {
            warn!("connections of the schema registry did not close in time");
        }
        self.serve_again().await
    }

    /// Closes connections in the middle of their requests, and serves again at the same address.
    ///
    /// Changes are synced before they are acknowledged, so every acknowledged change is still
    /// there. A change whose request was cut off may or may not be.
    ///
    /// After an error the server no longer serves.
    pub async fn crash(&mut self) -> Result<(), Error> {
        if let Some(serving) = self.serving.take() {
            serving.cut.cancel();
            serving.server.stop().await;
        }
        self.serve_again().await
    }

    /// Stops accepting connections, finishes requests and closes connections.
    ///
    /// Returns [`Error::Busy`] if some connections did not close within five seconds; they are
    /// dropped.
    pub async fn stop(mut self) -> Result<(), Error> {
        let closed = match self.serving.take() {
            Some(serving) => serving.server.stop().await,
            None => true,
        };
        close(Arc::clone(&self.service)).await?;
        if closed { Ok(()) } else { Err(Error::Busy) }
    }

    async fn serve_again(&mut self) -> Result<(), Error> {
        if let Some(data_dir) = self.settings.data_dir.as_deref() {
            close(Arc::clone(&self.service)).await?;
            self.service = Arc::new(open(Some(data_dir)).await?);
        }
        let serving = Serving::start(&self.settings, self.address, &self.service).await?;
        self.serving = Some(serving);
        Ok(())
    }
}

/// Keeps what is whole of a damaged data directory and puts the rest into its folder `damaged`.
///
/// Returns what was lost, file by file. Blocks on the disk; no server may use the directory.
pub fn repair(data_dir: &Path) -> Result<Vec<Loss>, Error> {
    journal::repair(data_dir)
}

impl Serving {
    async fn start(
        settings: &Settings,
        address: SocketAddr,
        service: &Arc<Service>,
    ) -> Result<Self, Error> {
        let listen = |source| Error::Listen { source };
        let listener = kit::bind(address).await.map_err(listen)?;
        let cut = CancellationToken::new();
        let frontend = Frontend::new(Arc::clone(service), settings, cut.clone());
        let frontend = Arc::new(frontend);
        let handle = move |stream, stopping| Arc::clone(&frontend).serve(stream, stopping);
        // A connection beyond the limit is accepted, so that an idle one can be closed for it.
        let limits = Limits {
            connections: settings.limits.connections + Connections::WAITING,
            ..settings.limits
        };
        let server = Server::start(listener, limits, handle)
            .map_err(|source| listen(kit::Error::Bind { address, source }))?;
        Ok(Self { server, cut })
    }
}

/// Opens the journal of a data directory, or one in memory.
async fn open(data_dir: Option<&Path>) -> Result<Service, Error> {
    let directory = data_dir.map(Path::to_owned);
    let opened = tokio::task::spawn_blocking(move || match directory {
        Some(directory) => Journal::open(&directory),
        None => Ok((Journal::in_memory(), Vec::new())),
    });
    let (journal, entries) = opened.await.expect("opening a journal does not panic")?;
    Ok(Service::new(journal, entries))
}

/// Waits for a change that is being written and closes the journal, which releases its lock.
async fn close(service: Arc<Service>) -> Result<(), Error> {
    let closed = tokio::task::spawn_blocking(move || service.close()).await;
    closed.expect("closing a journal does not panic")
}
