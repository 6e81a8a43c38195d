//! Keeps bad rows with their reasons, one JSON object per line.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::dataset::assumptions::BadRow;

/// A temporary file with bad rows.
#[derive(Debug)]
pub(super) struct BadRowFile {
    file: BufWriter<File>,
}

/// A line of the file.
#[derive(Serialize)]
struct Entry<'a> {
    file: String,
    line: u64,
    byte: u64,
    reason: &'a str,
    /// The row, with invalid bytes replaced.
    text: &'a str,
    /// The row if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl BadRowFile {
    pub(super) fn create() -> io::Result<Self> {
        let file = BufWriter::new(tempfile::tempfile()?);
        Ok(Self { file })
    }

    /// Adds a row.
    pub(super) fn put(&mut self, file: &Path, bad: &BadRow, row: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(row);
        let line = Entry {
            file: file.display().to_string(),
            line: bad.line,
            byte: bad.byte,
            reason: &bad.reason,
            text: &text,
            base64: std::str::from_utf8(row).err().map(|_| STANDARD.encode(row)),
        };
        serde_json::to_writer(&mut self.file, &line)?;
        self.file.write_all(b"\n")
    }

    /// Ends writing and returns the file.
    pub(super) fn finish(self) -> io::Result<File> {
        self.file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
    }
}

/// Copies the rows of a finished file.
pub(super) fn copy(mut file: &File, output: &mut dyn Write) -> io::Result<()> {
    file.rewind()?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        output.write_all(buffer.get(..length).unwrap_or_default())?;
    }
}
