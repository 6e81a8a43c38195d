//! Options of `convoy report`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::groups::{EnvFileArgs, ReportArgs};
use crate::cli::args::reading::DatasetArgs;
use crate::cli::parse;
use crate::settings::ExportForm;

/// Shown after the help of `convoy report`.
pub const EXAMPLES: &str = "\
Examples:
  convoy report show runs/20261128-231537-26a0
  convoy report html runs/20261128-231537-26a0
  convoy report merge runs/night-* --store mongodb://mongo:27017";

const MERGE_EXAMPLES: &str = "\
Examples:
  Join the reports of two producers and two consumers, and audit all documents of the run:
    $ convoy report merge runs/night-1of2 runs/night-2of2 runs/20261128-2* --store mongodb://mongo:27017
  Join reports without an audit:
    $ convoy report merge runs/night-*";

const SHOW_EXAMPLES: &str = "\
Examples:
  convoy report show runs/20261128-231537-26a0
  convoy report show runs/20261128-231537-26a0/report.json";

const EXPORT_EXAMPLES: &str = "\
Examples:
  convoy report export --for bencher runs/20261128-231537-26a0 > bencher.json
  convoy report export --for action-smaller --name nightly runs/nightly-* > benchmark.json";

const HTML_EXAMPLES: &str = "\
Examples:
  convoy report html runs/20261128-231537-26a0
  convoy report html runs/*";

/// Commands for reports.
#[derive(Subcommand)]
pub enum ReportCommandArgs {
    /// Print figures of runs as JSON for a service that follows them over time.
    #[command(max_term_width = 100, after_help = EXPORT_EXAMPLES)]
    Export {
        /// Directory of a run, or its `report.json` or `report.html`; several give their mean.
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<PathBuf>,

        /// `bencher`, or `action-smaller` or `action-bigger` for `github-action-benchmark`, which
        /// takes figures of which smaller, or bigger, is better.
        #[arg(long = "for", value_name = "SERVICE")]
        form: ExportForm,

        /// Name of the benchmark.
        #[arg(long, value_name = "NAME", default_value = "convoy")]
        name: String,
    },
    /// Write `report.html` into each run's directory again, from its other files.
    #[command(max_term_width = 100, after_help = HTML_EXAMPLES)]
    Html {
        /// Directory of a run, or its `report.json`.
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<PathBuf>,
    },
    /// Join the reports of one run's processes; with `--store`, audit all documents of the run.
    #[command(max_term_width = 100, after_help = MERGE_EXAMPLES)]
    Merge(Box<MergeArgs>),
    /// Show the report of an earlier run.
    #[command(max_term_width = 100, after_help = SHOW_EXAMPLES)]
    Show {
        /// File `report.json` or `report.html`, or the directory that contains them.
        #[arg(value_name = "REPORT", default_value = ".")]
        report: PathBuf,
    },
}

/// Options as clap parses them.
#[derive(Args)]
pub struct MergeArgs {
    /// File `report.json` of each process, or the directory that contains it.
    #[arg(value_name = "REPORT", required = true)]
    pub reports: Vec<PathBuf>,

    #[command(flatten)]
    pub audit: AuditArgs,

    #[command(flatten)]
    pub read: DatasetArgs,

    #[command(flatten)]
    pub report: ReportArgs,

    #[command(flatten)]
    pub env_file: EnvFileArgs,
}

/// The documents to audit.
#[derive(Args)]
#[command(next_help_heading = "Audit")]
pub struct AuditArgs {
    /// URI of the store to audit (mongodb://…) [default: no audit].
    #[arg(long, value_name = "URI")]
    pub store: Option<String>,

    /// Database of the documents [default: from the consumers' reports, or `convoy`].
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = parse::database)]
    pub database: Option<String>,

    /// Collection of the documents [default: from the consumers' reports, or `sensor`].
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = parse::collection)]
    pub collection: Option<String>,

    /// Rows that were emitted [default: from the producers' reports].
    ///
    /// If sums differ, the audit compares each document with its row.
    #[arg(long, value_name = "PATH")]
    pub dataset: Option<PathBuf>,
}
