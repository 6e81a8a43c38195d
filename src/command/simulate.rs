//! `convoy simulate`.

use super::{Invocation, SimulateSettings};
use crate::error::{Error, ExitStatus};
use crate::terminal::Terminal;

/// Runs the whole pipeline and reports it.
pub fn run(
    settings: &SimulateSettings,
    _invocation: &Invocation,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    terminal.say(format_args!("{settings:?}"));
    Ok(ExitStatus::Success)
}
