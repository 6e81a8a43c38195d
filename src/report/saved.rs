//! Reading of saved reports: `report.json` and the histograms in `latency.hdr`, or `report.html`,
//! which has both.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::measure::{Histogram, Stage, Stages};
use crate::report::files::{Error, write_page};
use crate::report::history::History;
use crate::report::value::{FORMAT_VERSION, Report};
use crate::report::{html, latency_log};

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

/// Reads the latencies of a run from its log.
fn read_log(path: PathBuf, log: &[u8]) -> Result<History, Error> {
    latency_log::read(log).map_err(|reason| Error::NotALog { path, reason })
}

/// Reads a file that is part of a report.
fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// Returns data of a page, or a file that is no page as it is.
fn embedded(
    path: &Path,
    find: impl Fn(&[u8]) -> Option<io::Result<Vec<u8>>>,
    file: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    if !html::is_page(&file) {
        return Ok(file);
    }
    let absent = || io::Error::other("the page has no data of a run");
    let found = find(&file).unwrap_or_else(|| Err(absent()));
    found.map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// Reads a report from its `report.json`, its `report.html` or the directory that holds them.
pub fn read_report(named: &Path) -> Result<(PathBuf, Report), Error> {
    let path = if named.is_dir() {
        let json = named.join("report.json");
        let page = named.join("report.html");
        if page.exists() && !json.exists() {
            page
        } else {
            json
        }
    } else {
        named.to_owned()
    };
    let bytes = read_file(&path)?;
    let bytes = embedded(&path, html::report_of, bytes)?;
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
        let file = read_file(&path)?;
        let (log, text) = if html::is_page(&file) {
            let log = embedded(&path, html::latencies_of, file)?;
            (path.clone(), log)
        } else {
            let log = path.with_file_name("latency.hdr");
            let text = read_file(&log)?;
            (log, text)
        };
        let mut stages = read_log(log, &text)?.stages;
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

/// Writes the page of a saved run again, beside its `report.json`. Returns its path.
pub fn rebuild_page(named: &Path) -> Result<PathBuf, Error> {
    let (json, report) = read_report(named)?;
    let directory = json.parent().unwrap_or(Path::new("")).to_owned();
    let log = directory.join("latency.hdr");
    // A run that was never measured has no log.
    let history = if log.exists() {
        let text = read_file(&log)?;
        read_log(log, &text)?
    } else {
        History::default()
    };
    write_page(&directory, &report, &history)
}
