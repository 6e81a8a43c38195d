//! Options of `convoy dataset`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::parse;
use crate::dataset::BUILT_IN;

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
pub enum DatasetArgs {
    /// Show topics, rows, labels, columns and column types.
    #[command(max_term_width = 100, after_help = INSPECT_EXAMPLES)]
    Inspect {
        /// CSV file, folder of CSV files, or folder of topic folders.
        #[arg(value_name = "PATH", default_value = BUILT_IN)]
        path: PathBuf,
    },
    /// Print the JSON Schema (draft-07) that `--encoding confluent` registers.
    #[command(max_term_width = 100, after_help = SCHEMA_EXAMPLES)]
    Schema {
        /// CSV file, folder of CSV files, or folder of topic folders.
        #[arg(value_name = "PATH", default_value = BUILT_IN)]
        path: PathBuf,
        /// Use strings for all values, `na` included, and require no column.
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
