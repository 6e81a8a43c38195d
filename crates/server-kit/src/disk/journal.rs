//! A file of frames that grows at its end and is replaced when most of it is outdated.

use std::fs::{self, File};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::disk::error::{Error, Extent, Loss};
use crate::disk::frame::{
    FILE_HEADER_BYTES, FRAME_HEADER_BYTES, FileHeader, Format, FrameHeader, TAG_BYTES, Tag,
    Unreadable,
};
use crate::disk::private;
use crate::disk::scan::{Lost, Piece, Pieces};

/// The kind of a journal.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Format of the file.
    pub format: Format,
    /// What the entries are, in plural: `changes`.
    pub unit: &'static str,
}

/// How far a file is known to be synced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// Everything before this position was synced; nothing of it can be torn.
    pub synced: u64,
    /// The server stopped in order: the file ends there.
    pub clean: bool,
}

/// A journal that is open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    kind: Kind,
    file: File,
    header: FileHeader,
    /// Position after the last whole frame.
    end: u64,
    /// A failed write could not be undone: the end of the file is unknown.
    failed: bool,
}

/// An entry: its bytes, and how many units it holds.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'b> {
    /// The payload.
    pub bytes: &'b [u8],
    /// Number of units, for the words about a loss.
    pub units: u64,
}

impl Journal {
    /// Opens a journal and passes its entries to `replay` in order; creates the file if there is
    /// none. A torn end is cut off and logged.
    ///
    /// # Errors
    ///
    /// If the file is damaged anywhere else, in another format or not accessible. It then stays as
    /// it is.
    pub fn open(
        path: &Path,
        kind: Kind,
        mark: Mark,
        mut replay: impl FnMut(&[u8]) -> bool,
    ) -> Result<Self, Error> {
        let mut file = private::options()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|source| Error::read(path, source))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|source| Error::read(path, source))?;
        let new = bytes.is_empty() || has_torn_header(&bytes, kind.format);
        if new && mark.synced == 0 {
            let created = Self::start(path, kind, file);
            return created.map_err(|source| Error::write(path, source));
        }
        let header = FileHeader::read(&bytes, &kind.format).map_err(|why| {
            let lost = lost_without_header(&bytes, kind);
            Error::unreadable(path, why, kind.format.version, lost)
        })?;
        let end = read(path, &bytes, header.salt, kind, mark, &mut replay)?;
        if end < bytes.len() {
            let torn = bytes.len() - end;
            warn!(path = %path.display(), offset = end, bytes = torn, "removed an incomplete record at the end of a journal");
            let cut = file.set_len(end as u64).and_then(|()| file.sync_all());
            cut.map_err(|source| Error::write(path, source))?;
        }
        Ok(Self {
            path: path.to_owned(),
            kind,
            file,
            header,
            end: end as u64,
            failed: false,
        })
    }

    /// Returns the position after the last entry.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends entries in one write. They survive the end of the process.
    pub fn append(&mut self, entries: &[Entry<'_>]) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        let mut bytes = Vec::new();
        for entry in entries {
            push(&mut bytes, *entry, self.header.salt)?;
        }
        if let Err(error) = self.file.write_all(&bytes) {
            self.undo()?;
            return Err(error);
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Appends entries and waits until they are on disk. Keeps nothing of them if that fails.
    pub fn append_durably(&mut self, entries: &[Entry<'_>]) -> io::Result<()> {
        let before = self.end;
        self.append(entries)?;
        if let Err(error) = self.file.sync_data() {
            self.end = before;
            self.undo()?;
            return Err(error);
        }
        Ok(())
    }

    /// Waits until everything is on disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Replaces the journal by one with only these entries. It is on disk when this returns.
    pub fn replace<'b>(&mut self, entries: impl Iterator<Item = Entry<'b>>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for entry in entries {
            push(&mut bytes, entry, self.header.salt)?;
        }
        let (file, end) = write_anew(&self.path, &self.kind, self.header, &bytes)?;
        self.file = file;
        self.end = end;
        self.failed = false;
        Ok(())
    }

    fn start(path: &Path, kind: Kind, file: File) -> io::Result<Self> {
        let header = FileHeader::new(0);
        file.set_len(0)?;
        let mut journal = Self {
            path: path.to_owned(),
            kind,
            file,
            header,
            end: FILE_HEADER_BYTES as u64,
            failed: false,
        };
        journal.file.write_all(&header.bytes(&kind.format))?;
        journal.file.sync_all()?;
        // The file's name is durable only after its directory is synced.
        path.parent().map_or(Ok(()), private::sync_directory)?;
        Ok(journal)
    }

    /// Removes a partial write: a whole frame must not follow it.
    fn undo(&mut self) -> io::Result<()> {
        let undone = self.file.set_len(self.end);
        self.failed = undone.is_err();
        undone
    }
}

/// Keeps what is whole of a damaged journal and puts the rest aside in `data`; `None` if the
/// journal is whole.
pub fn repair(path: &Path, data: &Path, kind: Kind) -> Result<Option<Loss>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::read(path, source)),
    };
    let read = FileHeader::read(&bytes, &kind.format);
    let salt = match read {
        Ok(header) => header.salt,
        Err(Unreadable::Damaged) => likely_salt(&bytes),
        Err(why) => {
            let lost = String::new();
            return Err(Error::unreadable(path, why, kind.format.version, lost));
        }
    };
    let header = read.unwrap_or(FileHeader { number: 0, salt });
    let (mut kept, mut extent) = (Vec::new(), Extent::of(kind.unit));
    let (mut aside, mut mended) = (Vec::new(), read.is_err());
    for piece in Pieces::new(&bytes, FILE_HEADER_BYTES, salt) {
        match piece {
            Piece::Whole {
                header,
                payload,
                mended: this,
                ..
            } => {
                mended |= this;
                kept.extend(header.bytes(salt));
                kept.extend(&bytes[payload]);
            }
            Piece::Lost(lost) => {
                extent.add((lost.end - lost.at) as u64, lost.tag.map(units));
                let copy = private::put_aside(data, path, lost.at, &bytes[lost.at..lost.end]);
                aside.push(copy.map_err(|source| Error::write(path, source))?);
            }
        }
    }
    if !mended && aside.is_empty() {
        return Ok(None);
    }
    let written = write_anew(path, &kind, header, &kept);
    written.map_err(|source| Error::write(path, source))?;
    Ok(Some(Loss {
        path: path.to_owned(),
        lost: extent.to_string(),
        aside,
    }))
}

