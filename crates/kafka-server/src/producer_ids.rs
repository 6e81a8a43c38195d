//! Ids for idempotent producers, each assigned once in the life of a data directory.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use convoy_server_kit::disk;

use crate::storage::Storage;

pub const FILE_NAME: &str = "producer-ids";

/// Ids reserved on disk at once; a restart skips the unassigned rest.
const BLOCK: i64 = 1_000;

#[derive(Debug)]
pub struct ProducerIds {
    path: PathBuf,
    storage: Arc<Storage>,
    block: Mutex<Block>,
}

#[derive(Debug)]
struct Block {
    next: i64,
    end: i64,
}

impl ProducerIds {
    /// Continues after the last block that was reserved in a data directory.
    pub fn open(storage: &Arc<Storage>) -> Result<Self, disk::Error> {
        let path = storage.path(FILE_NAME);
        let lost = "the producer ids that are in use would be lost";
        let next = match disk::load_sealed(&path, lost)? {
            None => 0,
            Some(text) => text.trim().parse().map_err(|_| disk::Error::Damaged {
                path: path.clone(),
                offset: 0,
                lost: lost.to_owned(),
            })?,
        };
        Ok(Self {
            path,
            storage: Arc::clone(storage),
            block: Mutex::new(Block { next, end: next }),
        })
    }

    /// Returns the next id.
    pub fn next(&self) -> io::Result<i64> {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.next == block.end {
            let end = block.end + BLOCK;
            disk::save_sealed(&self.path, &end.to_string())?;
            self.storage.add_once(&self.path)?;
            block.end = end;
        }
        let id = block.next;
        block.next += 1;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_across_restarts() {
        let directory = tempfile::tempdir().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..3 {
            let storage = Storage::open(directory.path(), || Ok(true)).unwrap();
            let ids = ProducerIds::open(&storage).unwrap();
            for _ in 0..1_500 {
                assert!(seen.insert(ids.next().unwrap()));
            }
        }
    }
}
