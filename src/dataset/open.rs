//! A dataset: the rows of one topic, accessed by number.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dataset::error::Error;
use crate::dataset::layout::{self, TopicFiles};
use crate::dataset::reader::Reader;
use crate::dataset::sample;
use crate::dataset::scan::{Labels, Scan};
use crate::dataset::schema::{Schema, Value};
use crate::dataset::split::{Fields, Split};
use crate::dataset::storage::{Block, Builder, RawRow, Storage};

/// Files of up to this many bytes in total are kept in memory.
const MEMORY_BYTES: u64 = 256 << 20;

/// Buffer size for scanning a file.
const SCAN_BUFFER: usize = 256 << 10;

/// Identifies the datasets of this process, for [`RowBuffer`].
static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);

/// The rows of one topic, numbered through all its files in name order.
#[derive(Debug)]
pub struct Dataset {
    identity: u64,
    topic: String,
    schema: Schema,
    labels: Labels,
    hash: u64,
    rows: u64,
    files: Vec<PathBuf>,
    storages: Vec<Storage>,
    /// Number of the first row of each storage.
    first_rows: Vec<u64>,
}

impl Dataset {
    /// Opens the datasets at a path and reads them once, to infer types and to check every row.
    ///
    /// A CSV file is one dataset, named after its folder, or after the file if the folder's name is
    /// not a valid topic name. A folder with CSV files is one dataset; a folder of such folders is
    /// one dataset per folder. Files of up to 256 MB in total are kept in memory; larger ones are
    /// read on access, so that memory stays bounded. [`BUILT_IN`](crate::dataset::BUILT_IN)
    /// opens the built-in rows.
    pub fn open(path: &Path) -> Result<Vec<Self>, Error> {
        if sample::is_named_by(path) {
            return Ok(vec![Self::shipped()?]);
        }
        Self::open_within(path, MEMORY_BYTES)
    }

    fn shipped() -> Result<Self, Error> {
        let mut pass = Pass::new();
        let storage = pass.keep(
            Path::new(sample::SAMPLE_FILE),
            sample::SAMPLE_CONTENT.to_vec(),
        )?;
        Ok(Self::from_pass(
            sample::SAMPLE_TOPIC.to_owned(),
            pass,
            vec![storage],
        ))
    }

    fn open_within(path: &Path, memory: u64) -> Result<Vec<Self>, Error> {
        let topics = layout::find(path)?;
        let mut bytes = 0;
        for file in topics.iter().flat_map(|topic| &topic.files) {
            let found = std::fs::metadata(file).map_err(|source| Error::open(file, source))?;
            bytes += found.len();
        }
        let open_topic = |files| Self::open_topic(files, bytes <= memory);
        topics.into_iter().map(open_topic).collect()
    }

    fn open_topic(topic: TopicFiles, in_memory: bool) -> Result<Self, Error> {
        let TopicFiles { topic, files } = topic;
        let mut pass = Pass::new();
        let storages = files.iter().map(|file| pass.read(file, in_memory));
        let storages = storages.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::from_pass(topic, pass, storages))
    }

    fn from_pass(topic: String, pass: Pass, storages: Vec<Storage>) -> Self {
        let mut rows = 0;
        let first_rows = storages.iter().map(|storage| {
            let first = rows;
            rows += storage.rows();
            first
        });
        let first_rows = first_rows.collect();
        let scanned = pass.scan.finish();
        Self {
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
            topic,
            schema: scanned.schema,
            labels: scanned.labels,
            hash: scanned.hash,
            rows: scanned.rows,
            files: storages.iter().map(|it| it.path.clone()).collect(),
            storages,
            first_rows,
        }
    }

    /// Returns the topic of the rows.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the columns.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Returns the number of rows; at least one.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the hash (XXH3, 64 bits) of the header and the rows.
    ///
    /// It does not depend on quoting, line ends or the split into files.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns the files in the order of their rows.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns the index of the column `class` if it is text with at most 64 distinct values.
    pub fn label_column(&self) -> Option<usize> {
        self.labels.column
    }

    /// Returns the number of rows for each value of the label column, missing values included.
    pub fn labels(&self) -> &BTreeMap<String, u64> {
        &self.labels.rows
    }

    /// Returns a row by its number, from 0. Does not allocate once the buffer has grown.
    pub fn row<'a>(&'a self, index: u64, buffer: &'a mut RowBuffer) -> Result<Row<'a>, Error> {
        let number = self.first_rows.partition_point(|&first| first <= index);
        let number = number.saturating_sub(1);
        let (Some(storage), Some(first)) = (self.storages.get(number), self.first_rows.get(number))
        else {
            return Err(self.no_such_row(index));
        };
        if index >= self.rows {
            return Err(self.no_such_row(index));
        }
        if buffer.source != (self.identity, number) {
            buffer.source = (self.identity, number);
            buffer.block.clear();
        }
        let raw = storage.row(index - first, &mut buffer.block)?;
        let fields = buffer.split.record(raw.text);
        let file = storage.path.as_path();
        Ok(Row { fields, raw, file })
    }

    fn no_such_row(&self, index: u64) -> Error {
        let rows = self.rows;
        Error::NoSuchRow { index, rows }
    }
}

