//! Documents, read without a client: for tests.
//!
//! Nothing here asks the fault hook or waits for a connection, so a test sees the truth while its
//! clients see faults.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::bson::Doc;
use crate::engine::{Namespace, Scan, Source};
use crate::query::Filter;
use crate::server::MongoServer;

/// Documents that one call returns at most.
const MAX_DOCUMENTS: usize = 1_000_000;

/// The documents cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The server does not serve: a restart has failed.
    #[error("the document store is stopped")]
    Stopped,
    /// The name is not that of a collection with documents of its own.
    #[error("cannot read `{database}.{collection}`: {reason}")]
    Collection {
        /// Name of the database.
        database: String,
        /// Name of the collection.
        collection: String,
        /// What is wrong.
        reason: String,
    },
}

impl MongoServer {
    /// Returns the documents of a collection in the order of insertion, as BSON; none if it does not
    /// exist.
    pub fn documents(&self, database: &str, collection: &str) -> Result<Vec<Bytes>, DataError> {
        let engine = self.engine().ok_or(DataError::Stopped)?;
        let failed = |reason: String| DataError::Collection {
            database: database.to_owned(),
            collection: collection.to_owned(),
            reason,
        };
        let namespace = Namespace::new(database, collection);
        let namespace = namespace.map_err(|error| failed(error.to_string()))?;
        if engine.is_view(&namespace) {
            return Err(failed("it is a view; read it with a client".to_owned()));
        }
        let source = Source::Collection { reverse: false };
        let all = Filter::parse(Doc::EMPTY);
        let all = all.map_err(|error| failed(error.to_string()))?;
        let mut scan = Scan::new(engine.collection(&namespace), source, all);
        let mut documents = Vec::new();
        loop {
            let row = scan.next(engine.log(), || Ok(()));
            let Some(row) = row.map_err(|error| failed(error.to_string()))? else {
                return Ok(documents);
            };
            if documents.len() == MAX_DOCUMENTS {
                let reason = format!("it has more than {MAX_DOCUMENTS} documents");
                return Err(failed(format!("{reason}; read it with a client")));
            }
            // A copy: the row may share a buffer with many others.
            documents.push(Bytes::copy_from_slice(&row.document));
        }
    }

    /// Returns the names of all collections in order, as `database.collection`, without those of
    /// the server itself.
    pub fn collections(&self) -> Result<Vec<String>, DataError> {
        let engine = self.engine().ok_or(DataError::Stopped)?;
        let names: BTreeSet<String> = engine
            .collections()
            .iter()
            .map(|known| known.with_state(|state| state.namespace.clone()))
            .filter(|namespace| namespace.database != "local")
            .map(|namespace| namespace.to_string())
            .collect();
        Ok(names.into_iter().collect())
    }
}
