//! What can be wrong with a dataset, where, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A place in a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub file: PathBuf,
    /// Line, counted from 1; of a row that spans several, the first.
    pub line: u64,
    /// Offset in bytes, counted from 0.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(f, "`{file}`, line {}, byte {}", self.line, self.byte)
    }
}

/// A dataset could not be found, read or understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path does not exist or may not be read.
    #[error("failed to open `{}`", path.display())]
    Open {
        /// What was to be opened.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file could not be read to its end.
    #[error("failed to read `{}` at byte {byte}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Offset of what was to be read.
        byte: u64,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Neither a regular file nor a folder.
    #[error("`{}` is neither a file nor a folder", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A folder without any CSV file in it or in its subfolders.
    #[error("no CSV file in `{}` or in the folders directly below it", folder.display())]
    NoCsv {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder holds CSV files beside folders of CSV files.
    #[error(
        "`{}` holds CSV files of its own and folders of CSV files such as `{}`",
        folder.display(),
        subfolder.display()
    )]
    MixedFolder {
        /// The folder.
        folder: PathBuf,
        /// One of its folders that hold CSV files.
        subfolder: PathBuf,
    },
    /// Neither the folder's nor the file's name can name a topic.
    #[error("`{}` does not give a valid topic name", path.display())]
    TopicName {
        /// The folder or file.
        path: PathBuf,
    },
    /// No byte, or only blank lines.
    #[error("`{}` is empty", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// Column names, but no row.
    #[error("`{}` has a header, but no row", file.display())]
    HeaderOnly {
        /// The file.
        file: PathBuf,
    },
    /// Two files of one topic have different columns.
    #[error(
        "column {column} is `{found}` in `{}`, but `{expected}` in `{}`",
        file.display(),
        first.display()
    )]
    HeadersDiffer {
        /// The file that differs.
        file: PathBuf,
        /// The first file of the topic.
        first: PathBuf,
        /// Where they differ, counted from 1.
        column: usize,
        /// Name in the first file; empty if it has fewer columns.
        expected: String,
        /// Name in the file that differs; empty if it has fewer columns.
        found: String,
    },
    /// A column without a name.
    #[error("{position}: column {column} has no name")]
    EmptyColumnName {
        /// Where the header is.
        position: Position,
        /// The column, counted from 1.
        column: usize,
    },
    /// Two columns of the same name.
    #[error("{position}: columns {first} and {second} are both named `{name}`")]
    DuplicateColumnName {
        /// Where the header is.
        position: Position,
        /// The name.
        name: String,
        /// The first of them, counted from 1.
        first: usize,
        /// The second of them, counted from 1.
        second: usize,
    },
    /// A column name with a line end or another control character in it.
    #[error("{position}: the name of column {column} contains a control character")]
    ControlInColumnName {
        /// Where the header is.
        position: Position,
        /// The column, counted from 1.
        column: usize,
    },
    /// A column name that cannot name a field of the stored documents.
    #[error("column `{name}` {reason}")]
    FieldName {
        /// The name.
        name: String,
        /// Why not, as the end of a sentence.
        reason: &'static str,
    },
    /// More columns than the cap.
    #[error("{position}: more than {limit} columns")]
    TooManyColumns {
        /// Where the row is.
        position: Position,
        /// The cap.
        limit: usize,
    },
    /// A row of more bytes than the budget.
    #[error("{position}: the row is longer than {limit} bytes")]
    RowTooLong {
        /// Where the row starts.
        position: Position,
        /// The budget.
        limit: usize,
    },
    /// A row with more or fewer fields than the header.
    #[error("{position}: the row has {found} fields, but the header has {expected}")]
    Ragged {
        /// Where the row starts.
        position: Position,
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
    /// A row that is not UTF-8.
    #[error("{position}: the row is not valid UTF-8")]
    InvalidUtf8 {
        /// Line of the row and the first byte that is wrong.
        position: Position,
    },
    /// A quoted field that the file's end leaves open.
    #[error("{position}: a quoted field is not closed before the end of the file")]
    UnclosedQuote {
        /// Where the row starts.
        position: Position,
    },
    /// A file is no longer what it was when the dataset was opened.
    #[error("`{}` changed while it was being read, near byte {byte}", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
        /// Near which offset that was noticed.
        byte: u64,
    },
    /// A row number beyond the last row.
    #[error("row {index} was asked for, but the dataset has {rows}")]
    NoSuchRow {
        /// What was asked for, counted from 0.
        index: u64,
        /// Number of rows.
        rows: u64,
    },
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the path given to `--dataset`, or make rows with `convoy dataset generate`"
            }
            Self::Open { .. } | Self::Read { .. } => "check the permissions and the disk",
            Self::NotAFile { .. } => "give `--dataset` a CSV file or a folder",
            Self::NoCsv { .. } => {
                "put the CSV files into the folder, or into one folder per topic below it"
            }
            Self::MixedFolder { .. } => {
                "move the files into a folder of their own, or name one folder with `--dataset`"
            }
            Self::TopicName { .. } => {
                "rename the folder: a topic name has 1 to 249 letters, digits, `.`, `_` or `-`"
            }
            Self::Empty { .. } | Self::HeaderOnly { .. } => {
                "a dataset needs a header and at least one row; `convoy dataset generate` makes one"
            }
            Self::HeadersDiffer { .. } => {
                "all files of one topic folder need the same columns in the same order"
            }
            Self::EmptyColumnName { .. } => "name every column in the header",
            Self::DuplicateColumnName { .. } => "give every column a name of its own",
            Self::ControlInColumnName { .. } => {
                "end lines with LF or CRLF; a lone carriage return does not end a line"
            }
            Self::FieldName { .. } => "rename the column in the header",
            Self::TooManyColumns { .. } => "check that the delimiter is a comma",
            Self::RowTooLong { .. } => "look for a quote that is opened and not closed",
            Self::Ragged { .. } => {
                "the file may be cut off there, or a field with a comma lacks its quotes"
            }
            Self::InvalidUtf8 { .. } => {
                "the file may be cut off there, or in another encoding: convert it to UTF-8"
            }
            Self::UnclosedQuote { .. } => "the file may be cut off there, or lacks a quote",
            Self::Changed { .. } => "leave the file alone while convoy reads it",
            Self::NoSuchRow { .. } => "this is a bug in convoy, please report it",
        }
    }

    pub(super) fn open(path: &Path, source: io::Error) -> Self {
        Self::Open {
            path: path.to_owned(),
            source,
        }
    }
}
