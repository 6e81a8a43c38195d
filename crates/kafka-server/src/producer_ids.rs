//! Ids for idempotent producers, each assigned once in the life of a data directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::files;

const FILE_NAME: &str = "producer-ids";

/// Ids reserved on disk at once; a restart skips the unassigned rest.
const BLOCK: i64 = 1_000;

#[derive(Debug)]
pub struct ProducerIds {
    path: PathBuf,
    block: Mutex<Block>,
}

#[derive(Debug)]
struct Block {
    next: i64,
    end: i64,
}

impl ProducerIds {
    /// Continues after the last block that was reserved in a data directory.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE_NAME);
        let next = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Self {
            path,
            block: Mutex::new(Block { next, end: next }),
        })
    }

    /// Returns the next id.
    pub fn next(&self) -> io::Result<i64> {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.next == block.end {
            let end = block.end + BLOCK;
            files::replace(&self.path, format!("{end}\n").as_bytes())?;
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
            let ids = ProducerIds::open(directory.path()).unwrap();
            for _ in 0..1_500 {
                assert!(seen.insert(ids.next().unwrap()));
            }
        }
    }
}
