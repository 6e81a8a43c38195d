//! Reads the log when a data directory is opened.
//!
//! Every record of every segment is checked. The last segment may end in a record that was being
//! written when the process or the machine stopped: it is cut off and logged. Any other record with
//! a wrong checksum is damage, and a segment that is missing is missed: the directory does not open.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use convoy_server_kit::disk::{self, FileList, Mark, Piece, Pieces};
use tracing::warn;

use crate::engine::damage::{self, Damage};
use crate::engine::error::Error;
use crate::engine::record::{self, Change, CollectionId, HEADER_BYTES, Header};
use crate::engine::segment::{
    PREFIX_BYTES, Segment, Segments, segment_name, segment_number, segment_path,
};

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

/// Opens the list of a directory's files.
pub fn list(directory: &Path) -> Result<FileList, Error> {
    let is_new = || {
        let read = |source| disk::Error::read(directory, source);
        let mut is_new = true;
        for number in segment_numbers(directory).map_err(read)? {
            is_new &= match Segment::open(directory, number) {
                Err(Error::Storage(error @ disk::Error::Old { .. })) => return Err(error),
                // The machine stopped while the first start created its files.
                opened => matches!(opened, Ok(None)),
            };
        }
        Ok(is_new)
    };
    let files = FileList::open(directory, is_new)?;
    files.check(|_name| damage::MISSING.to_owned())?;
    Ok(files)
}

/// Opens all segments of a directory and passes their records to `replay` in order.
pub fn recover(
    directory: &Path,
    files: &FileList,
    mut replay: impl FnMut(&Replayed<'_>),
) -> Result<Recovered, Error> {
    let numbers = listed_numbers(directory, files)?;
    let mut segments = Segments::new();
    let mut length = 0;
    for (index, &number) in numbers.iter().enumerate() {
        let last = index + 1 == numbers.len();
        let name = segment_name(number);
        let path = segment_path(directory, number);
        let Some(segment) = Segment::open(directory, number)? else {
            if !last || files.contains(&name) {
                return Err(Error::Storage(disk::Error::Damaged {
                    path,
                    offset: 0,
                    lost: damage::MISSING.to_owned(),
                }));
            }
            warn!(path = %path.display(), "removed an incomplete segment");
            remove(&path)?;
            break;
        };
        let end = if last {
            End::Torn(files.mark(&name))
        } else {
            End::Whole
        };
        length = read_segment(&segment, end, &mut replay)?;
        if !files.contains(&name) {
            let added = files.add(&[name]);
            added.map_err(|source| segment.write_error(source))?;
        }
        segments.insert(number, Arc::new(segment));
    }
    Ok(Recovered { segments, length })
}

/// Returns the numbers of the segments that belong to a directory, in order; finishes removals.
fn listed_numbers(directory: &Path, files: &FileList) -> Result<Vec<u32>, Error> {
    let failed = |source| Error::Directory {
        path: directory.to_owned(),
        source,
    };
    let mut numbers = Vec::new();
    for number in segment_numbers(directory).map_err(failed)? {
        let (name, path) = (segment_name(number), segment_path(directory, number));
        if files.is_removed(&name) {
            remove(&path)?;
        } else if files.is_clean() && !files.contains(&name) {
            return Err(Error::Storage(disk::Error::Foreign { path }));
        } else {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// How a segment may end.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// With a whole record.
    Whole,
    /// With a torn record, after what is known to be synced.
    Torn(Mark),
}

/// Reads the records of a segment; returns the offset after the last valid one.
pub fn read_segment(
    segment: &Segment,
    end: End,
    replay: &mut impl FnMut(&Replayed<'_>),
) -> Result<u32, Error> {
    let read_error = |source| Error::Read {
        path: segment.path().to_owned(),
        source,
    };
    let size = u32::try_from(segment.size()?).unwrap_or(u32::MAX);
    let file = File::open(segment.path()).map_err(read_error)?;
    let mut reader = BufReader::with_capacity(READ_BYTES, file);
    io::copy(
        &mut (&mut reader).take(PREFIX_BYTES as u64),
        &mut io::sink(),
    )
    .map_err(read_error)?;
    let mut offset = u32::try_from(PREFIX_BYTES).unwrap_or_default();
    let mut body = Vec::new();
    while offset < size {
        let valid = read_record(&mut reader, size - offset, segment.salt(), &mut body);
        let header = valid.map_err(read_error)?;
        let record = header.and_then(|header| record::read_body(header.kind, &body));
        let Some((collection, change)) = record else {
            stop_at(segment, offset, end)?;
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
    reader: &mut impl io::Read,
    left: u32,
    salt: u32,
    body: &mut Vec<u8>,
) -> io::Result<Option<Header>> {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    let mut bytes = [0; HEADER_BYTES];
    if left < HEADER_BYTES {
        return Ok(None);
    }
    reader.read_exact(&mut bytes)?;
    let Some(header) = Header::read(&bytes, salt) else {
        return Ok(None);
    };
    if header.body_len() > left - HEADER_BYTES {
        return Ok(None);
    }
    body.clear();
    reader.take(header.body_len() as u64).read_to_end(body)?;
    Ok(header.fits(body).then_some(header))
}

/// Cuts off a torn end at `offset`, where no whole record begins; anything else is damage.
fn stop_at(segment: &Segment, offset: u32, end: End) -> Result<(), Error> {
    let path = segment.path();
    let bytes = std::fs::read(path).map_err(|source| disk::Error::read(path, source))?;
    let at = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut pieces = Pieces::new(&bytes, at, segment.salt());
    let first = pieces.next();
    if let (Some(Piece::Lost(lost)), End::Torn(mark)) = (&first, end)
        && lost.torn
        && !mark.clean
        && u64::from(offset) >= mark.synced
    {
        let torn = bytes.len() - at;
        warn!(path = %path.display(), offset, bytes = torn, "removed an incomplete record at the end of the log");
        let cut = segment.file().set_len(u64::from(offset));
        return cut.map_err(|source| segment.write_error(source));
    }
    let (mut damage, mut behind) = (Damage::default(), 0_u64);
    for piece in first.into_iter().chain(pieces) {
        match piece {
            Piece::Whole { at: start, .. } => behind += u64::from(start > at),
            Piece::Lost(lost) => damage.add(&lost),
        }
    }
    let behind = match behind {
        0 => "",
        _ => "; the records after it are undamaged",
    };
    Err(Error::Storage(disk::Error::Damaged {
        path: path.to_owned(),
        offset: u64::from(offset),
        lost: format!("{damage} would be lost{behind}"),
    }))
}

fn remove(path: &Path) -> Result<(), Error> {
    std::fs::remove_file(path).map_err(|source| disk::Error::write(path, source).into())
}

/// Returns the numbers of all segments in a directory, in order.
pub fn segment_numbers(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        numbers.extend(segment_number(&entry?.path()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
