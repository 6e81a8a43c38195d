//! Repairs a data directory: keeps the whole records on both sides of damage, puts the rest aside.
//!
//! A document whose update is lost is removed, because its earlier contents would be wrong. A
//! deletion that is lost is written again if its header says which document it was about.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use convoy_server_kit::disk::{self, FileHeader, Loss, Lost, Piece, Pieces, Unreadable};

use crate::engine::damage::{self, Damage};
use crate::engine::error::Error;
use crate::engine::record::{About, HEADER_BYTES, Header, RecordKind, proven_ids};
use crate::engine::recovery::segment_numbers;
use crate::engine::segment::{FORMAT, PREFIX_BYTES, segment_name, segment_path};

/// Keeps what is whole of a directory; returns what was lost.
pub fn repair(directory: &Path) -> Result<Vec<Loss>, Error> {
    let failed = |source| disk::Error::read(directory, source);
    let numbers = segment_numbers(directory).map_err(failed)?;
    let mut losses = Vec::new();
    for number in &numbers {
        losses.extend(repair_segment(directory, *number)?);
    }
    let describe = |_name: &str| "the documents in it, and its updates and deletions".to_owned();
    let found = || numbers.iter().map(|number| segment_name(*number)).collect();
    losses.extend(disk::repair_list(directory, describe, found)?);
    Ok(losses)
}

/// A segment that is being repaired.
struct Repair<'s> {
    directory: &'s Path,
    path: PathBuf,
    bytes: &'s [u8],
    salt: u32,
    damage: Damage,
    /// Deletions and updates that are lost although they hide earlier contents.
    revealed: u64,
    aside: Vec<PathBuf>,
}

fn repair_segment(directory: &Path, number: u32) -> Result<Option<Loss>, Error> {
    let path = segment_path(directory, number);
    let bytes = fs::read(&path).map_err(|source| disk::Error::read(&path, source))?;
    let read = FileHeader::read(&bytes, &FORMAT).and_then(|header| match header.number {
        stated if stated == number => Ok(header),
        _ => Err(Unreadable::Damaged),
    });
    let salt = match read {
        Ok(header) => header.salt,
        Err(Unreadable::Damaged) => disk::likely_salt(&bytes),
        Err(why) => {
            let lost = damage::MISSING.to_owned();
            return Err(disk::Error::unreadable(&path, why, FORMAT.version, lost).into());
        }
    };
    let mut repair = Repair {
        directory,
        path,
        bytes: &bytes,
        salt,
        damage: Damage::default(),
        revealed: 0,
        aside: Vec::new(),
    };
    let (records, changed) = repair.records()?;
    if !changed && read.is_ok() {
        return Ok(None);
    }
    let header = FileHeader { number, salt };
    let content = [&header.bytes(&FORMAT)[..], &records].concat();
    let replaced = disk::replace(&repair.path, &content);
    replaced.map_err(|source| disk::Error::write(&repair.path, source))?;
    Ok(Some(repair.loss()))
}

impl Repair<'_> {
    /// Returns the records to keep, and whether they differ from those on disk.
    fn records(&mut self) -> Result<(Vec<u8>, bool), Error> {
        let (mut kept, mut changed) = (Vec::new(), false);
        for piece in Pieces::new(self.bytes, PREFIX_BYTES, self.salt) {
            match piece {
                Piece::Whole {
                    header,
                    payload,
                    mended,
                    ..
                } => {
                    changed |= mended;
                    kept.extend(header.bytes(self.salt));
                    kept.extend(self.bytes.get(payload).unwrap_or_default());
                }
                Piece::Lost(lost) => {
                    changed = true;
                    self.put_aside(&lost)?;
                    self.damage.add(&lost);
                    kept.extend(self.replacement(&lost));
                }
            }
        }
        Ok((kept, changed))
    }

    fn put_aside(&mut self, lost: &Lost) -> Result<(), Error> {
        let bytes = self.bytes.get(lost.at..lost.end).unwrap_or_default();
        let copied = disk::put_aside(self.directory, &self.path, lost.at, bytes);
        let copied = copied.map_err(|source: io::Error| disk::Error::write(&self.path, source));
        self.aside.push(copied?);
        Ok(())
    }

    /// Returns a record that deletes the documents of a lost update or deletion.
    fn replacement(&mut self, lost: &Lost) -> Vec<u8> {
        let Some(about) = lost.tag.as_ref().and_then(About::read) else {
            return Vec::new();
        };
        if !matches!(about.kind, RecordKind::Put | RecordKind::Delete) {
            return Vec::new();
        }
        let body = self.bytes.get(lost.at + HEADER_BYTES..lost.end);
        let Some(ids) = proven_ids(about, body.unwrap_or_default()) else {
            self.revealed += u64::from(about.count);
            return Vec::new();
        };
        let collection = about.collection.0.to_le_bytes();
        let ids: Vec<u8> = ids.iter().flat_map(|id| id.0.to_le_bytes()).collect();
        let parts = [IoSlice::new(&collection), IoSlice::new(&ids)];
        let header = Header::new(RecordKind::Delete, &parts);
        [&header.bytes(self.salt)[..], &collection, &ids].concat()
    }

    fn loss(self) -> Loss {
        let mut lost = self.damage.to_string();
        if self.revealed > 0 {
            let revealed = self.revealed;
            let _ = write!(
                lost,
                "; up to {revealed} documents may have earlier contents or come back"
            );
        }
        Loss {
            path: self.path,
            lost,
            aside: self.aside,
        }
    }
}
