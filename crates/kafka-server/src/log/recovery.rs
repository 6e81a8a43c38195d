//! Recovery of a log after a crash: torn batches are found and removed.

use std::fs;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::log::error::Error;
use crate::log::history::History;
use crate::log::segment::Segment;

/// Opens the segments of a directory in order, and truncates them after the last valid batch.
pub fn recover(
    directory: &Path,
    synced_offset: i64,
    history: &mut History,
) -> Result<Vec<Segment>, Error> {
    let files = segment_files(directory)?;
    let mut segments: Vec<Segment> = Vec::with_capacity(files.len());
    let mut torn_before = false;
    for (base_offset, path) in files {
        if torn_before {
            warn!(path = %path.display(), "removed a segment after a torn one");
            remove(&path)?;
            continue;
        }
        let (mut segment, torn) = Segment::open(path, base_offset, synced_offset, history)?;
        if torn > 0 && segment.next_offset() < synced_offset {
            return Err(Error::corrupt(segment.path(), segment.bytes()));
        }
        if torn > 0 {
            warn!(
                path = %segment.path().display(),
                bytes = torn,
                next_offset = segment.next_offset(),
                "truncated a segment with a torn tail"
            );
            segment.truncate_torn()?;
            torn_before = true;
        }
        segments.push(segment);
    }
    Ok(segments)
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

pub fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(|source| Error::remove(path, source))
}
