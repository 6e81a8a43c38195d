//! Recovery of a log after a crash: a torn end is found and cut off; other damage is an error.

use std::fs;
use std::path::{Path, PathBuf};

use convoy_server_kit::disk;
use tracing::warn;

use crate::log::error::Error;
use crate::log::history::History;
use crate::log::salvage::{self, Part};
use crate::log::segment::Segment;
use crate::storage::Storage;

/// Opens the segments of a directory in order.
pub fn recover(
    directory: &Path,
    synced_offset: i64,
    storage: &Storage,
    history: &mut History,
) -> Result<Vec<Segment>, Error> {
    let mut files = Vec::new();
    for (base_offset, path) in segment_files(directory)? {
        if storage.admit(&path)? {
            files.push((base_offset, path));
        }
    }
    let count = files.len();
    let mut segments: Vec<Segment> = Vec::with_capacity(count);
    for (index, (base_offset, path)) in files.into_iter().enumerate() {
        let last = index + 1 == count;
        let opened = Segment::open(path, base_offset, synced_offset, storage, history)?;
        let (mut segment, left) = opened;
        let before = segments.last().map_or(0, Segment::next_offset);
        if before > base_offset {
            return Err(Error::corrupt(segment.path(), 0));
        }
        if left > 0 {
            stop_at_end(&mut segment, synced_offset, last, storage)?;
        }
        if last && segment.next_offset() < synced_offset {
            let lost = salvage::range(segment.next_offset(), Some(synced_offset));
            return Err(Error::Storage(disk::Error::Damaged {
                path: segment.path().to_owned(),
                offset: segment.bytes(),
                lost: format!("{lost} would be lost"),
            }));
        }
        segments.push(segment);
    }
    Ok(segments)
}

/// Cuts off a torn end after the last valid batch; anything else is damage.
fn stop_at_end(
    segment: &mut Segment,
    synced_offset: i64,
    last: bool,
    storage: &Storage,
) -> Result<(), Error> {
    let path = segment.path().to_owned();
    let bytes = fs::read(&path).map_err(|source| Error::read(&path, source))?;
    let at = usize::try_from(segment.bytes()).unwrap_or(usize::MAX);
    let next_offset = segment.next_offset();
    let parts = salvage::parts(&bytes, at, next_offset);
    let mark = storage.mark(&path);
    let synced = mark.clean || segment.bytes() < mark.synced || next_offset < synced_offset;
    if last && !synced && matches!(parts.as_slice(), [Part::Lost { torn: true, .. }]) {
        warn!(
            path = %path.display(),
            bytes = bytes.len() - at,
            next_offset,
            "removed an incomplete batch at the end of a log"
        );
        return segment.truncate_torn();
    }
    let end = last
        .then_some(synced_offset)
        .filter(|end| *end > next_offset);
    let lost = salvage::describe(&parts, next_offset, end);
    let offset = segment.bytes();
    Err(Error::Storage(disk::Error::Damaged { path, offset, lost }))
}

/// Returns base offset and path of every segment file, in order.
pub fn segment_files(directory: &Path) -> Result<Vec<(i64, PathBuf)>, Error> {
    let entries = fs::read_dir(directory).map_err(|source| Error::open(directory, source))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|source| Error::open(directory, source))?
            .path();
        let base_offset = path
            .extension()
            .filter(|extension| *extension == "log")
            .and_then(|_| path.file_stem()?.to_str()?.parse().ok());
        if let Some(base_offset) = base_offset {
            files.push((base_offset, path));
        }
    }
    files.sort_unstable_by_key(|(base_offset, _)| *base_offset);
    Ok(files)
}

pub fn remove(storage: &Storage, path: &Path) -> Result<(), Error> {
    storage
        .remove(path)
        .map_err(|source| Error::remove(path, source))
}
