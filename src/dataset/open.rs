//! A dataset: the rows of one topic, accessed by number.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dataset::assumptions::Assumptions;
use crate::dataset::bad_rows;
use crate::dataset::columns::CellSyntax;
use crate::dataset::error::Error;
use crate::dataset::layout::{self, TopicFiles};
use crate::dataset::options::ReadOptions;
use crate::dataset::pass::{Keep, Pass, Passed, Progress, Tracker};
use crate::dataset::sample;
use crate::dataset::scan::Labels;
use crate::dataset::schema::Schema;
use crate::dataset::split::{Fields, Split};
use crate::dataset::storage::{Block, RawRow, Storage};

/// Files of up to this many bytes in total are kept in memory.
const MEMORY_BYTES: u64 = 256 << 20;

/// Identifies the datasets of this process, for [`RowBuffer`].
static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);

/// The rows of one topic, numbered through all its files in name order.
#[derive(Debug)]
pub struct Dataset {
    identity: u64,
    topic: String,
    schema: Schema,
    syntax: CellSyntax,
    labels: Labels,
    hash: u64,
    rows: u64,
    files: Vec<PathBuf>,
    assumptions: Assumptions,
    /// Bad rows that were kept.
    bad_rows: Option<File>,
    storages: Vec<Storage>,
    /// Number of the first row of each storage.
    first_rows: Vec<u64>,
}

impl Dataset {
    /// Opens the datasets at a path and reads them once, to infer types and to check every row.
    ///
    /// A file is one dataset, named after the file. A folder with files is one dataset, named after
    /// the folder; a folder of such folders is one dataset per folder. Rows of up to 256 MB in total
    /// are kept in memory; others are read on access, so that memory stays bounded. `-` is the
    /// standard input. Text that can be read only once, or is not UTF-8, goes through a temporary
    /// file if it does not fit into memory. [`BUILT_IN`](crate::dataset::BUILT_IN) opens the
    /// built-in rows.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Vec<Self>, Error> {
        Self::open_with(path, options, &mut |_progress| ())
    }

    /// Opens like [`Dataset::open`], and reports progress about every megabyte.
    pub fn open_with(
        path: &Path,
        options: &ReadOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Self>, Error> {
        Self::read(path, options, Keep::Rows(MEMORY_BYTES), progress)
    }

    /// Reads the datasets at a path once without keeping their rows, in constant memory.
    ///
    /// `progress` is called about every megabyte. [`Dataset::row`] finds no rows.
    pub fn survey(
        path: &Path,
        options: &ReadOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Self>, Error> {
        Self::read(path, options, Keep::Nothing, progress)
    }

    fn read(
        path: &Path,
        options: &ReadOptions,
        keep: Keep,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Self>, Error> {
        if sample::is_named_by(path) {
            return Ok(vec![Self::shipped(options)?]);
        }
        let layout = layout::find(path)?;
        let files = layout.topics.iter().flat_map(|topic| &topic.files);
        let mut tracker = Tracker::new(layout::size(files), progress);
        let mut keep = keep;
        let mut datasets = Vec::new();
        for topic in layout.topics {
            let mut dataset = Self::read_topic(topic, options, &mut keep, &mut tracker)?;
            if datasets.is_empty() {
                dataset
                    .assumptions
                    .ignored_files
                    .clone_from(&layout.ignored);
            }
            datasets.push(dataset);
        }
        Ok(datasets)
    }

    fn read_topic(
        topic: TopicFiles,
        options: &ReadOptions,
        keep: &mut Keep,
        tracker: &mut Tracker<'_>,
    ) -> Result<Self, Error> {
        let mut pass = Pass::new(options);
        for file in &topic.files {
            pass.read(file, keep, tracker)?;
        }
        Self::from_pass(topic.topic, topic.files, pass)
    }

    fn shipped(options: &ReadOptions) -> Result<Self, Error> {
        let mut pass = Pass::new(options);
        let file = Path::new(sample::SAMPLE_FILE);
        pass.read_built_in(file, sample::SAMPLE_CONTENT)?;
        Self::from_pass(sample::SAMPLE_TOPIC.to_owned(), vec![file.to_owned()], pass)
    }

    fn from_pass(topic: String, files: Vec<PathBuf>, pass: Pass<'_>) -> Result<Self, Error> {
        let Passed {
            scanned,
            storages,
            assumptions,
            bad_rows,
        } = pass.finish()?;
        let mut rows = 0;
        let first_rows = storages.iter().map(|storage| {
            let first = rows;
            rows += storage.rows();
            first
        });
        let first_rows = first_rows.collect();
        Ok(Self {
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
            topic,
            schema: scanned.schema,
            syntax: scanned.syntax,
            labels: scanned.labels,
            hash: scanned.hash,
            rows: scanned.rows,
            files,
            assumptions: Assumptions {
                files: assumptions,
                columns: scanned.findings,
                ..Assumptions::default()
            },
            bad_rows,
            storages,
            first_rows,
        })
    }

    /// Returns what was assumed when the files were read.
    pub fn assumptions(&self) -> &Assumptions {
        &self.assumptions
    }

    /// Writes the bad rows that `--on-bad-row dead-letter` kept, one JSON object per line.
    pub fn write_bad_rows(&self, output: &mut dyn Write) -> io::Result<()> {
        match &self.bad_rows {
            Some(file) => bad_rows::copy(file, output),
            None => Ok(()),
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

    /// Returns how cells are read.
    pub fn syntax(&self) -> &CellSyntax {
        &self.syntax
    }

    /// Returns the index of the label column: the one that the user chose, or the one named `class`
    /// if it has at most 64 distinct values.
    pub fn label_column(&self) -> Option<usize> {
        self.labels.column
    }

    /// Returns the number of rows for each value of the label column, as in documents; rows without
    /// a label count as [`MISSING_LABEL`](crate::dataset::MISSING_LABEL).
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
        let fields = buffer.split.record(raw.text, storage.delimiter());
        let fields = fields.truncated(self.schema.columns.len());
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

    /// Returns the file of the row.
    pub fn file(&self) -> &'a Path {
        self.file
    }

    /// Returns the line in the file at which the row starts, from 1. Counts lines on each call.
    pub fn line(&self) -> u64 {
        self.raw.line()
    }
}

#[cfg(test)]
mod kinds;
#[cfg(test)]
mod tests;
