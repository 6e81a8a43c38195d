//! An append-only file of changes, rewritten when most of it is outdated: frames of
//! [`disk`] whose payloads are JSON.

use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convoy_server_kit::disk::{self, Format, Kind, Loss};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage::Storage;

/// The journal is rewritten when it has grown by this factor since the last rewrite,
const REWRITE_GROWTH: u64 = 4;

/// but not below this size.
const REWRITE_FROM_BYTES: u64 = 4 * 1024 * 1024;

/// Journals have this extension.
pub const EXTENSION: &str = "journal";

const KIND: Kind = Kind {
    format: Format {
        magic: *b"CONVOYJ",
        version: b'2',
        earlier: &[],
    },
    unit: "changes",
};

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Storage(#[from] disk::Error),
}

impl Error {
    /// Returns a sentence on what the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Write { .. } => {
                "check that the disk of the data directory is neither full nor failing"
            }
            Self::Storage(error) => error.hint(),
        }
    }
}

#[derive(Debug)]
pub struct Journal<E> {
    path: PathBuf,
    frames: disk::Journal,
    storage: Arc<Storage>,
    rewrite_at: u64,
    entries: PhantomData<fn(E)>,
}

impl<E: Serialize + DeserializeOwned> Journal<E> {
    /// Opens a journal of the data directory, and passes its entries to `replayed` in order.
    pub fn open(
        storage: &Arc<Storage>,
        name: &str,
        mut replayed: impl FnMut(E),
    ) -> Result<Self, Error> {
        let path = storage.path(name);
        let replay = |payload: &[u8]| match serde_json::from_slice(payload) {
            Ok(entry) => {
                replayed(entry);
                true
            }
            Err(_) => false,
        };
        let journal = disk::Journal::open(&path, KIND, storage.mark(&path), replay)?;
        let added = storage.add_once(&path);
        added.map_err(|source| write_error(&path, source))?;
        Ok(Self {
            rewrite_at: rewrite_at(&journal),
            path,
            frames: journal,
            storage: Arc::clone(storage),
            entries: PhantomData,
        })
    }

    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.frames.end()
    }

    /// Appends entries in one write.
    pub fn append(&mut self, entries: &[E]) -> Result<(), Error> {
        let payloads = encode(entries.iter()).map_err(|source| write_error(&self.path, source))?;
        let frames: Vec<_> = frames(&payloads).collect();
        let appended = self.frames.append(&frames);
        appended.map_err(|source| write_error(&self.path, source))
    }

    /// Whether most of the journal is probably outdated.
    pub fn is_rewrite_due(&self) -> bool {
        self.frames.end() >= self.rewrite_at
    }

    /// Replaces the journal by one with only the given entries.
    pub fn rewrite(&mut self, entries: impl Iterator<Item = E>) -> Result<(), Error> {
        let replaced = encode(entries).and_then(|payloads| {
            // It becomes shorter than it was when it was synced.
            self.storage.add(&self.path)?;
            self.frames.replace(frames(&payloads))
        });
        replaced.map_err(|source| write_error(&self.path, source))?;
        self.rewrite_at = rewrite_at(&self.frames);
        Ok(())
    }
}

/// Keeps what is whole of a damaged journal; `data` is the broker's directory.
pub fn repair(path: &Path, data: &Path) -> Result<Option<Loss>, disk::Error> {
    disk::repair_journal(path, data, KIND)
}

fn rewrite_at(journal: &disk::Journal) -> u64 {
    let grown = journal.end().saturating_mul(REWRITE_GROWTH);
    grown.max(REWRITE_FROM_BYTES)
}

fn encode<E: Serialize>(entries: impl Iterator<Item = E>) -> io::Result<Vec<Vec<u8>>> {
    entries
        .map(|entry| serde_json::to_vec(&entry).map_err(io::Error::from))
        .collect()
}

fn frames(payloads: &[Vec<u8>]) -> impl Iterator<Item = disk::Entry<'_>> {
    payloads.iter().map(|bytes| disk::Entry { bytes, units: 1 })
}

fn write_error(path: &Path, source: io::Error) -> Error {
    Error::Write {
        path: path.to_owned(),
        source,
    }
}
