//! `convoy report export`: prints figures of saved runs for other services.

use crate::error::{Error, ExitStatus};
use crate::report::{action_benchmark, bencher_metric_format, read_report};
use crate::settings::{ExportForm, ExportSettings};
use crate::terminal::Terminal;

/// Prints the figures of all runs as one benchmark.
pub fn export(settings: &ExportSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let reports = settings.runs.iter().map(|run| read_report(run));
    let reports = reports.map(|read| read.map(|(_path, report)| report));
    let benchmarks = [(settings.name.clone(), reports.collect::<Result<_, _>>()?)];
    let exported = match settings.form {
        ExportForm::Bencher => bencher_metric_format(&benchmarks),
        ExportForm::ActionSmaller => action_benchmark(&benchmarks, false),
        ExportForm::ActionBigger => action_benchmark(&benchmarks, true),
    };
    terminal
        .data(|stdout| writeln!(stdout, "{exported:#}"))
        .map_err(Error::Stdout)?;
    Ok(ExitStatus::Success)
}
