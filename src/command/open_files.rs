//! The limit on open files that a run needs.

use crate::error::Error;
use crate::host::open_files;
use crate::settings::{BrokerChoice, SimulateSettings, StoreChoice};
use crate::terminal::Terminal;

/// Raises the limit on open files as far as runs with these settings need it.
pub fn allow_open_files(all: &[&SimulateSettings], terminal: &Terminal) -> Result<(), Error> {
    let external = all.iter().all(|settings| {
        matches!(settings.broker, BrokerChoice::External(_))
            && matches!(settings.store, StoreChoice::External(_))
    });
    if let Some(warning) = open_files::allow_run(!external)? {
        terminal.say(warning);
    }
    Ok(())
}
