//! Repairs a partition: keeps the whole batches on both sides of damage, puts the rest aside.

use std::fs;
use std::path::{Path, PathBuf};

use convoy_server_kit::disk::{self, Loss};

use crate::batch::HEADER_BYTES;
use crate::log::checkpoint::{self, Checkpoint};
use crate::log::error::Error;
use crate::log::recovery::segment_files;
use crate::log::salvage::{self, Part};

/// Keeps what is whole of a partition; `data` is the broker's directory.
pub fn repair(directory: &Path, data: &Path) -> Result<Vec<Loss>, Error> {
    let mut losses = Vec::new();
    let mut checkpoint = match Checkpoint::load(directory) {
        Ok(checkpoint) => checkpoint,
        Err(Error::Storage(disk::Error::Damaged { path, .. })) => {
            losses.push(replace_checkpoint(&path, data)?);
            Checkpoint::default()
        }
        Err(error) => return Err(error),
    };
    let segments = segment_files(directory)?;
    let mut next_offset = segments.first().map_or(0, |(base, _)| *base);
    if let Some(start) = segments.first().filter(|_| !losses.is_empty()) {
        checkpoint.start_offset = start.0;
    }
    for (index, (base_offset, path)) in segments.iter().enumerate() {
        let following = segments.get(index + 1).map(|(base, _)| *base);
        let end = following.or(Some(checkpoint.synced_offset));
        let repaired = Repair {
            path,
            data,
            end_offset: end.filter(|end| *end > *base_offset),
        };
        let (loss, after) = repaired.run((*base_offset).max(next_offset))?;
        losses.extend(loss);
        next_offset = after;
    }
    losses.extend(keep_offsets(
        directory,
        next_offset,
        checkpoint.synced_offset,
    )?);
    Ok(losses)
}

fn replace_checkpoint(path: &Path, data: &Path) -> Result<Loss, Error> {
    let failed = |source| Error::write(path, source);
    let bytes = fs::read(path).map_err(|source| Error::read(path, source))?;
    let aside = disk::put_aside(data, path, 0, &bytes).map_err(failed)?;
    fs::remove_file(path).map_err(failed)?;
    let directory = path.parent().unwrap_or(path);
    let segments = segment_files(directory)?;
    let start = segments.first().map_or(0, |(base, _)| *base);
    let text = format!("{start} 0\n");
    disk::save_sealed(&directory.join(checkpoint::FILE_NAME), &text).map_err(failed)?;
    Ok(Loss {
        path: path.to_owned(),
        lost: format!("the start offset of the partition; it is {start} now"),
        aside: vec![aside],
    })
}

/// Makes sure that no offset is given out twice, although the last records are lost.
fn keep_offsets(directory: &Path, next_offset: i64, synced: i64) -> Result<Option<Loss>, Error> {
    if next_offset >= synced {
        return Ok(None);
    }
    let path = directory.join(format!("{synced:020}.log"));
    let created = disk::create_anew(&path);
    created.map_err(|source| Error::write(&path, source))?;
    Ok(Some(Loss {
        lost: salvage::range(next_offset, Some(synced)),
        path: directory.to_owned(),
        aside: Vec::new(),
    }))
}

/// A segment that is being repaired.
struct Repair<'s> {
    path: &'s Path,
    data: &'s Path,
    /// Offset after the segment's last record, if known.
    end_offset: Option<i64>,
}

impl Repair<'_> {
    /// Returns what was lost, and the offset after the last whole batch.
    fn run(&self, from: i64) -> Result<(Option<Loss>, i64), Error> {
        let bytes = fs::read(self.path).map_err(|source| Error::read(self.path, source))?;
        let parts = salvage::parts(&bytes, 0, from);
        let (mut kept, mut aside) = (Vec::with_capacity(bytes.len()), Vec::new());
        let (mut next_offset, mut changed) = (from, false);
        for part in &parts {
            match part {
                Part::Whole {
                    at,
                    end,
                    head,
                    next_offset: after,
                    mended,
                    ..
                } => {
                    kept.extend(head.iter());
                    kept.extend(&bytes[at + HEADER_BYTES..*end]);
                    next_offset = *after;
                    changed |= *mended;
                }
                Part::Lost { at, end, .. } => {
                    aside.push(self.put_aside(&bytes, *at, *end)?);
                    changed = true;
                }
            }
        }
        if !changed {
            return Ok((None, next_offset));
        }
        let replaced = disk::replace(self.path, &kept);
        replaced.map_err(|source| Error::write(self.path, source))?;
        let lost = salvage::lost_ranges(&parts, from, self.end_offset);
        let lost = if lost.is_empty() {
            "nothing".to_owned()
        } else {
            lost.join(", ")
        };
        let loss = Loss {
            path: self.path.to_owned(),
            lost,
            aside,
        };
        Ok((Some(loss), next_offset))
    }

    fn put_aside(&self, bytes: &[u8], at: usize, end: usize) -> Result<PathBuf, Error> {
        let copied = disk::put_aside(self.data, self.path, at, &bytes[at..end]);
        copied.map_err(|source| Error::write(self.path, source))
    }
}
