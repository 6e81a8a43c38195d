//! Replaces segments by one file that compaction wrote, so that a kill leaves either.
//!
//! ```text
//!  BASE.cleaned ─ rename ─▶ BASE.END.swap ─ remove the others ─ rename ─▶ BASE.log
//!                              ▲ from here on the next start finishes the swap
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use convoy_server_kit::disk;

use crate::log::error::Error;
use crate::log::recovery::segment_files;
use crate::storage::Storage;

/// A new file whose offsets are from `base` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub base: i64,
    pub end: i64,
}

/// Makes `cleaned`, which is synced, the only segment in its range; returns its path.
pub fn commit(
    directory: &Path,
    range: Range,
    cleaned: &Path,
    storage: &Storage,
) -> Result<PathBuf, Error> {
    let Range { base, end } = range;
    let swap = directory.join(format!("{base:020}.{end:020}.swap"));
    rename(cleaned, &swap)?;
    sync(directory)?;
    complete(directory, range, &swap, storage)
}

/// Finishes the swaps that a kill interrupted, and removes files that were not complete.
pub fn finish(directory: &Path, storage: &Storage) -> Result<(), Error> {
    let entries = fs::read_dir(directory).map_err(|source| Error::open(directory, source))?;
    for entry in entries {
        let path = entry
            .map_err(|source| Error::open(directory, source))?
            .path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension == Some("cleaned") {
            fs::remove_file(&path).map_err(|source| Error::remove(&path, source))?;
        } else if let Some(range) = range_of(&path) {
            complete(directory, range, &path, storage)?;
        }
    }
    Ok(())
}

/// Removes a file that is not needed.
pub fn discard(cleaned: &Path) {
    // The next start removes it otherwise.
    let _left = fs::remove_file(cleaned);
}

fn complete(
    directory: &Path,
    range: Range,
    swap: &Path,
    storage: &Storage,
) -> Result<PathBuf, Error> {
    let Range { base, end } = range;
    for (offset, path) in segment_files(directory)? {
        if offset > base && offset < end {
            let removed = storage.remove(&path);
            removed.map_err(|source| Error::remove(&path, source))?;
        }
    }
    let path = directory.join(format!("{base:020}.log"));
    // The list must not expect the length of the file before.
    let listed = storage.add(&path);
    listed.map_err(|source| Error::write(&path, source))?;
    rename(swap, &path)?;
    sync(directory)?;
    Ok(path)
}

/// Returns the range in the name of a file to be swapped in.
fn range_of(path: &Path) -> Option<Range> {
    let name = path.file_name()?.to_str()?.strip_suffix(".swap")?;
    let (base, end) = name.split_once('.')?;
    Some(Range {
        base: base.parse().ok()?,
        end: end.parse().ok()?,
    })
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|source| Error::write(to, source))
}

fn sync(directory: &Path) -> Result<(), Error> {
    disk::sync_directory(directory).map_err(|source| Error::Sync { source })
}
