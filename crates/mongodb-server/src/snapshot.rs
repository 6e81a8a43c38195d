//! What a running server holds and does, for a display.

use crate::command::Shared;
use crate::server::MongoServer;

/// Collections and traffic at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Collections in order of their names, without those of the databases `admin`, `config` and
    /// `local`.
    pub collections: Vec<CollectionSnapshot>,
    /// Open connections.
    pub connections: u64,
    /// Requests received since the server started.
    pub requests: u64,
}

/// One collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectionSnapshot {
    /// `database.collection`.
    pub name: String,
    /// Number of documents.
    pub documents: u64,
    /// Bytes of the documents.
    pub bytes: u64,
}

impl MongoServer {
    /// Returns collections and traffic. Nothing is there while the server restarts.
    pub fn snapshot(&self) -> Snapshot {
        self.shared().map_or_else(Snapshot::default, of)
    }
}

fn of(shared: &Shared) -> Snapshot {
    let of_users = |name: &str| {
        let own = ["admin.", "config.", "local."];
        !own.iter().any(|database| name.starts_with(database))
    };
    let collections = shared.engine.collections();
    let mut collections: Vec<CollectionSnapshot> = collections
        .iter()
        .map(|collection| {
            collection.with_state(|state| CollectionSnapshot {
                name: format!(
                    "{}.{}",
                    state.namespace.database, state.namespace.collection
                ),
                documents: state.records.len() as u64,
                bytes: state.records.bytes(),
            })
        })
        .filter(|collection| of_users(&collection.name))
        .collect();
    collections.sort_by(|one, other| one.name.cmp(&other.name));
    Snapshot {
        collections,
        connections: shared.counters.open_now(),
        requests: shared.counters.requests(),
    }
}
