//! Options of an earlier run, for `--again`.

use std::path::Path;

use convoy_server_kit::REDACTED;

use crate::cli::error::Error;
use crate::report::read_report;

/// Options about output and about where options come from. A report does not keep them.
pub(super) const NOT_KEPT: [&str; 14] = [
    "again",
    "env-file",
    "events",
    "force",
    "format",
    "junit",
    "no-env-file",
    "output",
    "ready-file",
    "run-id",
    "scenario",
    "ui",
    "web",
    "write-env",
];

/// Reads the options of a run of `convoy simulate` from its report.
///
/// `known` are the options of this version; `is_set` says which of them the command line sets.
pub(super) fn read(
    run: &Path,
    known: &[String],
    is_set: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Vec<String>)>, Error> {
    let unusable = |reason: String| Error::Again {
        path: run.to_owned(),
        reason,
    };
    let (_path, report) = read_report(run).map_err(|source| Error::ReadAgain {
        path: run.to_owned(),
        source: Box::new(source),
    })?;
    if report.produced.is_some() || report.consumed.is_some() || report.merged.is_some() {
        let reason = "it is not the report of a whole run by `convoy simulate`";
        return Err(unusable(reason.to_owned()));
    }
    if report.run.options.is_empty() && report.run.command.split_whitespace().nth(2).is_some() {
        let reason = format!(
            "it does not hold the options of the run; the command was: {}",
            report.run.command
        );
        return Err(unusable(reason));
    }
    let options = report.run.options.into_iter();
    let options: Vec<_> = options.filter(|(name, _)| !is_set(name)).collect();
    for (name, values) in &options {
        if !known.contains(name) {
            let reason = format!("this version of convoy has no option `--{name}`");
            return Err(unusable(reason));
        }
        if values.iter().any(|value| value.contains(REDACTED)) {
            let reason = format!("it holds no passwords; pass `--{name}`");
            return Err(unusable(reason));
        }
    }
    Ok(options)
}