/// Reusable buffer for [`Dataset::row`]; one per thread.
#[derive(Debug, Default)]
pub struct RowBuffer {
    /// Identity of the dataset and number of the storage of `block`.
    source: (u64, usize),
    block: Block,
    split: Split,
}

/// One row of a dataset.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    fields: Fields<'a>,
    raw: RawRow<'a>,
    file: &'a Path,
}

impl<'a> Row<'a> {
    /// Returns the text of every field in column order, unquoted.
    pub fn fields(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.fields.iter()
    }

    /// Returns the text of the field of a column; empty if there is no such column.
    pub fn field(&self, column: usize) -> &'a str {
        self.fields.get(column)
    }

    /// Returns the typed value of a column; missing if there is no such column.
    pub fn value(&self, column: usize, schema: &Schema) -> Value<'a> {
        let kind = schema.columns.get(column).map(|column| column.kind);
        kind.map_or(Value::Missing, |kind| {
            Value::new(self.fields.get(column), kind)
        })
    }

    /// Returns the file of the row.
    pub fn file(&self) -> &'a Path {
        self.file
    }

    /// Returns the line in the file at which the row starts, from 1. Counts lines on each call.
    pub fn line(&self) -> u64 {
        let ends = self.raw.before.iter().filter(|&&byte| byte == b'\n');
        self.raw.line + ends.count() as u64
    }
}

/// One pass over the files of a topic.
struct Pass {
    /// First file and its column names, which all other files must have.
    first: Option<(PathBuf, Vec<String>)>,
    scan: Scan,
}

impl Pass {
    fn new() -> Self {
        Self {
            first: None,
            scan: Scan::new(&[]),
        }
    }

    fn read(&mut self, path: &Path, in_memory: bool) -> Result<Storage, Error> {
        let file = File::open(path).map_err(|source| Error::open(path, source))?;
        if in_memory {
            let mut bytes = Vec::new();
            (&file)
                .take(MEMORY_BYTES)
                .read_to_end(&mut bytes)
                .map_err(|source| Error::Read {
                    file: path.to_owned(),
                    byte: bytes.len() as u64,
                    source,
                })?;
            return self.keep(path, bytes);
        }
        let mut places = Builder::new(false);
        let input = BufReader::with_capacity(SCAN_BUFFER, &file);
        let end = self.read_rows(path, input, &mut places)?;
        Ok(places.in_file(path.to_owned(), file, end))
    }

    /// Reads the rows of a file and keeps its content in memory.
    fn keep(&mut self, path: &Path, content: Vec<u8>) -> Result<Storage, Error> {
        let mut places = Builder::new(true);
        self.read_rows(path, content.as_slice(), &mut places)?;
        places.in_memory(path.to_owned(), content)
    }

    /// Reads all rows and returns the offset of the end.
    fn read_rows(
        &mut self,
        path: &Path,
        input: impl BufRead,
        places: &mut Builder,
    ) -> Result<u64, Error> {
        let mut reader = Reader::new(path, input)?;
        if let Some((first, names)) = &self.first {
            check_same(first, names, path, reader.names())?;
        } else {
            self.scan = Scan::new(reader.names());
            self.first = Some((path.to_owned(), reader.names().to_vec()));
        }
        while let Some(row) = reader.next_row()? {
            places.row(row.byte, row.line);
            self.scan.see(&row.fields);
        }
        if places.rows() == 0 {
            let file = path.to_owned();
            return Err(Error::HeaderOnly { file });
        }
        Ok(reader.next_byte())
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

#[cfg(test)]
mod tests;
