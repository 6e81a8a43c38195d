//! The documents of a data directory: all collections and the log that they share.

use std::fs::File;
use std::io::IoSlice;
use std::path::Path;
use std::sync::{Arc, RwLock};

use convoy_server_kit::disk::{self, Loss};
use rustix::fs::FlockOperation;

use crate::bson::{Builder, Doc};
use crate::engine::catalog::{
    Catalog, entry, has_index, log_drop, not_found, random_uuid, uuid_value,
};
use crate::engine::collection::Collection;
use crate::engine::error::{ChangeError, Error};
use crate::engine::index_spec::IndexSpec;
use crate::engine::kind::{TimeSeries, View};
use crate::engine::locks::{read, write};
use crate::engine::log::Log;
use crate::engine::namespace::Namespace;
use crate::engine::observed::Observed;
use crate::engine::oplog::{Entry, Oplog, OplogSettings, Subject};
use crate::engine::record::{CollectionId, RecordKind};
use crate::engine::rules::CollectionOptions;
use crate::engine::usage::Use;
use crate::engine::writer::Writer;
use crate::engine::{repair, replay};
use crate::error::{Code, CommandError};
use crate::observer::WriteObserver;

/// Name of the file that is locked while a directory is in use.
const LOCK_FILE: &str = "LOCK";

/// The documents of a data directory.
#[derive(Debug)]
pub struct Engine {
    log: Log,
    /// The oplog, on a replica set.
    oplog: Option<Oplog>,
    catalog: RwLock<Catalog>,
    /// Locked while the directory is in use.
    lock: File,
}

