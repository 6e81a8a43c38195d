//! The documents of a data directory: all collections and the log that they share.

use std::fs::{File, OpenOptions};
use std::io::IoSlice;
use std::path::Path;
use std::sync::{Arc, RwLock};

use rustix::fs::FlockOperation;

use crate::engine::catalog::{Catalog, entry, has_index, log_drop, not_found, random_uuid};
use crate::engine::collection::{Collection, CollectionOptions};
use crate::engine::error::{ChangeError, Error};
use crate::engine::index_spec::IndexSpec;
use crate::engine::kind::{TimeSeries, View};
use crate::engine::locks::{read, write};
use crate::engine::log::{Log, SEGMENT_BYTES};
use crate::engine::namespace::Namespace;
use crate::engine::record::{CollectionId, RecordKind};
use crate::engine::replay;
use crate::error::{Code, CommandError};

/// Name of the file that is locked while a directory is in use.
const LOCK_FILE: &str = "LOCK";

/// The documents of a data directory.
#[derive(Debug)]
pub struct Engine {
    log: Log,
    catalog: RwLock<Catalog>,
    /// Locked while the directory is in use.
    lock: File,
}

impl Engine {
    /// Opens a directory and reads its log; creates the directory if it does not exist.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Self::open_with(directory, SEGMENT_BYTES)
    }

    /// Opens a directory with segments of a given size.
    pub fn open_with(directory: &Path, segment_bytes: u32) -> Result<Self, Error> {
        let lock = lock_directory(directory)?;
        let (catalog, log) = replay::open(directory, segment_bytes)?;
        Ok(Self {
            log,
            catalog: RwLock::new(catalog),
            lock,
        })
    }

    /// Syncs everything to disk and gives the directory back; later writes fail.
    pub fn close(&self) -> Result<(), Error> {
        self.log.close()?;
        self.unlock()
    }

    /// Drops what was not synced and gives the directory back, as after a power failure; later
    /// writes fail. Returns the number of lost log entries.
    pub fn crash(&self) -> Result<u64, Error> {
        let lost = self.log.drop_unsynced()?;
        self.unlock()?;
        Ok(lost)
    }

    /// Unlocks the directory, though a connection that did not end in time still holds this engine.
    fn unlock(&self) -> Result<(), Error> {
        let unlocked = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
        unlocked.map_err(|errno| self.log.directory_error(errno.into()))
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn collection(&self, namespace: &Namespace) -> Option<Arc<Collection>> {
        read(&self.catalog)
            .collections
            .get(namespace)
            .map(Arc::clone)
    }

    /// Returns a view, if a name is that of one.
    pub fn view(&self, namespace: &Namespace) -> Option<View> {
        let collection = self.collection(namespace)?;
        collection.with_state(|state| state.options.view(&namespace.database))
    }

    /// Returns whether a name is that of a view.
    pub fn is_view(&self, namespace: &Namespace) -> bool {
        let collection = self.collection(namespace);
        collection.is_some_and(|known| known.with_state(|state| state.options.is_view()))
    }

    /// Returns a time series collection, if a name is that of one.
    pub fn time_series(&self, namespace: &Namespace) -> Option<TimeSeries> {
        let collection = self.collection(namespace)?;
        collection.with_state(|state| state.options.time_series())
    }

    /// Returns a collection; creates it if it does not exist.
    pub fn collection_or_create(
        &self,
        namespace: &Namespace,
    ) -> Result<Arc<Collection>, ChangeError> {
        if let Some(collection) = self.collection(namespace) {
            return Ok(collection);
        }
        match self.create(namespace, CollectionOptions::default()) {
            Err(ChangeError::Refused(error)) if error.code() == Code::NAMESPACE_EXISTS => self
                .collection(namespace)
                .ok_or_else(|| not_found(namespace).into()),
            outcome => outcome,
        }
    }

    pub fn create(
        &self,
        namespace: &Namespace,
        options: CollectionOptions,
    ) -> Result<Arc<Collection>, ChangeError> {
        let mut catalog = write(&self.catalog);
        if catalog.collections.contains_key(namespace) {
            return Err(CommandError::new(
                Code::NAMESPACE_EXISTS,
                format!("Collection {namespace} already exists."),
            )
            .into());
        }
        // Names of collections may differ in case only, names of databases may not.
        let lower = namespace.database.to_lowercase();
        let clash = catalog.collections.keys().find(|known| {
            known.database != namespace.database && known.database.to_lowercase() == lower
        });
        if let Some(known) = clash {
            return Err(CommandError::location(
                13_297,
                format!(
                    "db already exists with different case already have: [{}] trying to create \
                     [{}]",
                    known.database, namespace.database
                ),
            )
            .into());
        }
        let id = CollectionId(catalog.next);
        let uuid = random_uuid();
        let collection = Arc::new(Collection::new(id, uuid, namespace.clone(), options));
        self.log_entry(&collection)?;
        catalog.next += 1;
        catalog
            .collections
            .insert(namespace.clone(), Arc::clone(&collection));
        Ok(collection)
    }

    /// Drops a collection; returns its number of indexes, `None` if it does not exist.
    pub fn drop_collection(&self, namespace: &Namespace) -> Result<Option<usize>, Error> {
        let mut catalog = write(&self.catalog);
        let Some(collection) = catalog.collections.get(namespace) else {
            return Ok(None);
        };
        let indexes = collection.with_state(|state| state.indexes.len() + 1);
        log_drop(&self.log, collection.id())?;
        collection.mark_dropped(&self.log);
        catalog.collections.remove(namespace);
        Ok(Some(indexes))
    }

    /// Drops all collections of a database; false if there are none.
    pub fn drop_database(&self, database: &str) -> Result<bool, Error> {
        let names = self.namespaces(database);
        for namespace in &names {
            self.drop_collection(namespace)?;
        }
        Ok(!names.is_empty())
    }

    /// Renames a collection; drops the one that has the name if `drop_target` is set.
    pub fn rename(
        &self,
        from: &Namespace,
        to: &Namespace,
        drop_target: bool,
    ) -> Result<(), ChangeError> {
        let mut catalog = write(&self.catalog);
        let Some(collection) = catalog.collections.get(from).map(Arc::clone) else {
            let message = format!("Source collection {from} does not exist");
            return Err(CommandError::new(Code::NAMESPACE_NOT_FOUND, message).into());
        };
        if from == to {
            let message = "Can't rename a collection to itself";
            return Err(CommandError::new(Code::ILLEGAL_OPERATION, message).into());
        }
        let target = catalog.collections.get(to).map(Arc::clone);
        if target.is_some() && !drop_target {
            let message = "target namespace exists";
            return Err(CommandError::new(Code::NAMESPACE_EXISTS, message).into());
        }
        write(&collection.state).namespace = to.clone();
        // If the process stops before the drop is logged, this entry alone takes over the name.
        if let Err(error) = self.log_entry(&collection) {
            write(&collection.state).namespace = from.clone();
            return Err(error.into());
        }
        catalog.collections.remove(from);
        catalog.collections.insert(to.clone(), collection);
        if let Some(target) = target {
            log_drop(&self.log, target.id())?;
            target.mark_dropped(&self.log);
        }
        Ok(())
    }

    /// Creates an index; false if it exists already.
    pub fn create_index(
        &self,
        collection: &Collection,
        spec: &IndexSpec,
    ) -> Result<bool, ChangeError> {
        // Locked so that two indexes of one name are not built at the same time.
        let _catalog = write(&self.catalog);
        if spec.is_id() || collection.with_state(|state| has_index(state, spec))? {
            return Ok(false);
        }
        collection.build_index(&self.log, spec.clone())?;
        if let Err(error) = self.log_entry(collection) {
            collection.drop_index(&spec.name);
            return Err(error.into());
        }
        Ok(true)
    }

    pub fn drop_indexes(&self, collection: &Collection, names: &[String]) -> Result<(), Error> {
        let _catalog = write(&self.catalog);
        for name in names {
            collection.drop_index(name);
        }
        self.log_entry(collection)
    }

    /// Returns the names of a database's collections.
    pub fn namespaces(&self, database: &str) -> Vec<Namespace> {
        let catalog = read(&self.catalog);
        let names = catalog.collections.keys();
        names
            .filter(|namespace| namespace.database == database)
            .cloned()
            .collect()
    }

    pub fn collections(&self) -> Vec<Arc<Collection>> {
        read(&self.catalog)
            .collections
            .values()
            .map(Arc::clone)
            .collect()
    }

    /// Writes a collection's description to the log again, unless it was dropped.
    pub fn describe_again(&self, collection: &Collection) -> Result<(), Error> {
        let _catalog = write(&self.catalog);
        if collection.with_state(|state| state.dropped) {
            return Ok(());
        }
        self.log_entry(collection)
    }

    /// Writes a collection's description to the log, with the catalog locked.
    fn log_entry(&self, collection: &Collection) -> Result<(), Error> {
        let entry = collection.with_state(|state| entry(collection, state));
        let id = collection.id().0.to_le_bytes();
        let parts = [IoSlice::new(&id), IoSlice::new(&entry)];
        self.log.append(RecordKind::Catalog, &parts)?;
        Ok(())
    }
}

fn lock_directory(directory: &Path) -> Result<File, Error> {
    let failed = |source| Error::Directory {
        path: directory.to_owned(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK_FILE))
        .map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::InUse {
            path: directory.to_owned(),
        }),
        Err(errno) => Err(failed(errno.into())),
    }
}
