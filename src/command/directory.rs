//! The directory of a run, and the log in it.

use std::path::Path;

use crate::error::Error;
use crate::report::RunDirectory;
use crate::settings::Invocation;
use crate::terminal::{Terminal, start_logging};

/// Creates the directory of a run and starts its log. Fails if a run of this name has a report.
pub(super) fn open(
    output: &Path,
    name: &str,
    invocation: &Invocation,
    terminal: &Terminal,
) -> Result<RunDirectory, Error> {
    if let Some(path) = RunDirectory::existing_report(output, name) {
        let run_id = name.to_owned();
        return Err(Error::RunTaken { run_id, path });
    }
    let directory = RunDirectory::create(output, name)?;
    start_logging(terminal, &directory.log(), invocation.log_filter.as_deref());
    Ok(directory)
}
