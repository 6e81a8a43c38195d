//! The end of a command with a report: stdout, files, exit status.

use crate::error::{Error, ExitStatus};
use crate::report::{
    LatencyLog, PartialFile, Report, RunDirectory, Status, write_json, write_text,
};
use crate::settings::Format;
use crate::terminal::Terminal;

/// Prints a report on stdout, writes its files, and says on stderr why it failed.
///
/// A full disk or a closed stdout costs one of both, not the report.
pub fn present_report(
    report: &Report,
    directory: &RunDirectory,
    log: Option<LatencyLog<PartialFile>>,
    format: Format,
    terminal: &Terminal,
) -> Result<(), Error> {
    let page = terminal.page();
    let printed = terminal.data(|stdout| match format {
        Format::Text => write_text(report, &[], &page, stdout),
        Format::Json => write_json(report, stdout),
    });
    let written = directory.write(report, log).map_err(Error::Report);
    let listed = match &written {
        Ok(files) if format == Format::Text && printed.is_ok() => terminal.data(|stdout| {
            writeln!(stdout)?;
            files
                .iter()
                .try_for_each(|file| writeln!(stdout, "{}", file.display()))
        }),
        _ => Ok(()),
    };
    for reason in report.failures() {
        terminal.failure(&reason);
    }
    written?;
    printed.and(listed).map_err(Error::Stdout)
}

/// Returns the exit status of a command with this report.
pub fn exit_status(report: &Report) -> ExitStatus {
    // Thresholds do not apply to a run that did not take its time.
    if report.status == Status::Interrupted {
        ExitStatus::Interrupted
    } else if !report.passed() {
        ExitStatus::Failed
    } else {
        ExitStatus::Success
    }
}
