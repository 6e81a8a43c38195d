//! Options of `convoy dataset`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::args::reading::DatasetArgs;
use crate::cli::parse;
use crate::dataset::BUILT_IN;
use crate::settings::Format;

/// Shown after the help of `convoy dataset`.
pub const EXAMPLES: &str = "\
Examples:
  convoy dataset generate --rows 10k --output trucks.csv
  convoy dataset inspect trucks.csv";

const INSPECT_EXAMPLES: &str = "\
Examples:
  convoy dataset inspect
  convoy dataset inspect trucks.csv";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  convoy dataset schema trucks.csv
  convoy dataset schema --all-strings trucks.csv > trucks.schema.json";

const GENERATE_EXAMPLES: &str = "\
Examples:
  convoy dataset generate --output trucks.csv
  convoy dataset generate --rows 100k --seed 7 > trucks.csv";

/// Commands for datasets.
#[derive(Subcommand)]
pub enum DatasetCommandArgs {
    /// Show topics, rows, labels and columns with their types, and what was assumed about them.
    #[command(max_term_width = 100, after_help = INSPECT_EXAMPLES)]
    #[command(mut_arg("file_encoding", |arg| arg.alias("encoding")))]
    Inspect {
        /// CSV file, folder of CSV files, folder of topic folders, or `-` for stdin.
        #[arg(value_name = "PATH", default_value = BUILT_IN)]
        path: PathBuf,
        /// Format of the description on stdout: `text` or `json`.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
        /// Same as `--format json`.
        #[arg(long, conflicts_with = "format")]
        json: bool,
        #[command(flatten)]
        read: Box<DatasetArgs>,
    },
    /// Print the JSON Schema (draft-07) that `--encoding confluent` registers.
    #[command(max_term_width = 100, after_help = SCHEMA_EXAMPLES)]
    #[command(mut_arg("file_encoding", |arg| arg.alias("encoding")))]
    Schema {
        /// CSV file, folder of CSV files, folder of topic folders, or `-` for stdin.
        #[arg(value_name = "PATH", default_value = BUILT_IN)]
        path: PathBuf,
        #[command(flatten)]
        read: Box<DatasetArgs>,
        /// Use strings for all values, and require no column.
        #[arg(long)]
        all_strings: bool,
    },
    /// Generate rows with the statistics of a truck fleet (171 columns).
    #[command(max_term_width = 100, after_help = GENERATE_EXAMPLES)]
    Generate {
        /// Number of rows.
        #[arg(long, value_name = "N", default_value = "2000")]
        #[arg(value_parser = parse::count::<u64>, allow_negative_numbers = true)]
        rows: u64,
        /// Seed of all values; the same seed writes the same bytes.
        #[arg(long, value_name = "N", default_value = "42")]
        #[arg(value_parser = parse::value::<u64>)]
        seed: u64,
        // `CONVOY_OUTPUT` is a directory for reports.
        /// File to create [default: stdout].
        #[arg(short, long, value_name = "FILE", hide_env = true)]
        output: Option<PathBuf>,
    },
}
