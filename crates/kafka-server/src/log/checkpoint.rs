//! The two offsets of a log that its segments do not hold: the start offset and the synced offset.

use std::path::Path;

use convoy_server_kit::disk;

use crate::log::error::Error;
use crate::storage::Storage;

pub const FILE_NAME: &str = "checkpoint";

/// A file beside the segments with one line: `start synced`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// First offset that can be read.
    pub start_offset: i64,
    /// All records before this offset were synced.
    pub synced_offset: i64,
}

impl Checkpoint {
    /// Reads the checkpoint of a log; without a file, both offsets are zero.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE_NAME);
        let lost = "the start offset of the partition would be lost";
        let Some(text) = disk::load_sealed(&path, lost)? else {
            return Ok(Self::default());
        };
        let mut numbers = text.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(start_offset)), Some(Ok(synced_offset))) => Ok(Self {
                start_offset,
                synced_offset,
            }),
            _ => Err(Error::corrupt(&path, 0)),
        }
    }

    /// Replaces the checkpoint of a log atomically.
    pub fn save(&self, directory: &Path, storage: &Storage) -> Result<(), Error> {
        let path = directory.join(FILE_NAME);
        let text = format!("{} {}\n", self.start_offset, self.synced_offset);
        let saved = disk::save_sealed(&path, &text).and_then(|()| storage.add_once(&path));
        saved.map_err(|source| Error::write(&path, source))
    }
}
