//! Options of `convoy sweep`.

use std::time::Duration;

use clap::Args;

use crate::cli::args::simulate::SimulateArgs;
use crate::cli::parse;
use crate::sweep::Objective;

/// Shown after the short help.
pub const EXAMPLES: &str = "\
Examples:
  convoy sweep --over 'linger=1ms,5ms,20ms' --over 'consumers=1,2,4'
  convoy sweep --over 'batch-records=100,1000' --rate max";

/// Shown after the long help.
pub const LONG_EXAMPLES: &str = "\
Examples:
  Which linger and how many consumers give the lowest latency?
    $ convoy sweep --over 'linger=1ms,5ms,20ms' --over 'consumers=1,2,4' --vehicles 500
  Which batches store the most?
    $ convoy sweep --over 'batch-records=100,1000,5000' --rate max --duration 5s

All combinations are tried on the same servers, in a random order, several times, each with its
own topics and collection. All options of `simulate` apply to each trial.";

/// Options that only `sweep` has: they are not passed to the trials.
pub const OWN: [&str; 4] = ["over", "repeats", "budget", "objective"];

/// Options as clap parses them: those of `simulate`, for each trial, and those of the sweep.
#[derive(Args)]
pub struct SweepArgs {
    #[command(flatten)]
    pub sweep: VariedArgs,

    #[command(flatten)]
    pub simulate: SimulateArgs,
}

/// What is varied, and how often.
#[derive(Args)]
#[command(next_help_heading = "Sweep")]
pub struct VariedArgs {
    /// Option of `simulate` and its values: `linger=1ms,5ms,20ms`; may be repeated.
    #[arg(long, value_name = "OPTION=VALUE,…", required = true, hide_env = true)]
    pub over: Vec<String>,

    /// Trials of each combination.
    #[arg(long, value_name = "N", default_value = "3")]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub repeats: u32,

    /// Time for all trials; starting and stopping servers takes additional time.
    #[arg(long, value_name = "TIME", default_value = "15m")]
    #[arg(value_parser = parse::span)]
    pub budget: Duration,

    /// What is compared, the most important first: see `--help`.
    ///
    /// A list separated by commas of `throughput`, `end-to-end-p50`, `end-to-end-p99` and
    /// `cpu-per-record` [default: end-to-end-p99,cpu-per-record, or throughput,cpu-per-record at
    /// `--rate max`].
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        hide_short_help = true
    )]
    #[arg(value_parser = parse::value::<Objective>)]
    pub objective: Vec<Objective>,
}
