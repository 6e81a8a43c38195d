//! Flags as clap knows them. Doc comments are the help.

mod consume;
mod groups;
mod produce;
mod report;
mod simulate;
mod up;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::dataset::SAMPLE_PATH;
use crate::settings::{Backend, Format};
use crate::{broker, store};

use crate::cli::parse;
pub(super) use consume::ConsumeArgs;
pub(super) use groups::{ConnectionArgs, FleetArgs, LengthArgs, RecordsArg, TopicArgs};
pub(super) use produce::ProduceArgs;
pub(super) use report::{MergeArgs, ReportCommandArgs};
pub(super) use simulate::SimulateArgs;
pub(super) use up::UpArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0    everything went as asked
  1    the run finished, but its verdict or a threshold failed
  2    the command line, the scenario or an environment variable is wrong
  3    the environment failed: broker, store, file
  4    a bug in convoy
  130  interrupted";

/// Drives a simulated vehicle fleet through Kafka into MongoDB and proves what arrived, how fast
/// and how late.
#[derive(Parser)]
#[command(name = "convoy", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct CliArgs {
    #[command(subcommand)]
    pub(super) command: CommandArgs,
}

#[derive(Subcommand)]
pub(super) enum CommandArgs {
    /// Run the whole thing: provision, warm up, measure, drain, audit, report.
    #[command(max_term_width = 100, after_long_help = simulate::EXAMPLES)]
    Simulate(Box<SimulateArgs>),
    /// Serve Kafka, Schema Registry and MongoDB here until Ctrl-C; prints a `.env` for their clients.
    #[command(max_term_width = 100, after_long_help = up::EXAMPLES)]
    Up(UpArgs),
    /// Run the producing half against an existing broker: emit the fleet, or a part of it.
    #[command(max_term_width = 100, after_long_help = produce::EXAMPLES)]
    Produce(Box<ProduceArgs>),
    /// Run the consuming half against existing servers, sharing partitions with others.
    #[command(max_term_width = 100, after_long_help = consume::EXAMPLES)]
    Consume(Box<ConsumeArgs>),
    /// Join reports of several processes, and audit what they did together; or show one again.
    #[command(subcommand)]
    Report(ReportCommandArgs),
    /// Look at the rows to replay, or make some.
    #[command(subcommand)]
    Dataset(DatasetArgs),
    /// Say what is missing on this machine, each with its fix; exit 3 if `simulate` would not run.
    #[command(max_term_width = 100)]
    Doctor(DoctorArgs),
    /// Remove containers and data of runs whose process is provably gone, and nothing else.
    #[command(max_term_width = 100)]
    Clean {
        /// Only say what would be removed.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// Servers to look for: `auto`, `embedded`, `containers` or `external`.
    #[arg(short, long, value_name = "KIND", default_value = "auto")]
    pub(super) backend: Backend,
    /// Dataset of the run.
    #[arg(long, value_name = "PATH", default_value = SAMPLE_PATH)]
    pub(super) dataset: PathBuf,
    /// Where the run's directory would be made.
    #[arg(short, long, value_name = "DIR", default_value = "runs")]
    pub(super) output: PathBuf,
    /// Image of the broker.
    #[arg(long, value_name = "IMAGE", default_value = broker::container::IMAGE)]
    pub(super) redpanda_image: String,
    /// Image of the store.
    #[arg(long, value_name = "IMAGE", default_value = store::container::IMAGE)]
    pub(super) mongo_image: String,
    /// Form of the findings on stdout: `text` or `json`.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(super) format: Format,
}

#[derive(Subcommand)]
pub(super) enum DatasetArgs {
    /// Show topics, rows, labels, columns and their types.
    #[command(max_term_width = 100)]
    Inspect {
        /// CSV file, folder of them, or folder with one folder per topic.
        #[arg(value_name = "PATH", default_value = SAMPLE_PATH)]
        path: PathBuf,
    },
    /// Print the JSON Schema (draft-07) of the rows, as `--encoding confluent` registers it.
    #[command(max_term_width = 100)]
    Schema {
        /// CSV file, folder of them, or folder with one folder per topic.
        #[arg(value_name = "PATH", default_value = SAMPLE_PATH)]
        path: PathBuf,
        /// Every value as a string, `na` included, and no column required.
        #[arg(long)]
        all_strings: bool,
    },
    /// Write synthetic rows with the statistics of a truck fleet's (171 columns).
    #[command(max_term_width = 100)]
    Generate {
        /// Number of rows.
        #[arg(
            long,
            value_name = "N",
            default_value = "2000",
            allow_negative_numbers = true
        )]
        #[arg(value_parser = parse::count::<u64>)]
        rows: u64,
        /// Seed of every value; the same seed writes the same bytes.
        #[arg(long, value_name = "N", default_value = "42")]
        #[arg(value_parser = parse::value::<u64>)]
        seed: u64,
        /// File to make [default: stdout].
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}
