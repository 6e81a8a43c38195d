//! `convoy report compare`: compares saved runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::command::judge::present_comparison;
use crate::error::{Error, ExitStatus};
use crate::report::comparison::{ComparedRun, Design, compare as compare_sides};
use crate::report::{Report, read_report};
use crate::settings::CompareSettings;
use crate::statistics::MAX_RUNS;
use crate::terminal::Terminal;

/// Compares the runs of two sides. The measurements of all fit in memory: a report is small.
pub fn compare(settings: &CompareSettings, terminal: &Terminal) -> Result<ExitStatus, Error> {
    let mut seen = BTreeSet::new();
    let base = read(&settings.base, &mut seen)?;
    let candidate = read(&settings.candidate, &mut seen)?;
    let comparison = compare_sides(
        &runs(&base),
        &runs(&candidate),
        Design::Independent,
        settings.judge.strictness,
    );
    present_comparison(&comparison, settings.judge, terminal)
}

/// A report, and its path as the user gave it.
type Saved = (String, Report);

fn read(named: &[PathBuf], seen: &mut BTreeSet<PathBuf>) -> Result<Vec<Saved>, Error> {
    if named.len() > MAX_RUNS {
        return Err(Error::TooManyRuns {
            runs: named.len(),
            limit: MAX_RUNS,
        });
    }
    named.iter().map(|path| read_one(path, seen)).collect()
}

fn read_one(named: &Path, seen: &mut BTreeSet<PathBuf>) -> Result<Saved, Error> {
    let (path, report) = read_report(named)?;
    // A run's page and its JSON are the same run.
    let directory = path.canonicalize().unwrap_or(path);
    let key = match directory.parent() {
        Some(parent) if in_its_directory(&directory) => parent.to_owned(),
        _ => directory,
    };
    if !seen.insert(key) {
        return Err(Error::ComparedTwice {
            path: named.to_owned(),
        });
    }
    Ok((named.display().to_string(), report))
}

/// Returns whether a file has the name that it has in a run's directory.
fn in_its_directory(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    matches!(name, Some("report.json" | "report.html"))
}

fn runs(saved: &[Saved]) -> Vec<ComparedRun<'_>> {
    saved
        .iter()
        .map(|(name, report)| ComparedRun { name, report })
        .collect()
}
