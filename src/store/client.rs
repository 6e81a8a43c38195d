//! The MongoDB client: the official driver with a timeout for every call, and the outcome of each
//! document of an insert.

use std::collections::BTreeSet;
use std::future::IntoFuture as _;
use std::time::Duration;

use bson::{Binary, Bson, Document, RawDocument, RawDocumentBuf, doc, spec::BinarySubtype};
use convoy_server_kit::SecretUri;
use mongodb::Collection;
use mongodb::error::{Error as DriverError, ErrorKind};
use mongodb::options::{Acknowledgment, ClientOptions, CollectionOptions, WriteConcern};

use crate::cause::{Cause, within};
use crate::record::DocumentId;
use crate::store::error::Error;
use crate::store::failure::{cause, is_duplicate_key};
use crate::store::outcome::{Refusal, StoredIdentity, Updated, Upsert};
use crate::store::pool::{Checkouts, Pool};

/// Timeout for finding the server and opening a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(8);

/// Default timeout of a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection pool to one deployment, and the database in it.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(super) pool: Pool,
    pub(super) database: String,
    command_timeout: Duration,
}

/// Returns the write concern of every write: in the journals of a majority.
fn journaled_by_majority() -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .build()
}

impl Connection {
    /// Connects, and opens `pool` connections so that no measured command has to.
    pub async fn open(uri: &SecretUri, database: &str, pool: u32) -> Result<Self, Error> {
        let parse = ClientOptions::parse(uri.reveal()).into_future();
        let mut options = succeed_within(CONNECT_DEADLINE, parse)
            .await
            .map_err(|source| Error::Uri {
                uri: uri.redacted(),
                source,
            })?;
        options.app_name = Some("convoy".to_owned());
        options.min_pool_size = Some(pool);
        options.max_pool_size = Some(pool.max(10));
        options.max_connecting = Some(pool.max(2));
        options.server_selection_timeout = Some(CONNECT_DEADLINE);
        options.connect_timeout = Some(CONNECT_DEADLINE);
        // convoy retries by itself: it counts retries, and documents have stable ids.
        options.retry_writes = Some(false);
        let pool = Pool::new(options).map_err(|error| Error::Uri {
            uri: uri.redacted(),
            source: Cause::Other(error.to_string()),
        })?;
        let connection = Self {
            pool,
            database: database.to_owned(),
            command_timeout: COMMAND_TIMEOUT,
        };
        connection.ping(uri).await?;
        within(
            CONNECT_DEADLINE,
            connection
                .pool
                .client()
                .warm_connection_pool()
                .into_future(),
        )
        .await
        .map_err(|source| Error::Connect {
            uri: uri.redacted(),
            source,
        })?;
        Ok(connection)
    }

    /// Sets the timeout of a command.
    #[must_use]
    pub fn with_command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    async fn ping(&self, uri: &SecretUri) -> Result<(), Error> {
        let database = self.pool.client().database(&self.database);
        succeed_within(
            CONNECT_DEADLINE,
            database.run_command(doc! { "ping": 1 }).into_future(),
        )
        .await
        .map(|_pong| ())
        .map_err(|source| Error::Connect {
            uri: uri.redacted(),
            source,
        })
    }

    /// Returns how often and how long commands have waited for a connection so far.
    pub fn checkouts(&self) -> Checkouts {
        self.pool.checkouts()
    }

    /// Initiates a replica set whose only member is this server, at the address `member`.
    pub async fn initiate_replica_set(&self, set: &str, member: &str) -> Result<(), Error> {
        let members = vec![doc! { "_id": 0, "host": member }];
        let configuration = doc! { "_id": set, "members": members };
        let database = self.pool.client().database("admin");
        let command = database.run_command(doc! { "replSetInitiate": configuration });
        self.pool
            .within(self.command_timeout, command.into_future())
            .await
            .map(|_reply| ())
            .map_err(|source| self.failed("initiate the replica set of", "", source))
    }

    /// Returns whether the server is a writable primary.
    pub async fn is_writable_primary(&self) -> Result<bool, Error> {
        let database = self.pool.client().database("admin");
        let command = database.run_command(doc! { "hello": 1 }).into_future();
        let reply = self
            .pool
            .within(self.command_timeout, command)
            .await
            .map_err(|source| self.failed("ask for the role of", "", source))?;
        Ok(reply.get_bool("isWritablePrimary").unwrap_or(false))
    }

