//! A Schema Registry for a test.

use std::future::Future;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use convoy_registry_server::{RegistryServer, Settings, User};
use tokio::sync::Mutex;

use crate::blocking;
use crate::error::{Error, boxed};
use crate::host::Host;
use crate::mode::{Async, Blocking};
use crate::variables::{self, Variables};

const REGISTRY: &str = "Schema Registry";

/// A Schema Registry on a free port of loopback, with Confluent's API, for one test.
///
/// It starts in milliseconds and ends when it is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), convoy_testkit::Error> {
/// let registry = convoy_testkit::Registry::start().await?;
/// println!("schema.registry.url={}", registry.url());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Registry {
    server: Arc<Mutex<Option<RegistryServer>>>,
    host: Arc<Host>,
    url: String,
    user: Option<User>,
}

impl Registry {
    /// Starts a registry without users, with schemas in memory.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Returns a builder, to start with a user or a directory.
    pub fn builder() -> RegistryBuilder<Async> {
        RegistryBuilder::default()
    }

    /// Returns the URL for clients, without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the variables of a `.env`: `ENDPOINT_SCHEMA_URL`, `SCHEMA_REGISTRY_API_KEY` and
    /// `SCHEMA_REGISTRY_API_SECRET`, as `convoy up` sets them.
    pub fn env(&self) -> Variables {
        variables::of_registry(&self.url, self.user.as_ref())
    }

    /// Finishes requests and serves again at the same address with the same schemas.
    pub async fn restart(&self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        self.host.run(restart(server)).await
    }

    /// Cuts connections in the middle of their requests, and serves again at the same address.
    /// Every acknowledged schema is still there.
    pub async fn crash(&self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        self.host.run(crash(server)).await
    }

    /// Ends all connections; reports what goes wrong, which a drop does not.
    pub async fn stop(self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        self.host.run(stop(server)).await
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn shared(&self) -> Arc<Mutex<Option<RegistryServer>>> {
        Arc::clone(&self.server)
    }
}

pub(crate) async fn restart(server: Arc<Mutex<Option<RegistryServer>>>) -> Result<(), Error> {
    match &mut *server.lock().await {
        Some(server) => server.restart().await.map_err(failed_restart),
        None => Ok(()),
    }
}

pub(crate) async fn crash(server: Arc<Mutex<Option<RegistryServer>>>) -> Result<(), Error> {
    match &mut *server.lock().await {
        Some(server) => server.crash().await.map_err(failed_restart),
        None => Ok(()),
    }
}

pub(crate) async fn stop(server: Arc<Mutex<Option<RegistryServer>>>) -> Result<(), Error> {
    let stopping = server.lock().await.take();
    match stopping {
        Some(server) => server.stop().await.map_err(|source| Error::Stop {
            server: REGISTRY,
            source: boxed(source),
        }),
        None => Ok(()),
    }
}

fn failed_restart(source: convoy_registry_server::Error) -> Error {
    Error::Restart {
        server: REGISTRY,
        source: boxed(source),
    }
}

/// How a registry starts; made by [`Registry::builder`] or [`blocking::Registry::builder`].
#[derive(Debug)]
#[must_use = "a registry that is not started serves no client"]
pub struct RegistryBuilder<Mode = Async> {
    user: Option<User>,
    data_dir: Option<PathBuf>,
    mode: PhantomData<Mode>,
}

impl<Mode> Default for RegistryBuilder<Mode> {
    fn default() -> Self {
        Self {
            user: None,
            data_dir: None,
            mode: PhantomData,
        }
    }
}

impl<Mode> RegistryBuilder<Mode> {
    /// Requires HTTP basic authentication with this user and password.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(User::new(name, password.into()));
        self
    }

    /// Keeps the schemas in a directory, which is created if it does not exist.
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(directory.into());
        self
    }

    /// Returns the start of a registry.
    pub(crate) fn launch(
        &self,
    ) -> impl Future<Output = Result<RegistryServer, Error>> + Send + 'static {
        let mut settings = Settings::default();
        settings.users = self.user.clone().into_iter().collect();
        settings.data_dir.clone_from(&self.data_dir);
        async move {
            let server = RegistryServer::start(settings).await;
            server.map_err(|source| Error::start(REGISTRY, boxed(source)))
        }
    }

    pub(crate) fn started(self, server: RegistryServer, host: Arc<Host>) -> Registry {
        Registry {
            url: server.url(),
            server: Arc::new(Mutex::new(Some(server))),
            host,
            user: self.user,
        }
    }
}

impl RegistryBuilder<Async> {
    /// Starts the registry.
    pub async fn start(self) -> Result<Registry, Error> {
        let host = Host::start()?;
        let server = host.run(self.launch()).await?;
        Ok(self.started(server, host))
    }
}

impl RegistryBuilder<Blocking> {
    /// Starts the registry.
    pub fn start(self) -> Result<blocking::Registry, Error> {
        let host = Host::start()?;
        let server = host.block_on(self.launch())?;
        Ok(blocking::Registry::new(self.started(server, host)))
    }
}
