//! `convoy report html`: writes the pages of saved runs again.

use crate::error::{Error, ExitStatus};
use crate::report::{Error as ReportError, rebuild_page};
use crate::settings::PageSettings;
use crate::terminal::Terminal;

/// Writes `report.html` beside each report. A run that cannot be read does not prevent the others.
pub fn write_pages(settings: &PageSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let mut first_failure: Option<ReportError> = None;
    for run in &settings.runs {
        match rebuild_page(run) {
            Ok(path) => terminal
                .data(|stdout| writeln!(stdout, "{}", path.display()))
                .map_err(Error::Stdout)?,
            Err(error) => {
                if let Some(shown) = first_failure.replace(error) {
                    terminal.error(&shown, Some(&shown.hint()));
                }
            }
        }
    }
    match first_failure {
        Some(error) => Err(error.into()),
        None => Ok(ExitStatus::Success),
    }
}
