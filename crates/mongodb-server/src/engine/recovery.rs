//! Reads the log when a data directory is opened.
//!
//! Every record of every segment is checked. The last segment may end in a record that was being
//! written when the process or the machine stopped: it is cut off and logged. Any other record with
//! a wrong checksum is damage: the directory does not open.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use crate::engine::error::Error;
use crate::engine::record::{self, Change, CollectionId, HEADER_BYTES, Header};
use crate::engine::segment::{PREFIX_BYTES, Segment, Segments};

/// Bytes that are read at once.
const READ_BYTES: usize = 1024 * 1024;

/// A record that was read.
#[derive(Debug)]
pub struct Replayed<'a> {
    /// Number of its segment.
    pub segment: u32,
    /// Offset of its body.
    pub body: u32,
    pub collection: CollectionId,
    pub change: Change<'a>,
}

/// The segments of a directory.
#[derive(Debug)]
pub struct Recovered {
    /// All segments that hold records.
    pub segments: Segments,
    /// Length of the last one.
    pub length: u32,
}

/// Opens all segments of a directory and passes their records to `replay` in order.
pub fn recover(
    directory: &Path,
    mut replay: impl FnMut(&Replayed<'_>),
) -> Result<Recovered, Error> {
    let numbers = segment_numbers(directory)?;
    let mut segments = Segments::new();
    let mut length = 0;
    for (index, &number) in numbers.iter().enumerate() {
        let last = index + 1 == numbers.len();
        let Some(segment) = Segment::open(directory, number)? else {
            let path = crate::engine::segment::segment_path(directory, number);
            if !last {
                return Err(Error::Damaged { path, offset: 0 });
            }
            warn!(path = %path.display(), "removed an incomplete segment");
            std::fs::remove_file(&path).map_err(|source| Error::Write { path, source })?;
            break;
        };
        length = read_segment(&segment, last, &mut replay)?;
        segments.insert(number, Arc::new(segment));
    }
    if let Some((_, last)) = segments.last_key_value() {
        length = u32::try_from(last.size()?).unwrap_or(u32::MAX);
    }
    Ok(Recovered { segments, length })
}

/// Reads the records of a segment; returns the offset after the last valid one.
pub fn read_segment(
    segment: &Segment,
    last: bool,
    replay: &mut impl FnMut(&Replayed<'_>),
) -> Result<u32, Error> {
    let read_error = |source| Error::Read {
        path: segment.path().to_owned(),
        source,
    };
    let size = u32::try_from(segment.size()?).unwrap_or(u32::MAX);
    let file = File::open(segment.path()).map_err(read_error)?;
    let mut reader = BufReader::with_capacity(READ_BYTES, file);
    std::io::copy(
        &mut (&mut reader).take(PREFIX_BYTES as u64),
        &mut std::io::sink(),
    )
    .map_err(read_error)?;
    let mut offset = u32::try_from(PREFIX_BYTES).unwrap_or_default();
    let mut body = Vec::new();
    while offset < size {
        let valid = read_record(&mut reader, size - offset, segment.salt(), &mut body);
        let header = valid.map_err(read_error)?;
        let record = header.and_then(|header| record::read_body(header.kind, &body));
        let Some((collection, change)) = record else {
            cut_tail(segment, offset, last)?;
            break;
        };
        if matches!(change, Change::Delete(_) | Change::Drop) {
            segment.add_tombstone(record_bytes(body.len()));
        }
        let start = offset + u32::try_from(HEADER_BYTES).unwrap_or_default();
        replay(&Replayed {
            segment: segment.number(),
            body: start,
            collection,
            change,
        });
        offset = start + u32::try_from(body.len()).unwrap_or(u32::MAX);
    }
    Ok(offset)
}

fn record_bytes(body: usize) -> u64 {
    u64::try_from(HEADER_BYTES + body).unwrap_or(u64::MAX)
}

/// Reads one record of at most `left` bytes; `None` if it is not valid.
fn read_record(
    reader: &mut impl std::io::Read,
    left: u32,
    salt: u32,
    body: &mut Vec<u8>,
) -> std::io::Result<Option<Header>> {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    let mut bytes = [0; HEADER_BYTES];
    if left < HEADER_BYTES {
        return Ok(None);
    }
    reader.read_exact(&mut bytes)?;
    let Some(header) = Header::read(&bytes) else {
        return Ok(None);
    };
    if header.body_len() > left - HEADER_BYTES {
        return Ok(None);
    }
    body.clear();
    reader.take(u64::from(header.length)).read_to_end(body)?;
    Ok(header.fits(salt, body).then_some(header))
}

/// Cuts off everything after `offset`, unless it was durable.
fn cut_tail(segment: &Segment, offset: u32, last: bool) -> Result<(), Error> {
    let damaged = Error::Damaged {
        path: segment.path().to_owned(),
        offset: u64::from(offset),
    };
    if !last || promised_beyond(segment, offset)? {
        return Err(damaged);
    }
    let size = segment.size()?;
    warn!(
        path = %segment.path().display(),
        offset,
        bytes = size.saturating_sub(u64::from(offset)),
        "cut off the torn end of the log"
    );
    segment
        .file()
        .set_len(u64::from(offset))
        .map_err(|source| segment.write_error(source))
}

/// Returns whether a valid record after `offset` says that more than `offset` was durable.
fn promised_beyond(segment: &Segment, offset: u32) -> Result<bool, Error> {
    let read_error = |source| Error::Read {
        path: segment.path().to_owned(),
        source,
    };
    let mut file = File::open(segment.path()).map_err(read_error)?;
    let mut tail = Vec::new();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(u64::from(offset)))
        .map_err(read_error)?;
    file.read_to_end(&mut tail).map_err(read_error)?;
    for start in 0..tail.len() {
        let Some((bytes, rest)) = tail[start..].split_first_chunk() else {
            break;
        };
        let Some(header) = Header::read(bytes).filter(|header| header.durable > offset) else {
            continue;
        };
        let body = rest.get(..header.body_len());
        if body.is_some_and(|body| header.fits(segment.salt(), body)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn segment_numbers(directory: &Path) -> Result<Vec<u32>, Error> {
    let directory_error = |source| Error::Directory {
        path: directory.to_owned(),
        source,
    };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(directory_error)? {
        let path: PathBuf = entry.map_err(directory_error)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if path.extension().is_some_and(|extension| extension == "log") {
            numbers.extend(stem.and_then(|stem| stem.parse::<u32>().ok()));
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}
