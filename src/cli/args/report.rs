//! Flags of `convoy report`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::groups::ReportArgs;
use crate::cli::args::parse;

/// Shown below the long help.
pub const EXAMPLES: &str = "\
Examples:
  What two producers and two consumers did together, and what became of every reading:
    $ convoy report merge runs/*/report.json --store mongodb://mongo:27017";

/// What can be done with reports.
#[derive(Subcommand)]
pub enum ReportCommandArgs {
    /// Join the reports of one run's processes; with `--store`, audit every document of the run.
    #[command(max_term_width = 100, after_long_help = EXAMPLES)]
    Merge(Box<MergeArgs>),
    /// Show a report again.
    #[command(max_term_width = 100)]
    Show {
        /// `report.json`, or the directory that holds it.
        #[arg(value_name = "REPORT", default_value = ".")]
        report: PathBuf,
    },
}

/// What can be typed.
#[derive(Args)]
pub struct MergeArgs {
    /// `report.json` of each process, or the directories that hold them.
    #[arg(value_name = "REPORT", required = true)]
    pub reports: Vec<PathBuf>,

    /// URI of the store to audit (mongodb://…) [default: none, no audit].
    #[arg(long, value_name = "URI", help_heading = "Audit")]
    pub store: Option<String>,

    /// Database of the documents [default: as the consumers' reports say, or convoy].
    #[arg(long, value_name = "NAME", help_heading = "Audit")]
    #[arg(value_parser = parse::database)]
    pub database: Option<String>,

    /// Collection of the documents [default: as the consumers' reports say, or sensor].
    #[arg(long, value_name = "NAME", help_heading = "Audit")]
    #[arg(value_parser = parse::collection)]
    pub collection: Option<String>,

    /// Rows that were emitted, to look at each reading if sums differ [default: as the producers'
    /// reports say].
    #[arg(long, value_name = "PATH", help_heading = "Audit")]
    pub dataset: Option<PathBuf>,

    #[command(flatten)]
    pub report: ReportArgs,
}