    /// Returns a collection of raw documents.
    pub fn documents(&self, collection: &str) -> Documents {
        Documents {
            pool: self.pool.clone(),
            database: self.database.clone(),
            collection: collection.to_owned(),
            command_timeout: self.command_timeout,
        }
    }

    pub(super) fn command_timeout(&self) -> Duration {
        self.command_timeout
    }

    pub(super) fn failed(&self, intention: &'static str, collection: &str, source: Cause) -> Error {
        let collection = format!("{}.{collection}", self.database);
        Error::Command {
            intention,
            collection,
            source,
        }
    }
}

/// A collection of raw documents. Writes are journaled by a majority.
#[derive(Debug, Clone)]
pub struct Documents {
    pub(super) pool: Pool,
    pub(super) database: String,
    pub(super) collection: String,
    pub(super) command_timeout: Duration,
}

impl Documents {
    /// Returns `database.collection`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.database, self.collection)
    }

    /// Returns the driver's collection, for one command.
    pub(super) fn collection(&self) -> Collection<RawDocumentBuf> {
        let options = CollectionOptions::builder()
            .write_concern(journaled_by_majority())
            .build();
        self.pool
            .client()
            .database(&self.database)
            .collection_with_options(&self.collection, options)
    }

    pub(super) fn failed(&self, intention: &'static str, source: Cause) -> Error {
        Error::Command {
            intention,
            collection: self.name(),
            source,
        }
    }

    /// Returns which of these documents have an `_id` that is stored, by index in the batch.
    ///
    /// The driver drops the index of a duplicate key, and servers word it differently. So the
    /// collection decides whether the `_id` is the key that exists.
    pub async fn stored(
        &self,
        batch: &[RawDocumentBuf],
        taken: &[Refusal],
    ) -> Result<BTreeSet<usize>, Error> {
        let mut ids = Vec::with_capacity(taken.len());
        for refusal in taken {
            let id = batch.get(refusal.index).and_then(id_of);
            ids.extend(id.map(|id| (refusal.index, id)));
        }
        let filter =
            doc! { "_id": { "$in": ids.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>() } };
        let collect = async {
            let mut found = Vec::new();
            let collection = self.collection();
            let mut cursor = collection
                .find(filter)
                .projection(doc! { "_id": 1 })
                .await?;
            while cursor.advance().await? {
                found.extend(id_of(cursor.current()));
            }
            Ok(found)
        };
        let found = self.look_up(self.command_timeout, collect).await?;
        let stored = ids.into_iter().filter(|(_, id)| found.contains(id));
        Ok(stored.map(|(index, _)| index).collect())
    }

    /// Returns the identities of the documents with these ids that are stored.
    ///
    /// A server without an index on binary ids reads the whole collection, so the caller sets the
    /// deadline.
    pub async fn identities(
        &self,
        ids: &[DocumentId],
        deadline: Duration,
    ) -> Result<Vec<StoredIdentity>, Error> {
        let filter = doc! { "_id": { "$in": ids.iter().map(binary_id).collect::<Vec<_>>() } };
        let projection = doc! { "_convoy.payload_hash": 1, "_convoy.kafka": 1 };
        let collect = async {
            let mut found = Vec::new();
            let collection = self.collection();
            let mut cursor = collection.find(filter).projection(projection).await?;
            while cursor.advance().await? {
                found.extend(stored_identity(cursor.current()));
            }
            Ok(found)
        };
        self.look_up(deadline, collect).await
    }

    /// Returns the timeout of a command.
    pub fn command_timeout(&self) -> Duration {
        self.command_timeout
    }

    async fn look_up<T>(
        &self,
        deadline: Duration,
        command: impl Future<Output = Result<T, DriverError>> + Send,
    ) -> Result<T, Error> {
        self.pool
            .within(deadline, command)
            .await
            .map_err(|source| self.failed("look up documents in", source))
    }

    /// Returns the first documents that match, in order of `_id`.
    pub async fn page(&self, filter: Document, most: u32) -> Result<Vec<RawDocumentBuf>, Error> {
        let collect = async {
            let collection = self.collection();
            let find = collection.find(filter).sort(doc! { "_id": 1 });
            let mut cursor = find.limit(i64::from(most)).await?;
            let mut page = Vec::new();
            while cursor.advance().await? {
                page.push(cursor.current().to_owned());
            }
            Ok(page)
        };
        self.pool
            .within(self.command_timeout, collect)
            .await
            .map_err(|source| self.failed("read", source))
    }

    /// Creates the collection, so that the first insert does not have to.
    pub async fn create(&self) -> Result<(), Error> {
        /// Error code of a collection that exists.
        const NAMESPACE_EXISTS: i32 = 48;
        let database = self.pool.client().database(&self.database);
        let name = self.collection.clone();
        let create = async move {
            match database.create_collection(name).await {
                Err(error) => match error.kind.as_ref() {
                    ErrorKind::Command(failure) if failure.code == NAMESPACE_EXISTS => Ok(()),
                    _ => Err(error),
                },
                Ok(()) => Ok(()),
            }
        };
        self.pool
            .within(self.command_timeout, create)
            .await
            .map_err(|source| self.failed("create", source))
    }

    /// Drops the collection. One that does not exist is not an error.
    pub async fn drop_collection(&self) -> Result<(), Error> {
        let collection = self.collection();
        let drop = async move { collection.drop().await };
        self.pool
            .within(self.command_timeout, drop)
            .await
            .map_err(|source| self.failed("drop", source))
    }

    /// Updates the document that matches.
    pub async fn update(
        &self,
        filter: Document,
        update: Document,
        upsert: Upsert,
    ) -> Result<Updated, Error> {
        let collection = self.collection();
        let update = collection
            .update_one(filter, update)
            .upsert(upsert == Upsert::Yes)
            .into_future();
        match self.pool.answer(self.command_timeout, update).await {
            Ok(Ok(result)) if result.matched_count > 0 || result.upserted_id.is_some() => {
                Ok(Updated::Yes)
            }
            Ok(Ok(_unmatched)) => Ok(Updated::No),
            Ok(Err(error)) if is_duplicate_key(&error) => Ok(Updated::No),
            Ok(Err(error)) => Err(self.failed("update", cause(&error))),
            Err(timeout) => Err(self.failed("update", timeout)),
        }
    }

    /// Removes the first document that matches, if any.
    pub async fn remove(&self, filter: Document) -> Result<(), Error> {
        let collection = self.collection();
        let remove = collection.delete_one(filter).into_future();
        self.pool
            .within(self.command_timeout, remove)
            .await
            .map(|_removed| ())
            .map_err(|source| self.failed("remove from", source))
    }

    /// Updates every document that matches.
    pub async fn update_all(&self, filter: Document, update: Document) -> Result<(), Error> {
        let collection = self.collection();
        let update = collection.update_many(filter, update).into_future();
        self.pool
            .within(self.command_timeout, update)
            .await
            .map(|_result| ())
            .map_err(|source| self.failed("update", source))
    }

    /// Returns the first document that matches.
    pub async fn find_one(&self, filter: Document) -> Result<Option<RawDocumentBuf>, Error> {
        let collection = self.collection();
        let find = collection.find_one(filter).into_future();
        self.pool
            .within(self.command_timeout, find)
            .await
            .map_err(|source| self.failed("read", source))
    }
}

/// Returns an id as the driver's value.
pub fn binary_id(id: &DocumentId) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Uuid,
        bytes: id.as_bytes().to_vec(),
    })
}

fn id_of(document: impl AsRef<RawDocument>) -> Option<Bson> {
    let id = document.as_ref().get("_id").ok()??;
    Bson::try_from(id).ok()
}

fn stored_identity(document: &RawDocument) -> Option<StoredIdentity> {
    let id = document.get_binary("_id").ok()?.bytes.try_into().ok()?;
    let own = document.get_document("_convoy").ok()?;
    let kafka = own.get_document("kafka").ok()?;
    let integer = |value: Option<bson::RawBsonRef<'_>>| match value? {
        bson::RawBsonRef::Int32(value) => Some(i64::from(value)),
        bson::RawBsonRef::Int64(value) => Some(value),
        _ => None,
    };
    Some(StoredIdentity {
        id,
        partition: integer(kafka.get("partition").ok()?)?,
        offset: integer(kafka.get("offset").ok()?)?,
        payload_hash: integer(own.get("payload_hash").ok()?)?,
    })
}

async fn succeed_within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, DriverError>>,
) -> Result<T, Cause> {
    within(deadline, call).await?.map_err(|error| cause(&error))
}
