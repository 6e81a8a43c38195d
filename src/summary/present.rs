//! The end of a command with a report: stdout, files, exit status.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cause::chain;
use crate::error::{Error, ExitStatus};
use crate::report::{
    EventLog, HISTORY_FILE, LatencyLog, Outcome, PartialFile, Report, RunDirectory, Status,
    append_to_history, write_json, write_junit, write_junit_failure, write_markdown, write_text,
};
use crate::settings::{Format, ReportSettings};
use crate::terminal::Terminal;

/// Empties the files that a command will write beside its report, so that a run does not end with
/// one that it cannot write.
pub fn check_outputs(settings: &ReportSettings) -> Result<(), Error> {
    if let Some(path) = &settings.junit {
        File::create(path).map_err(|source| write_error(path, source))?;
    }
    if let Some(path) = &settings.events {
        let log = EventLog::open(path).and_then(|log| log.clear());
        log.map_err(|source| write_error(path, source))?;
    }
    Ok(())
}

/// Writes why a command ended without a report.
pub fn record_failure(settings: &ReportSettings, error: &Error) -> Result<(), Error> {
    let Some(path) = &settings.junit else {
        return Ok(());
    };
    // A report that was written before the failure says more.
    if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        return Ok(());
    }
    let message = chain(error);
    let written = File::create(path).and_then(|file| write_junit_failure(&message, file));
    written.map_err(|source| write_error(path, source))
}

/// Prints a report on stdout, writes its files, and says on stderr why it failed.
///
/// A full disk or a closed stdout costs one of both, not the report.
pub fn present_report(
    report: &Report,
    directory: &RunDirectory,
    log: Option<LatencyLog<PartialFile>>,
    settings: &ReportSettings,
    terminal: &Terminal,
) -> Result<(), Error> {
    let page = terminal.page();
    let format = settings.format;
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
    let others = write_others(report, settings);
    written?;
    printed.and(listed).map_err(Error::Stdout)?;
    others
}

/// Writes what the user or a CI system wants besides the report. A file that fails does not prevent
/// the others. Returns the first error.
fn write_others(report: &Report, settings: &ReportSettings) -> Result<(), Error> {
    let history = settings.output.join(HISTORY_FILE);
    let mut written =
        vec![append_to_history(report, &history).map_err(|source| write_error(&history, source))];
    let mut write = |path: &Option<PathBuf>, write: &dyn Fn(&Path) -> io::Result<()>| {
        if let Some(path) = path {
            written.push(write(path).map_err(|source| write_error(path, source)));
        }
    };
    write(&settings.junit, &|path| {
        let mut file = BufWriter::new(File::create(path)?);
        write_junit(report, &mut file)?;
        file.flush()
    });
    write(&settings.events, &|path| EventLog::open(path)?.end(report));
    write(&settings.step_summary, &|path| {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let mut file = BufWriter::new(file);
        write_markdown(report, &mut file)?;
        file.flush()
    });
    written.into_iter().collect()
}

fn write_error(path: &Path, source: io::Error) -> Error {
    Error::WriteFile {
        path: path.to_owned(),
        source,
    }
}

/// Returns the exit status of a command with this report.
pub fn exit_status(report: &Report) -> ExitStatus {
    // Thresholds do not apply to a run that did not take its time.
    if report.status == Status::Interrupted {
        return ExitStatus::Interrupted;
    }
    match report.outcome() {
        Outcome::Passed => ExitStatus::Success,
        Outcome::ThresholdMissed => ExitStatus::ThresholdMissed,
        Outcome::Failed => ExitStatus::Failed,
    }
}
