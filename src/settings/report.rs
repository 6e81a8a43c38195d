//! Settings of `convoy report`.

use std::path::PathBuf;

use convoy_server_kit::SecretUri;
use serde::Serialize;

use crate::dataset::ReadOptions;
use crate::settings::choices::ExportForm;
use crate::settings::groups::ReportSettings;

/// Settings of `convoy report merge`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MergeSettings {
    /// Reports, or directories with one report each.
    pub reports: Vec<PathBuf>,
    /// Store to audit; `None` makes no audit.
    pub store: Option<SecretUri>,
    /// Database of the documents; `None` takes it from the consumers' reports.
    pub database: Option<String>,
    /// Collection of the documents; `None` takes it from the consumers' reports.
    pub collection: Option<String>,
    /// Rows that were emitted; `None` takes them from the producers' reports.
    pub dataset: Option<PathBuf>,
    /// How their files are read.
    #[serde(flatten)]
    pub read: ReadOptions,
    #[serde(flatten)]
    pub report: ReportSettings,
}

/// Settings of `convoy report show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowSettings {
    /// A report, or a directory with one.
    pub report: PathBuf,
}

/// Settings of `convoy report export`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSettings {
    /// Directories of runs, or their reports.
    pub runs: Vec<PathBuf>,
    pub form: ExportForm,
    /// Name of the benchmark.
    pub name: String,
}

/// Settings of `convoy report html`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSettings {
    /// Directories of runs, or their reports.
    pub runs: Vec<PathBuf>,
}
