//! What convoy took for granted about a dataset, from options or from evidence in its files.

use std::path::PathBuf;

use serde::Serialize;

use crate::dataset::columns::Findings;
use crate::dataset::options::{Delimiter, TextEncoding};
use crate::string_enum::string_enum;

/// What was assumed when a dataset was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Assumptions {
    /// One entry per file, in the order of their rows.
    pub files: Vec<FileAssumptions>,
    /// Files of the folder that are not data files by their name.
    pub ignored_files: Vec<PathBuf>,
    /// Types, values and names of the columns.
    #[serde(flatten)]
    pub columns: Findings,
}

string_enum! {
    /// Where an assumption comes from.
    Basis {
        /// An option of the user.
        Option = "option",
        /// A byte order mark, a `sep=` line or magic bytes.
        Mark = "mark",
        /// The content of the first rows.
        Evidence = "evidence",
        /// Neither an option nor evidence.
        Default = "default",
    }
}

string_enum! {
    /// Compression of a file.
    Compression {
        /// As it is.
        None = "none",
        /// Gzip.
        Gzip = "gzip",
        /// Zstandard.
        Zstd = "zstd",
    }
}

/// A value, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Assumed<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub basis: Basis,
}

/// What was assumed when a file was read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileAssumptions {
    /// Path of the file.
    pub file: PathBuf,
    /// Compression, found by its magic bytes.
    pub compression: Compression,
    /// Encoding of the text.
    pub encoding: Assumed<TextEncoding>,
    /// `None` if the file has one column.
    pub delimiter: Assumed<Option<Delimiter>>,
    /// Line of the header, from 1; `None` if there is none, and columns are numbered.
    pub header_line: Assumed<Option<u64>>,
    /// Whether lines end with a carriage return alone.
    pub carriage_returns: bool,
    /// Whether rows end with a delimiter that starts no column.
    pub trailing_delimiter: bool,
    /// Lines and rows that are not in the dataset.
    pub skipped: Skipped,
    /// The first bad rows, at most [`FileAssumptions::NAMED_BAD_ROWS`].
    pub bad_rows: Vec<BadRow>,
}

impl FileAssumptions {
    /// Maximum number of bad rows that are named.
    pub const NAMED_BAD_ROWS: usize = 10;
}

/// Lines and rows of a file that are not in the dataset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Lines before the header: those of `--skip-rows`, a licence text, a `sep=` line.
    pub lines_before_header: u64,
    /// Blank lines, also those of spaces.
    pub blank_lines: u64,
    /// Lines that start with the text of `--comment`.
    pub comment_lines: u64,
    /// Rows that repeat the header.
    pub repeated_headers: u64,
    /// Rows of units after the header.
    pub unit_rows: u64,
    /// Rows that `--on-bad-row` left out.
    pub bad_rows: u64,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadRow {
    /// Line of its start, from 1.
    pub line: u64,
    /// Offset of its first byte.
    pub byte: u64,
    /// Cause, as a clause: `expected 3 fields as in the header, found 2`.
    pub reason: String,
    /// Start of its text, with invalid bytes replaced; at most 200 bytes.
    pub text: String,
}

impl Assumptions {
    /// Returns the number of rows that `--on-bad-row` left out.
    pub fn bad_rows(&self) -> u64 {
        self.files.iter().map(|file| file.skipped.bad_rows).sum()
    }
}
