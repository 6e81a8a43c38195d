//! Errors of datasets, with their position and a hint.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A position in a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Path of the file.
    pub file: PathBuf,
    /// Line from 1; the first line of a row that spans several.
    pub line: u64,
    /// Offset in bytes, from 0.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(f, "`{file}`, line {}, byte {}", self.line, self.byte)
    }
}

/// A dataset could not be found, read or parsed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path does not exist or is not readable.
    #[error("failed to open `{}`", path.display())]
    Open {
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A file could not be read to its end.
    #[error("failed to read `{}` at byte {byte}", file.display())]
    Read {
        /// Path of the file.
        file: PathBuf,
        /// Offset of the failed read.
        byte: u64,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The path is neither a regular file nor a folder.
    #[error("`{}` is neither a file nor a folder", path.display())]
    NotAFile {
        /// Path of the dataset.
        path: PathBuf,
    },
    /// Neither a folder nor its direct subfolders contain a CSV file.
    #[error("`{}` and its direct subfolders do not contain a CSV file", folder.display())]
    NoCsv {
        /// Path of the folder.
        folder: PathBuf,
    },
    /// A folder contains both CSV files and folders of CSV files.
    #[error(
        "`{}` contains both CSV files and subfolders with CSV files, such as `{}`",
        folder.display(),
        subfolder.display()
    )]
    MixedFolder {
        /// Path of the folder.
        folder: PathBuf,
        /// A subfolder with CSV files.
        subfolder: PathBuf,
    },
    /// Neither the name of the folder nor that of the file is a valid topic name.
    #[error("the name of `{}` is not a valid topic name", path.display())]
    TopicName {
        /// Path of the folder or file.
        path: PathBuf,
    },
    /// A file has only blank lines.
    #[error("`{}` is empty", file.display())]
    Empty {
        /// Path of the file.
        file: PathBuf,
    },
    /// A file has a header and no rows.
    #[error("`{}` has a header, but no rows", file.display())]
    HeaderOnly {
        /// Path of the file.
        file: PathBuf,
    },
    /// Two files of one topic have different columns.
    #[error(
        "column {column} is `{found}` in `{}`, but `{expected}` in `{}`",
        file.display(),
        first.display()
    )]
    HeadersDiffer {
        /// Path of the file that differs.
        file: PathBuf,
        /// Path of the topic's first file.
        first: PathBuf,
        /// First column that differs, from 1.
        column: usize,
        /// Name in the first file; empty if the file has fewer columns.
        expected: String,
        /// Name in the file that differs; empty if the file has fewer columns.
        found: String,
    },
    /// A column has no name.
    #[error("{position}: column {column} has no name")]
    EmptyColumnName {
        /// Position of the header.
        position: Position,
        /// Number of the column, from 1.
        column: usize,
    },
    /// Two columns have the same name.
    #[error("{position}: columns {first} and {second} are both named `{name}`")]
    DuplicateColumnName {
        /// Position of the header.
        position: Position,
        /// Name of both columns.
        name: String,
        /// Number of the first column, from 1.
        first: usize,
        /// Number of the second column, from 1.
        second: usize,
    },
    /// The name of a column contains a line end or another control character.
    #[error("{position}: the name of column {column} contains a control character")]
    ControlInColumnName {
        /// Position of the header.
        position: Position,
        /// Number of the column, from 1.
        column: usize,
    },
    /// The name of a column is not a valid field name.
    #[error("column `{name}` {reason}")]
    FieldName {
        /// Name of the column.
        name: String,
        /// The reason, as the end of a sentence.
        reason: &'static str,
    },
    /// The header has too many columns.
    #[error("{position}: the header has more than {limit} columns")]
    TooManyColumns {
        /// Position of the header.
        position: Position,
        /// Maximum number of columns.
        limit: usize,
    },
    /// A row is too long.
    #[error("{position}: the row is longer than {limit} bytes")]
    RowTooLong {
        /// Position of the row.
        position: Position,
        /// Maximum length in bytes.
        limit: usize,
    },
    /// A row has more or fewer fields than the header.
    #[error("{position}: expected {expected} fields as in the header, found {found}")]
    Ragged {
        /// Position of the row.
        position: Position,
        /// Number of fields of the header.
        expected: usize,
        /// Number of fields of the row.
        found: usize,
    },
    /// A row is not UTF-8.
    #[error("{position}: the row is not valid UTF-8")]
    InvalidUtf8 {
        /// Line of the row and offset of the first invalid byte.
        position: Position,
    },
    /// A quoted field is not closed.
    #[error("{position}: a quoted field is not closed before the end of the file")]
    UnclosedQuote {
        /// Position of the row.
        position: Position,
    },
    /// A file changed after the dataset was opened.
    #[error("`{}` changed while convoy read it, near byte {byte}", file.display())]
    Changed {
        /// Path of the file.
        file: PathBuf,
        /// Approximate offset of the change.
        byte: u64,
    },
    /// A row number is too high.
    #[error("row {index} does not exist (the dataset has {rows} rows, counted from 0)")]
    NoSuchRow {
        /// Number of the row, from 0.
        index: u64,
        /// Number of rows.
        rows: u64,
    },
}

impl Error {
    /// Returns the hint for the user.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the path of `--dataset`, or create rows with `convoy dataset generate`"
            }
            Self::Open { .. } | Self::Read { .. } => {
                "check the permissions of the file and the disk"
            }
            Self::NotAFile { .. } => "pass a CSV file or a folder to `--dataset`",
            Self::NoCsv { .. } => {
                "put the CSV files into the folder, or into one subfolder per topic"
            }
            Self::MixedFolder { .. } => {
                "move the files into a subfolder, or pass one subfolder to `--dataset`"
            }
            Self::TopicName { .. } => {
                "rename it: a topic name has 1 to 249 letters, digits, `.`, `_` or `-`"
            }
            Self::Empty { .. } | Self::HeaderOnly { .. } => {
                "add a header and at least one row, or create rows with `convoy dataset generate`"
            }
            Self::HeadersDiffer { .. } => {
                "give all files of one topic folder the same columns in the same order"
            }
            Self::EmptyColumnName { .. } => "name every column in the header",
            Self::DuplicateColumnName { .. } => "give every column a different name",
            Self::ControlInColumnName { .. } => {
                "end lines with LF or CRLF; a lone carriage return does not end a line"
            }
            Self::FieldName { .. } => "rename the column in the header",
            Self::TooManyColumns { .. } => "check that the delimiter is a comma",
            Self::RowTooLong { .. } => "check the row for a quote that is not closed",
            Self::Ragged { .. } => {
                "check whether the file is truncated, or a field with a comma is not quoted"
            }
            Self::InvalidUtf8 { .. } => {
                "convert the file to UTF-8, and check whether it is truncated"
            }
            Self::UnclosedQuote { .. } => {
                "check whether the file is truncated, or a quote is missing"
            }
            Self::Changed { .. } => "do not change the file while convoy reads it",
            Self::NoSuchRow { .. } => "report this bug in convoy",
        }
    }

    pub(super) fn open(path: &Path, source: io::Error) -> Self {
        Self::Open {
            path: path.to_owned(),
            source,
        }
    }
}
