//! `convoy man --dir`: writes the manual pages of all commands.

use std::fs;

use crate::error::{Error, ExitStatus};
use crate::settings::ManualSettings;

/// Writes the pages, over those of an earlier version.
pub fn write(settings: &ManualSettings) -> Result<ExitStatus, Error> {
    for (name, page) in &settings.pages {
        let path = settings.directory.join(name);
        fs::write(&path, page).map_err(|source| Error::WriteFile { path, source })?;
    }
    Ok(ExitStatus::Success)
}
