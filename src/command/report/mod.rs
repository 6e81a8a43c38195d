//! `convoy report`: what others have measured, shown again or joined.

mod case;
mod merge;

pub use merge::merge;

use crate::error::{Error, ExitStatus};
use crate::report::{read_report, text};
use crate::settings::ShowSettings;
use crate::terminal::Terminal;

/// Shows a report as its run did.
pub fn show(settings: &ShowSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let (path, report) = read_report(&settings.report)?;
    terminal
        .data(|stdout| text::write(&report, &[path], stdout))
        .map_err(Error::Stdout)?;
    Ok(ExitStatus::Success)
}
