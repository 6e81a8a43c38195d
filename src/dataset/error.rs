//! Errors of datasets, with their position and a hint.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::dataset::options::Rename;

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
    /// A new name is for a column that does not exist.
    #[error("`{}` has no column `{}`, which `--rename {}={}` names{}", file.display(), rename.from, rename.from, rename.to, did_you_mean(similar.as_deref()))]
    RenameUnknown {
        /// Path of the file.
        file: PathBuf,
        /// The new name.
        rename: Rename,
        /// A column with a similar name.
        similar: Option<String>,
    },
    /// No field can have a new name.
    #[error("`--rename {}={}` gives a name that no field can have: {reason}", rename.from, rename.to)]
    RenameTarget {
        /// The new name.
        rename: Rename,
        /// The reason, as a sentence.
        reason: &'static str,
    },
    /// Another column has a new name.
    #[error("`--rename {}={}` gives the name of column {column} in `{}`", rename.from, rename.to, file.display())]
    RenameTaken {
        /// Path of the file.
        file: PathBuf,
        /// The new name.
        rename: Rename,
        /// Number of the other column, from 1.
        column: usize,
    },
    /// The label column does not exist.
    #[error("`{}` has no column `{label}`, which `--label` names{}", file.display(), did_you_mean(similar.as_deref()))]
    NoLabelColumn {
        /// Path of the file.
        file: PathBuf,
        /// Name of the column.
        label: String,
        /// A column with a similar name.
        similar: Option<String>,
    },
    /// The label column has too many values.
    #[error("the column of `--label` has more than {limit} distinct values")]
    TooManyLabels {
        /// Maximum number of values.
        limit: usize,
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
            Self::RenameUnknown { .. } | Self::NoLabelColumn { .. } => {
                "run `convoy dataset inspect`, which lists the columns"
            }
            Self::RenameTarget { .. } => "give another name",
            Self::RenameTaken { .. } => "give another name, or rename the other column as well",
            Self::TooManyLabels { .. } => "name a column of few categories",
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

fn did_you_mean(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
