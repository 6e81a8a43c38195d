//! Reading of saved reports: `report.json` and the histograms in `latency.hdr`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::measure::{Histogram, Stage, Stages};
use crate::report::files::Error;
use crate::report::latency_log;
use crate::report::value::{FORMAT_VERSION, Report};

/// A report read from disk.
#[derive(Debug)]
pub struct SavedReport {
    /// Path of its `report.json`.
    pub path: PathBuf,
    /// Content of `report.json`.
    pub report: Report,
    /// Histograms of the measured records.
    pub stages: Stages<Histogram>,
}

/// Reads a report from its `report.json` or the directory that holds it.
pub fn read_report(named: &Path) -> Result<(PathBuf, Report), Error> {
    let path = if named.is_dir() {
        named.join("report.json")
    } else {
        named.to_owned()
    };
    let bytes = fs::read(&path).map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    let report: Report = serde_json::from_slice(&bytes).map_err(|source| Error::NotAReport {
        path: path.clone(),
        source,
    })?;
    if report.format_version != FORMAT_VERSION {
        return Err(Error::Version {
            path,
            found: report.format_version,
        });
    }
    Ok((path, report))
}

impl SavedReport {
    /// Reads a report and its histograms.
    pub fn read(named: &Path) -> Result<Self, Error> {
        let (path, report) = read_report(named)?;
        let log = path.with_file_name("latency.hdr");
        let text = fs::read(&log).map_err(|source| Error::Read {
            path: log.clone(),
            source,
        })?;
        let mut stages =
            latency_log::read(&text).map_err(|reason| Error::NotALog { path: log, reason })?;
        for stage in Stage::ALL {
            // The log format has no fields for these.
            let summary = report.summary.stages.get(stage);
            stages
                .get_mut(stage)
                .count_out_of_bounds(summary.negative, summary.saturated);
        }
        Ok(Self {
            path,
            report,
            stages,
        })
    }
}
