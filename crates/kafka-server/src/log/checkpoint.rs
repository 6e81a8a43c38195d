//! The two offsets of a log that its segments do not hold: the start offset and the synced offset.

use std::fs;
use std::io;
use std::path::Path;

use crate::files;
use crate::log::error::Error;

const FILE_NAME: &str = "checkpoint";

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
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(Error::read(&path, source)),
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
    pub fn save(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(FILE_NAME);
        let text = format!("{} {}\n", self.start_offset, self.synced_offset);
        files::replace(&path, text.as_bytes()).map_err(|source| Error::write(&path, source))
    }
}
