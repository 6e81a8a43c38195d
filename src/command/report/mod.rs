//! `convoy report`: shows saved reports again, writes their pages, exports their figures, or merges
//! those of single processes.

mod case;
mod export;
mod html;
mod merge;

pub use export::export;
pub use html::write_pages;
pub use merge::merge;

use crate::error::{Error, ExitStatus};
use crate::report::{read_report, write_text};
use crate::settings::ShowSettings;
use crate::terminal::Terminal;

/// Shows a saved report as text.
pub fn show(settings: &ShowSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let (path, report) = read_report(&settings.report)?;
    let page = terminal.page();
    terminal
        .data(|stdout| write_text(&report, &[path], &page, stdout))
        .map_err(Error::Stdout)?;
    Ok(ExitStatus::Success)
}
