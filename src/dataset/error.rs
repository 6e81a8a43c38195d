//! Errors of datasets, with their position and a hint.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::dataset::assumptions::Compression;
use crate::dataset::defect::Defect;
use crate::dataset::options::{Delimiter, Rename, TextEncoding};
use crate::string_enum::string_enum;

/// A position in a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Path of the file.
    pub file: PathBuf,
    /// Line from 1; the first line of a row that spans several.
    pub line: u64,
    /// Offset in bytes, from 0.
    pub byte: u64,
    /// Whether `byte` counts in the text after decompression and decoding to UTF-8.
    pub decoded: bool,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(f, "`{file}`, line {}, byte {}", self.line, self.byte)?;
        if self.decoded {
            f.write_str(" of the decoded text")?;
        }
        Ok(())
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
    /// The standard input is a terminal.
    #[error("`-` reads from stdin, which is a terminal")]
    Terminal,
    /// Two folders have the same topic.
    #[error("`{}` and `{}` have the same topic, `{topic}`", first.display(), second.display())]
    DuplicateTopic {
        /// Topic of both.
        topic: String,
        /// Path of the first folder.
        first: PathBuf,
        /// Path of the second folder.
        second: PathBuf,
    },
    /// A file is not text.
    #[error("`{}` is not a CSV file, but {kind}", file.display())]
    NotText {
        /// Path of the file.
        file: PathBuf,
        /// What it is.
        kind: Binary,
    },
    /// A file is UTF-16 without a byte order mark.
    #[error("`{}` looks like {encoding}, but has no byte order mark", file.display())]
    Utf16WithoutMark {
        /// Path of the file.
        file: PathBuf,
        /// Encoding that it looks like.
        encoding: TextEncoding,
    },
    /// A file does not have its encoding.
    #[error("`{}`, byte {byte}: not valid {encoding}", file.display())]
    Malformed {
        /// Path of the file.
        file: PathBuf,
        /// Offset of the invalid byte, after decompression.
        byte: u64,
        /// Encoding by the option or the byte order mark.
        encoding: TextEncoding,
    },
    /// A compressed file is damaged or cut.
    #[error("failed to decompress `{}` ({compression})", file.display())]
    Decompress {
        /// Path of the file.
        file: PathBuf,
        /// Compression by the magic bytes.
        compression: Compression,
        /// Error of the decoder.
        #[source]
        source: io::Error,
    },
    /// Rows that can be read only once could not be kept.
    #[error("failed to keep the rows of `{}` in a temporary file in `{}`", file.display(), directory.display())]
    Spool {
        /// Path of the file.
        file: PathBuf,
        /// Directory of the temporary file.
        directory: PathBuf,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// Blanks may be the delimiter.
    #[error("`{}` has one column, or blanks between its columns", file.display())]
    BlanksAsDelimiter {
        /// Path of the file.
        file: PathBuf,
    },
    /// More than one delimiter fits.
    #[error("`{}` can be split by `{first}` and by `{second}`", file.display())]
    AmbiguousDelimiter {
        /// Path of the file.
        file: PathBuf,
        /// A delimiter that fits.
        first: Delimiter,
        /// Another one.
        second: Delimiter,
    },
    /// The header looks like data.
    #[error("{position}: the header looks like data: {evidence}")]
    HeaderLooksLikeData {
        /// Position of the header.
        position: Position,
        /// What it looks like.
        evidence: String,
    },
    /// The first line looks like a comment.
    #[error(
        "{position}: the first line starts with `{mark}`, so it may be a comment or the header"
    )]
    HeaderLooksLikeComment {
        /// Position of the line.
        position: Position,
        /// Its first characters.
        mark: &'static str,
    },
    /// A row repeats the header.
    #[error("{position}: the row repeats the header")]
    RepeatedHeader {
        /// Position of the row.
        position: Position,
    },
    /// The first row has texts where the others have numbers.
    #[error("{position}: the row looks like units or a second header: {evidence}")]
    UnitsRow {
        /// Position of the row.
        position: Position,
        /// Some of its fields.
        evidence: String,
    },
    /// Too many bad rows to remember their places.
    #[error("`{}` has more than {limit} bad rows", file.display())]
    TooManyBadRows {
        /// Path of the file.
        file: PathBuf,
        /// Maximum number of places of bad rows.
        limit: usize,
    },
    /// All rows of a file are bad.
    #[error("`{}` has {bad_rows} bad rows and no others; the first, in line {line}: {defect}", file.display())]
    OnlyBadRows {
        /// Path of the file.
        file: PathBuf,
        /// Number of bad rows.
        bad_rows: u64,
        /// Line of the first one.
        line: u64,
        /// What is wrong with it.
        defect: String,
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
    /// A row cannot be split into the columns of the header.
    #[error("{position}: {defect}")]
    BadRow {
        /// Position of the row, or of the invalid byte.
        position: Position,
        /// What is wrong with it.
        defect: Defect,
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
            Self::Terminal => "pipe rows into convoy, or pass a file to `--dataset`",
            Self::DuplicateTopic { .. } => "rename one of the folders",
            Self::NotText { kind, .. } => kind.hint(),
            Self::Utf16WithoutMark { encoding, .. } if encoding.0 == encoding_rs::UTF_16BE => {
                "pass `--file-encoding utf-16be`"
            }
            Self::Utf16WithoutMark { .. } => "pass `--file-encoding utf-16le`",
            Self::Malformed { .. } => {
                "pass another `--file-encoding`, and check whether the file is truncated"
            }
            Self::Decompress { .. } => {
                "check whether the file is truncated, or decompress it yourself"
            }
            Self::Spool { .. } => {
                "free some space, set `TMPDIR` to a larger disk, or pass a file that is UTF-8 and not compressed"
            }
            Self::BlanksAsDelimiter { .. } => {
                "pass `--delimiter ' '` if one blank separates two fields, or `--delimiter ,` if the file has one column"
            }
            Self::AmbiguousDelimiter { .. } => "pass the right one, such as `--delimiter ';'`",
            Self::HeaderLooksLikeData { .. } => {
                "pass `--no-header` if the first row is data, or `--no-header=false` if it is the header"
            }
            Self::HeaderLooksLikeComment { .. } => {
                "pass `--comment '#'` or `--skip-rows N` to skip such lines, or `--no-header=false` if it is the header"
            }
            Self::RepeatedHeader { .. } => {
                "pass `--skip-repeated-headers`, or `--skip-repeated-headers=false` if the row is data"
            }
            Self::UnitsRow { .. } => {
                "pass `--skip-units-row`, or `--skip-units-row=false` if it is data; if the header is further down, pass `--skip-rows N`"
            }
            Self::TooManyBadRows { .. } | Self::OnlyBadRows { .. } => {
                "check `--delimiter`, `--file-encoding` and `--skip-rows`"
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
            Self::TooManyLabels { .. } => "pass a column with few distinct values",
            Self::TooManyColumns { .. } => "pass the right `--delimiter`",
            Self::BadRow { defect, .. } => defect.hint(),
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

string_enum! {
    /// Kinds of files that are taken for CSV files by mistake.
    Binary {
        /// An archive, also a workbook of Excel.
        Zip = "a ZIP archive or a workbook (.xlsx, .ods)",
        /// A workbook of old versions of Excel.
        Xls = "an Excel workbook (.xls)",
        /// Compressed in a way that convoy does not read.
        Xz = "compressed with xz",
        /// Compressed in a way that convoy does not read.
        Bzip2 = "compressed with bzip2",
        /// A Parquet file.
        Parquet = "a Parquet file",
        /// A database.
        Sqlite = "a SQLite database",
        /// Text of four bytes per character.
        Utf32 = "UTF-32",
    }
}

impl Binary {
    /// Recognises the first bytes of a file.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let magic: [(&[u8], Self); 6] = [
            (b"PK\x03\x04", Self::Zip),
            (b"\xd0\xcf\x11\xe0", Self::Xls),
            (b"\xfd7zXZ\0", Self::Xz),
            (b"BZh", Self::Bzip2),
            (b"PAR1", Self::Parquet),
            (b"SQLite format 3\0", Self::Sqlite),
        ];
        let found = magic.iter().find(|(magic, _)| head.starts_with(magic));
        // Letters alone may start a header.
        let text = |kind| matches!(kind, Self::Bzip2 | Self::Parquet) && !head.contains(&0);
        found.map(|&(_, kind)| kind).filter(|&kind| !text(kind))
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Zip | Self::Xls => "export or unpack it as CSV",
            Self::Xz | Self::Bzip2 => "decompress it, or compress it with gzip or zstd",
            Self::Parquet | Self::Sqlite => "export it as CSV",
            Self::Utf32 => "convert it to UTF-8",
        }
    }
}

fn did_you_mean(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
