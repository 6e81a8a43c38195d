//! The end of a command with a report: files, stdout, exit status.

use crate::error::{Error, ExitStatus};
use crate::report::{
    LatencyLog, PartialFile, Report, RunDirectory, Status, write_json, write_text,
};
use crate::settings::Format;
use crate::terminal::Terminal;

/// Writes the files of a report, prints it on stdout, and why it failed on stderr.
pub fn present_report(
    report: &Report,
    directory: &RunDirectory,
    log: Option<LatencyLog<PartialFile>>,
    format: Format,
    terminal: &Terminal,
) -> Result<(), Error> {
    let files = directory.write(report, log)?;
    let page = terminal.page();
    terminal
        .data(|stdout| match format {
            Format::Text => write_text(report, &files, &page, stdout),
            Format::Json => write_json(report, stdout),
        })
        .map_err(Error::Stdout)?;
    for reason in report.failures() {
        terminal.failure(&reason);
    }
    Ok(())
}

/// Returns the exit status of a command with this report.
pub fn exit_status(report: &Report) -> ExitStatus {
    if !report.passed() {
        ExitStatus::Failed
    } else if report.status == Status::Interrupted {
        ExitStatus::Interrupted
    } else {
        ExitStatus::Success
    }
}