impl Engine {
    /// Opens a directory and reads its log; creates the directory if it does not exist.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Self::open_with(directory, crate::engine::log::SEGMENT_BYTES, None)
    }

    /// Keeps what is whole of a damaged directory; returns what was lost.
    pub fn repair(directory: &Path) -> Result<Vec<Loss>, Error> {
        if !directory.exists() {
            return Ok(Vec::new());
        }
        let _lock = lock_directory(directory)?;
        repair::repair(directory)
    }

    /// Opens a directory with segments of a given size; with an oplog, as a replica set has one.
    pub fn open_with(
        directory: &Path,
        segment_bytes: u32,
        oplog: Option<OplogSettings>,
    ) -> Result<Self, Error> {
        let lock = lock_directory(directory)?;
        let (catalog, log) = replay::open(directory, segment_bytes)?;
        let mut engine = Self {
            log,
            oplog: None,
            catalog: RwLock::new(catalog),
            lock,
        };
        match oplog {
            Some(settings) => engine.oplog = Some(engine.open_oplog(settings)?),
            // Changes from now on would be missing in it.
            None => drop(engine.drop_collection(&Namespace::oplog())?),
        }
        Ok(engine)
    }

    fn open_oplog(&self, settings: OplogSettings) -> Result<Oplog, Error> {
        let namespace = Namespace::oplog();
        let empty = read(&self.catalog).collections.is_empty();
        let collection = if let Some(collection) = self.collection(&namespace) {
            collection
        } else {
            let options = Builder::new()
                .bool("capped", true)
                .int64("size", i64::try_from(settings.bytes).unwrap_or(i64::MAX));
            let options = CollectionOptions(Some(options.finish()));
            self.add(&mut write(&self.catalog), &namespace, options)?
        };
        let state = Arc::clone(&collection.state);
        Oplog::open(&self.log, collection.id(), state, settings, empty)
    }

    /// Sets what learns when documents are durable.
    #[must_use]
    pub fn observed_by(mut self, observer: Option<Arc<dyn WriteObserver>>) -> Self {
        self.log.observe(observer.map(Observed::new));
        self
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

    /// Returns the oplog, on a replica set.
    pub fn oplog(&self) -> Option<&Oplog> {
        self.oplog.as_ref()
    }

    /// Returns how changes are written.
    pub fn writer(&self) -> Writer<'_> {
        Writer {
            log: &self.log,
            oplog: self.oplog.as_ref(),
            retry: None,
            bypass: false,
        }
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

    /// Counts a command that has run on a collection, if it exists.
    pub fn note_use(&self, database: &str, collection: &str, used: Use, microseconds: u64) {
        let namespace = Namespace {
            database: database.to_owned(),
            collection: collection.to_owned(),
        };
        if let Some(collection) = self.collection(&namespace) {
            collection.usage().note(used, microseconds);
        }
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
        check_case(&catalog, namespace)?;
        Ok(self.add(&mut catalog, namespace, options)?)
    }

    fn add(
        &self,
        catalog: &mut Catalog,
        namespace: &Namespace,
        options: CollectionOptions,
    ) -> Result<Arc<Collection>, Error> {
        let id = CollectionId(catalog.next);
        let uuid = random_uuid();
        let shown = options.0.as_deref().map_or(Doc::EMPTY, Doc::new);
        let created = Builder::new()
            .string("create", &namespace.collection)
            .extended(shown)
            .raw_document("idIndex", IndexSpec::id().document());
        let collection = Arc::new(Collection::new(id, uuid, namespace.clone(), options));
        self.log_entry(&collection, Some(created))?;
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
        let dropped = Builder::new().string("drop", &namespace.collection);
        let id = collection.id().0.to_le_bytes();
        let parts = [IoSlice::new(&id)];
        let subject = Subject::of(namespace, collection.uuid());
        self.append(RecordKind::Drop, &parts, subject, Some(dropped))?;
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
        if let Some(oplog) = &self.oplog
            && !names.is_empty()
        {
            oplog.append(&self.log, None, vec![Entry::drop_database(database)])?;
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
        check_case(&catalog, to)?;
        let mut renamed = Builder::new()
            .string("renameCollection", &from.to_string())
            .string("to", &to.to_string());
        if let Some(target) = &target {
            renamed = renamed.with("dropTarget", &uuid_value(&target.uuid()));
        }
        write(&collection.state).namespace = to.clone();
        // If the process stops before the drop is logged, this entry alone takes over the name.
        if let Err(error) = self.log_entry(&collection, Some(renamed)) {
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
        let created = collection.with_state(|state| {
            Builder::new()
                .string("createIndexes", &state.namespace.collection)
                .extended(spec.document())
        });
        if let Err(error) = self.log_entry(collection, Some(created)) {
            collection.drop_index(&spec.name);
            return Err(error.into());
        }
        Ok(true)
    }

    pub fn drop_indexes(&self, collection: &Collection, names: &[String]) -> Result<(), Error> {
        let _catalog = write(&self.catalog);
        let mut last = Ok(());
        for name in names {
            let spec = collection.drop_index(name);
            let Some(spec) = spec else { continue };
            let dropped = collection.with_state(|state| {
                Builder::new()
                    .string("dropIndexes", &state.namespace.collection)
                    .string("index", name)
                    .raw_document("spec", spec.document())
            });
            last = last.and(self.log_entry(collection, Some(dropped)));
        }
        last
    }

    /// Replaces the options of a collection, and the description of one of its indexes.
    pub fn modify(
        &self,
        collection: &Collection,
        options: CollectionOptions,
        index: Option<IndexSpec>,
        command: Builder,
    ) -> Result<(), ChangeError> {
        let _catalog = write(&self.catalog);
        let old_index = match index {
            Some(spec) => collection.replace_index(spec)?,
            None => None,
        };
        let old_options = collection.replace_options(options);
        if let Err(error) = self.log_entry(collection, Some(command)) {
            collection.replace_options(old_options);
            if let Some(spec) = old_index {
                collection.replace_index(spec)?;
            }
            return Err(error.into());
        }
        Ok(())
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
        self.log_entry(collection, None)
    }

    /// Writes a collection's description to the log, with the catalog locked. `command` is what the
    /// oplog says of the change.
    fn log_entry(&self, collection: &Collection, command: Option<Builder>) -> Result<(), Error> {
        let (entry, namespace) =
            collection.with_state(|state| (entry(collection, state), state.namespace.clone()));
        let id = collection.id().0.to_le_bytes();
        let parts = [IoSlice::new(&id), IoSlice::new(&entry)];
        let subject = Subject::of(&namespace, collection.uuid());
        self.append(RecordKind::Catalog, &parts, subject, command)
    }

    fn append(
        &self,
        kind: RecordKind,
        parts: &[IoSlice<'_>],
        subject: Subject<'_>,
        command: Option<Builder>,
    ) -> Result<(), Error> {
        let writer = self.writer();
        let command = command.filter(|_| writer.records(subject.namespace));
        let entries = command.map(|command| Entry::command(subject, command));
        writer.append(kind, parts, entries.into_iter().collect())?;
        Ok(())
    }
}

fn lock_directory(directory: &Path) -> Result<File, Error> {
    let locked = disk::lock_directory(directory, LOCK_FILE);
    let locked = locked.map_err(|source| Error::Directory {
        path: directory.to_owned(),
        source,
    })?;
    locked.ok_or_else(|| Error::InUse {
        path: directory.to_owned(),
    })
}

/// Rejects a database whose name differs in case only from that of another: names of collections may,
/// names of databases may not.
fn check_case(catalog: &Catalog, namespace: &Namespace) -> Result<(), CommandError> {
    let lower = namespace.database.to_lowercase();
    let clash = catalog.collections.keys().find(|known| {
        known.database != namespace.database && known.database.to_lowercase() == lower
    });
    let Some(known) = clash else {
        return Ok(());
    };
    Err(CommandError::location(
        13_297,
        format!(
            "db already exists with different case already have: [{}] trying to create [{}]",
            known.database, namespace.database
        ),
    ))
}
