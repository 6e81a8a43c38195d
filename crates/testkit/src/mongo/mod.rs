//! A MongoDB server for a test.

mod builder;
mod document;
mod faults;

use std::sync::Arc;

use convoy_mongodb_server::{DataError, MongoServer};
use tokio::sync::Mutex;

pub use self::builder::MongoBuilder;
pub use self::document::Document;
pub use self::faults::MongoFaults;
use crate::error::{Error, boxed};
use crate::host::Host;
use crate::mode::Async;
use crate::variables::{self, Variables};

const STORE: &str = "MongoDB server";

/// A MongoDB server on a free port of loopback, with the real protocol, for one test.
///
/// It starts in milliseconds and ends when it is dropped; its data is removed unless
/// [`MongoBuilder::data_dir`] names a directory.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), convoy_testkit::Error> {
/// use convoy_testkit::Mongo;
///
/// let mongo = Mongo::start().await?;
/// // Point the program under test at it:
/// println!("connect to {}", mongo.uri());
///
/// // Look at a collection without a driver:
/// assert!(mongo.documents("shop", "orders")?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Mongo {
    server: Arc<Mutex<Option<MongoServer>>>,
    host: Arc<Host>,
    uri: String,
    faults: MongoFaults,
}

impl Mongo {
    /// Starts a standalone server without users.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Returns a builder, to start with a replica set, a user or a directory.
    pub fn builder() -> MongoBuilder<Async> {
        MongoBuilder::default()
    }

    /// Returns the connection string for drivers, with user and password if there are some.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Returns the variable of a `.env`: `MONGO_DB_URL`, as `convoy up` sets it.
    pub fn env(&self) -> Variables {
        variables::of_store(&self.uri)
    }

    /// Returns the faults that a test can inject.
    pub fn faults(&self) -> &MongoFaults {
        &self.faults
    }

    /// Returns the documents of a collection in the order of insertion; none if it does not exist.
    pub fn documents(&self, database: &str, collection: &str) -> Result<Vec<Document>, Error> {
        let (database, collection) = (database.to_owned(), collection.to_owned());
        let documents = self.with(move |server| server.documents(&database, &collection))?;
        Ok(documents.into_iter().map(Document::new).collect())
    }

    /// Returns the number of documents of a collection; 0 if it does not exist.
    pub fn count(&self, database: &str, collection: &str) -> Result<usize, Error> {
        Ok(self.documents(database, collection)?.len())
    }

    /// Returns the names of all collections in order, as `database.collection`.
    pub fn collections(&self) -> Result<Vec<String>, Error> {
        self.with(MongoServer::collections)
    }

    /// Serves again at the same address with the same documents, as after an orderly restart.
    pub async fn restart(&self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        self.host.run(restart(server)).await
    }

    /// Serves again at the same address, as after a crash of the machine: writes without `j: true`
    /// and `w: "majority"` that were not synced to disk are lost, although they were acknowledged.
    /// Returns how many: each batch of inserts, update or deletion counts once.
    pub async fn crash(&self) -> Result<u64, Error> {
        let server = Arc::clone(&self.server);
        self.host.run(crash(server)).await
    }

    /// Ends all connections and removes the data; reports what goes wrong, which a drop does not.
    pub async fn stop(self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        self.host.run(stop(server)).await
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn shared(&self) -> Arc<Mutex<Option<MongoServer>>> {
        Arc::clone(&self.server)
    }

    /// Looks at the data; waits while the server restarts.
    fn with<T: Send + 'static>(
        &self,
        look: impl FnOnce(&MongoServer) -> Result<T, DataError> + Send + 'static,
    ) -> Result<T, Error> {
        let server = self.shared();
        let looked = self.host.block_on(async move {
            let server = server.lock().await;
            look(server.as_ref().ok_or(DataError::Stopped)?)
        });
        looked.map_err(Error::from)
    }
}

pub(crate) async fn restart(server: Arc<Mutex<Option<MongoServer>>>) -> Result<(), Error> {
    let mut server = server.lock().await;
    let server = server.as_mut().ok_or(DataError::Stopped)?;
    server.restart().await.map_err(failed_restart)
}

pub(crate) async fn crash(server: Arc<Mutex<Option<MongoServer>>>) -> Result<u64, Error> {
    let mut server = server.lock().await;
    let server = server.as_mut().ok_or(DataError::Stopped)?;
    server.crash().await.map_err(failed_restart)
}

pub(crate) async fn stop(server: Arc<Mutex<Option<MongoServer>>>) -> Result<(), Error> {
    let stopping = server.lock().await.take();
    match stopping {
        Some(server) => server.stop().await.map_err(|source| Error::Stop {
            server: STORE,
            source: boxed(source),
        }),
        None => Ok(()),
    }
}

fn failed_restart(source: convoy_mongodb_server::Error) -> Error {
    Error::Restart {
        server: STORE,
        source: boxed(source),
    }
}
