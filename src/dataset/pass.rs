//! The pass over the files of a topic: checks every row, infers types, and keeps the rows.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::dataset::assumptions::FileAssumptions;
use crate::dataset::bad_rows::BadRowFile;
use crate::dataset::error::Error;
use crate::dataset::options::{OnBadRow, ReadOptions};
use crate::dataset::origin::Origin;
use crate::dataset::reader::Reader;
use crate::dataset::scan::{Scan, Scanned};
use crate::dataset::source::Source;
use crate::dataset::spool::Spool;
use crate::dataset::storage::{Builder, Storage};

/// Rows between two looks at the progress.
const ROWS_PER_LOOK: u64 = 256;

/// Bytes between two reports of progress.
const BYTES_PER_REPORT: u64 = 1 << 20;

/// How far a pass over the files of a dataset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read from all files, before decompression.
    pub bytes: u64,
    /// Size of all files; `None` if one of them is a pipe.
    pub total_bytes: Option<u64>,
    /// Rows so far.
    pub rows: u64,
}

/// What a pass keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// The rows, this many bytes of them in memory.
    Rows(u64),
    /// Only what it found.
    Nothing,
}

/// Result of a pass.
pub(super) struct Passed {
    pub(super) scanned: Scanned,
    pub(super) storages: Vec<Storage>,
    pub(super) assumptions: Vec<FileAssumptions>,
    pub(super) bad_rows: Option<File>,
}

/// One pass over the files of a topic.
pub(super) struct Pass<'a> {
    options: &'a ReadOptions,
    started: Option<Started>,
    storages: Vec<Storage>,
    assumptions: Vec<FileAssumptions>,
    bad_rows: Option<BadRowFile>,
}

/// A pass after the first header.
struct Started {
    /// First file and its header, which all other files must have.
    first: PathBuf,
    header: Vec<String>,
    scan: Scan,
}

impl<'a> Pass<'a> {
    pub(super) fn new(options: &'a ReadOptions) -> Self {
        Self {
            options,
            started: None,
            storages: Vec::new(),
            assumptions: Vec::new(),
            bad_rows: None,
        }
    }

    /// Reads a file; lowers the memory that is left in `keep`.
    pub(super) fn read(
        &mut self,
        path: &Path,
        keep: &mut Keep,
        tracker: &mut Tracker<'_>,
    ) -> Result<(), Error> {
        let source = Source::open(path, self.options.encoding)?;
        self.read_source(path, source, keep, tracker)
    }

    /// Reads rows that are built in, and keeps them in memory.
    pub(super) fn read_built_in(
        &mut self,
        path: &Path,
        content: &'static [u8],
    ) -> Result<(), Error> {
        let source = Source::new(path, Box::new(content), None)?;
        let mut keep = Keep::Rows(content.len() as u64);
        let mut silent = |_progress| ();
        self.read_source(
            path,
            source,
            &mut keep,
            &mut Tracker::new(None, &mut silent),
        )
    }

    pub(super) fn finish(self) -> Result<Passed, Error> {
        let bad_rows = self.bad_rows.map(BadRowFile::finish).transpose();
        let none = || Scan::new(Path::new(""), &[], self.options);
        let scan = self.started.map_or_else(none, |started| Ok(started.scan))?;
        Ok(Passed {
            scanned: scan.finish()?,
            storages: self.storages,
            assumptions: self.assumptions,
            bad_rows: bad_rows.map_err(|source| spool_error(Path::new("bad rows"), source))?,
        })
    }

    fn read_source(
        &mut self,
        path: &Path,
        source: Source,
        keep: &mut Keep,
        tracker: &mut Tracker<'_>,
    ) -> Result<(), Error> {
        let Source {
            text,
            compression,
            encoding,
            plain,
            read,
        } = source;
        let length = plain.as_ref().and_then(|file| file.metadata().ok());
        let memory = match *keep {
            // A file that does not fit need not be copied until there is no room.
            Keep::Rows(memory) if length.is_some_and(|file| file.len() > memory) => 0,
            Keep::Rows(memory) => memory,
            Keep::Nothing => 0,
        };
        let once = plain.is_none() && *keep != Keep::Nothing;
        let text = Spool::new(text, once);
        let origin = Origin {
            compression,
            encoding,
        };
        let mut reader = Reader::with_origin(path, text, self.options, origin)?;
        self.start(path, reader.names())?;
        let mut places = (*keep != Keep::Nothing).then(|| Builder::new(memory));
        self.read_rows(path, &mut reader, &mut places, |rows| {
            tracker.see(read.get(), rows);
        })?;
        tracker.finish_file(read.get());
        let end = reader.next_byte();
        let dialect = reader.dialect().clone();
        if let Some(places) = places {
            let file = path.to_owned();
            let storage = match (places.memory_bytes(), plain) {
                (Some(used), _) => {
                    *keep = Keep::Rows(memory - used.min(memory));
                    places.in_memory(file, dialect)
                }
                (None, Some(plain)) => places.in_file(file, dialect, plain, end),
                (None, None) => {
                    let kept = reader.input().take_file();
                    let kept = kept.and_then(|kept| kept.ok_or(io::ErrorKind::NotFound.into()));
                    let kept = kept.map_err(|source| spool_error(path, source))?;
                    places.in_file(file, dialect, kept, end)
                }
            };
            self.storages.push(storage);
        }
        self.assumptions.push(reader.into_assumptions());
        Ok(())
    }

