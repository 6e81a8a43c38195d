//! How a MongoDB server starts.

use std::future::Future;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use convoy_mongodb_server::{MongoServer, Settings, User};
use tokio::sync::Mutex;

use crate::blocking;
use crate::error::{Error, boxed};
use crate::host::Host;
use crate::mode::{Async, Blocking};
use crate::mongo::{Mongo, MongoFaults, STORE};
use crate::variables::store_uri;

/// How a MongoDB server starts; made by [`Mongo::builder`] or [`blocking::Mongo::builder`].
#[derive(Debug)]
#[must_use = "a server that is not started serves no client"]
pub struct MongoBuilder<Mode = Async> {
    replica_set: Option<String>,
    user: Option<User>,
    data_dir: Option<PathBuf>,
    mode: PhantomData<Mode>,
}

impl<Mode> Default for MongoBuilder<Mode> {
    fn default() -> Self {
        Self {
            replica_set: None,
            user: None,
            data_dir: None,
            mode: PhantomData,
        }
    }
}

impl<Mode> MongoBuilder<Mode> {
    /// Makes the server the only member of a replica set, with change streams and retryable writes.
    pub fn replica_set(mut self, name: impl Into<String>) -> Self {
        self.replica_set = Some(name.into());
        self
    }

    /// Requires SCRAM-SHA-256 with this user and password. Without a user, every client has access.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(User::new(name, password.into()));
        self
    }

    /// Keeps the documents in a directory, which is created if it does not exist. Without one, they
    /// are in a temporary directory that is removed at the end.
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(directory.into());
        self
    }

    /// Returns the start of a server, and the faults to come.
    pub(crate) fn launch(
        &self,
    ) -> (
        MongoFaults,
        impl Future<Output = Result<MongoServer, Error>> + Send + 'static,
    ) {
        let faults = MongoFaults::default();
        let mut settings = Settings::default().with_faults(faults.plan());
        settings.users = self.user.clone().into_iter().collect();
        settings.replica_set.clone_from(&self.replica_set);
        settings.data_dir.clone_from(&self.data_dir);
        let starting = async move {
            let server = MongoServer::start(settings).await;
            server.map_err(|source| Error::start(STORE, boxed(source)))
        };
        (faults, starting)
    }

    pub(crate) fn started(
        self,
        server: MongoServer,
        faults: MongoFaults,
        host: Arc<Host>,
    ) -> Mongo {
        Mongo {
            uri: store_uri(&server.uri(), self.user.as_ref()),
            server: Arc::new(Mutex::new(Some(server))),
            host,
            faults,
        }
    }
}

impl MongoBuilder<Async> {
    /// Starts the server.
    pub async fn start(self) -> Result<Mongo, Error> {
        let host = Host::start()?;
        let (faults, starting) = self.launch();
        let server = host.run(starting).await?;
        Ok(self.started(server, faults, host))
    }
}

impl MongoBuilder<Blocking> {
    /// Starts the server.
    pub fn start(self) -> Result<blocking::Mongo, Error> {
        let host = Host::start()?;
        let (faults, starting) = self.launch();
        let server = host.block_on(starting)?;
        Ok(blocking::Mongo::new(self.started(server, faults, host)))
    }
}