/// Returns the start of the sentence about lost bytes and what follows them.
pub fn describe(extent: &Extent, behind: usize) -> String {
    let lost = format!("{extent} would be lost");
    match behind {
        0 => lost,
        1 => format!("{lost}; one entry after it is undamaged"),
        more => format!("{lost}; {more} entries after it are undamaged"),
    }
}

/// Reads all entries; returns the position after the last one before a torn end.
fn read(
    path: &Path,
    bytes: &[u8],
    salt: u32,
    kind: Kind,
    mark: Mark,
    replay: &mut impl FnMut(&[u8]) -> bool,
) -> Result<usize, Error> {
    let mut end = FILE_HEADER_BYTES;
    let mut pieces = Pieces::new(bytes, end, salt);
    while let Some(piece) = pieces.next() {
        let torn = |lost: &Lost| lost.torn && lost.at as u64 >= mark.synced && !mark.clean;
        match piece {
            Piece::Whole {
                payload,
                mended: false,
                ..
            } if replay(&bytes[payload.clone()]) => end = payload.end,
            Piece::Lost(lost) if torn(&lost) => return Ok(lost.at),
            bad => return Err(damaged(path, end, bad, pieces, kind)),
        }
    }
    let length = bytes.len() as u64;
    if length < mark.synced {
        let mut extent = Extent::of(kind.unit);
        extent.add(mark.synced - length, None);
        return Err(Error::Damaged {
            path: path.to_owned(),
            offset: length,
            lost: describe(&extent, 0),
        });
    }
    Ok(end)
}

fn damaged(path: &Path, at: usize, bad: Piece, rest: Pieces<'_>, kind: Kind) -> Error {
    let mut extent = Extent::of(kind.unit);
    let mut behind = 0;
    for piece in std::iter::once(bad).chain(rest) {
        match piece {
            Piece::Whole { at: start, .. } if start > at => behind += 1,
            Piece::Whole { .. } => {}
            Piece::Lost(lost) => extent.add((lost.end - lost.at) as u64, lost.tag.map(units)),
        }
    }
    Error::Damaged {
        path: path.to_owned(),
        offset: at as u64,
        lost: describe(&extent, behind),
    }
}

/// Whether the machine stopped while the first bytes of a new file were written.
fn has_torn_header(bytes: &[u8], format: Format) -> bool {
    let written = bytes.len().min(7);
    let begun = bytes.len() < FILE_HEADER_BYTES && bytes[..written] == format.magic[..written];
    begun || bytes.iter().all(|byte| *byte == 0)
}

fn lost_without_header(bytes: &[u8], kind: Kind) -> String {
    let mut extent = Extent::of(kind.unit);
    let mut behind = 0;
    for piece in Pieces::new(bytes, FILE_HEADER_BYTES, likely_salt(bytes)) {
        match piece {
            Piece::Whole { .. } => behind += 1,
            Piece::Lost(lost) => extent.add((lost.end - lost.at) as u64, lost.tag.map(units)),
        }
    }
    describe(&extent, behind)
}

/// Returns the salt of a damaged file header: the one that frames were written with.
pub fn likely_salt(bytes: &[u8]) -> u32 {
    let salts = FileHeader::salts(bytes);
    let fits = |salt: &u32| {
        let mut pieces = Pieces::new(bytes, FILE_HEADER_BYTES, *salt);
        pieces.any(|piece| matches!(piece, Piece::Whole { .. }))
    };
    let first = salts.first().copied().unwrap_or_default();
    salts.into_iter().find(fits).unwrap_or(first)
}

fn write_anew(
    path: &Path,
    kind: &Kind,
    header: FileHeader,
    frames: &[u8],
) -> io::Result<(File, u64)> {
    let fresh = path.with_extension("new");
    let mut file = private::create_anew(&fresh)?;
    file.write_all(&header.bytes(&kind.format))?;
    file.write_all(frames)?;
    file.sync_data()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), private::sync_directory)?;
    Ok((file, (FILE_HEADER_BYTES + frames.len()) as u64))
}

fn push(bytes: &mut Vec<u8>, entry: Entry<'_>, salt: u32) -> io::Result<()> {
    let mut tag = [0; TAG_BYTES];
    tag[..8].copy_from_slice(&entry.units.to_le_bytes());
    let header = FrameHeader::of(tag, &[IoSlice::new(entry.bytes)]);
    if header.size() != entry.bytes.len() {
        return Err(io::Error::other("an entry is longer than 4 GiB"));
    }
    bytes.reserve(FRAME_HEADER_BYTES + entry.bytes.len());
    bytes.extend(header.bytes(salt));
    bytes.extend(entry.bytes);
    Ok(())
}

fn units(tag: Tag) -> u64 {
    let field = tag.first_chunk().copied().unwrap_or_default();
    u64::from_le_bytes(field)
}