    /// Starts the rows of a file with this header.
    fn start(&mut self, file: &Path, header: &[String]) -> Result<(), Error> {
        let started = match self.started.take() {
            Some(started) => {
                check_same(&started.first, &started.header, file, header)?;
                started
            }
            None => Started {
                first: file.to_owned(),
                header: header.to_owned(),
                scan: Scan::new(file, header, self.options)?,
            },
        };
        self.started.insert(started).scan.start_file(file);
        Ok(())
    }

    /// Reads all rows.
    fn read_rows(
        &mut self,
        path: &Path,
        reader: &mut Reader<impl Read>,
        places: &mut Option<Builder>,
        mut look: impl FnMut(u64),
    ) -> Result<(), Error> {
        let keep_bad = self.options.on_bad_row == OnBadRow::DeadLetter && places.is_some();
        if keep_bad && self.bad_rows.is_none() {
            let file = BadRowFile::create();
            self.bad_rows = Some(file.map_err(|source| spool_error(path, source))?);
        }
        let mut rows = 0;
        let mut failed = None;
        let bad_rows = &mut self.bad_rows;
        let mut visit_bad = |bad: &_, row: &[u8]| {
            let kept = bad_rows
                .as_mut()
                .map_or(Ok(()), |file| file.put(path, bad, row));
            failed = failed.take().or(kept.err());
        };
        while let Some(row) = reader.next_row(&mut visit_bad)? {
            if let Some(started) = &mut self.started {
                started.scan.see(&row.fields, row.line);
            }
            if let Some(places) = places {
                places.row(&row);
            }
            rows += 1;
            if rows % ROWS_PER_LOOK == 0 {
                look(rows);
            }
            remember(path, reader, places)?;
        }
        remember(path, reader, places)?;
        if let Some(source) = failed {
            return Err(spool_error(path, source));
        }
        if rows > 0 {
            return Ok(());
        }
        let assumed = reader.assumptions();
        let file = path.to_owned();
        Err(match assumed.bad_rows.first() {
            Some(first) => Error::OnlyBadRows {
                file,
                bad_rows: assumed.skipped.bad_rows,
                line: first.line,
                defect: first.reason.clone(),
            },
            None => Error::HeaderOnly { file },
        })
    }
}

/// Notes the places that the reader left out.
fn remember(
    path: &Path,
    reader: &mut Reader<impl Read>,
    places: &mut Option<Builder>,
) -> Result<(), Error> {
    for place in reader.take_left_out() {
        let noted = places.as_mut().is_none_or(|places| places.leave_out(place));
        if !noted {
            return Err(Error::TooManyBadRows {
                file: path.to_owned(),
                limit: Builder::MAX_LEFT_OUT,
            });
        }
    }
    Ok(())
}

fn spool_error(file: &Path, source: io::Error) -> Error {
    Error::Spool {
        file: file.to_owned(),
        directory: std::env::temp_dir(),
        source,
    }
}

fn check_same(
    first: &Path,
    expected: &[String],
    file: &Path,
    found: &[String],
) -> Result<(), Error> {
    let columns = expected.len().max(found.len());
    for index in 0..columns {
        let (expected, found) = (expected.get(index), found.get(index));
        if expected != found {
            return Err(Error::HeadersDiffer {
                file: file.to_owned(),
                first: first.to_owned(),
                column: index + 1,
                expected: expected.cloned().unwrap_or_default(),
                found: found.cloned().unwrap_or_default(),
            });
        }
    }
    Ok(())
}

/// Reports the progress through all files.
pub(super) struct Tracker<'a> {
    /// Bytes and rows of the files before the current one.
    before: Progress,
    reported: u64,
    rows: u64,
    report: &'a mut dyn FnMut(Progress),
}

impl<'a> Tracker<'a> {
    pub(super) fn new(total_bytes: Option<u64>, report: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            before: Progress {
                bytes: 0,
                total_bytes,
                rows: 0,
            },
            reported: 0,
            rows: 0,
            report,
        }
    }

    fn see(&mut self, bytes: u64, rows: u64) {
        self.rows = rows;
        let bytes = self.before.bytes + bytes;
        if bytes >= self.reported + BYTES_PER_REPORT {
            self.reported = bytes;
            (self.report)(Progress {
                bytes,
                rows: self.before.rows + rows,
                ..self.before
            });
        }
    }

    fn finish_file(&mut self, bytes: u64) {
        self.before.bytes += bytes;
        self.before.rows += std::mem::take(&mut self.rows);
    }
}
