//! What is known of a file before its rows are read, and errors of reading it.

use std::io;
use std::path::{Path, PathBuf};

use crate::dataset::assumptions::{Assumed, Basis, Compression, FileAssumptions, Skipped};
use crate::dataset::decode::Malformed;
use crate::dataset::error::Error;
use crate::dataset::opening::Opening;
use crate::dataset::options::TextEncoding;
use crate::dataset::spool::Full;

/// What is known of a file before its text is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) compression: Compression,
    pub(super) encoding: Assumed<TextEncoding>,
}

impl Origin {
    /// Text in UTF-8, as it is.
    pub(super) const PLAIN: Self = Self {
        compression: Compression::None,
        encoding: Assumed {
            value: TextEncoding::UTF_8,
            basis: Basis::Default,
        },
    };
}

/// Returns the last byte of each line: a line feed, unless there are only carriage returns.
pub(super) fn line_end(bytes: &[u8]) -> u8 {
    if memchr::memchr(b'\n', bytes).is_none() && memchr::memchr(b'\r', bytes).is_some() {
        b'\r'
    } else {
        b'\n'
    }
}

/// Starts the assumptions about a file.
pub(super) fn assumptions(
    file: &Path,
    origin: Origin,
    opening: &Opening,
    line_end: u8,
) -> FileAssumptions {
    FileAssumptions {
        file: PathBuf::from(file),
        compression: origin.compression,
        encoding: origin.encoding,
        delimiter: opening.delimiter,
        header_line: opening.header_line,
        carriage_returns: line_end == b'\r',
        trailing_delimiter: opening.trailing_delimiter,
        skipped: Skipped {
            lines_before_header: opening.header_at.line - 1,
            ..Skipped::default()
        },
        bad_rows: Vec::new(),
    }
}

/// Returns the error for a failed read at an offset.
pub(super) fn read_error(
    file: &Path,
    byte: u64,
    compression: Compression,
    source: io::Error,
) -> Error {
    let file = file.to_owned();
    let inner = source
        .get_ref()
        .map(|inner| inner as &(dyn std::error::Error + 'static));
    let malformed = inner.and_then(|inner| inner.downcast_ref::<Malformed>());
    if let Some(&Malformed { byte, encoding }) = malformed {
        return Error::Malformed {
            file,
            byte,
            encoding,
        };
    }
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<Full>()) {
        return Error::Spool {
            file,
            directory: std::env::temp_dir(),
            source: io::Error::other(error.to_string()),
        };
    }
    if compression != Compression::None {
        return Error::Decompress {
            file,
            compression,
            source,
        };
    }
    Error::Read { file, byte, source }
}
