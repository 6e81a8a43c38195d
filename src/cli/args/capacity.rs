//! Options of `convoy capacity`.

use std::time::Duration;

use clap::Args;

use crate::cli::args::simulate::SimulateArgs;
use crate::cli::parse;
use crate::load::Vary;

/// Shown after the short help.
pub const EXAMPLES: &str = "\
Examples:
  convoy capacity --max-end-to-end-p99 100ms
  convoy capacity --rate 10 --backend embedded --budget 10m";

/// Shown after the long help.
pub const LONG_EXAMPLES: &str = "\
Examples:
  The most vehicles with one reading per second each:
    $ convoy capacity --max-end-to-end-p99 100ms
  The same against existing servers, with more time:
    $ convoy capacity --backend external --budget 20m
  The most readings per second of 50 vehicles:
    $ convoy capacity --vary rate --vehicles 50
  How many are left if each request to the store takes 20 ms longer:
    $ convoy capacity --faults slow-store=20ms

Each trial has its own topics and collection, which are removed after it. A number is published
only if a long trial with it held every goal: p99 within its limit, no growing backlog, no late
reading, no loss. `--vehicles` is the smallest fleet that is tried. Trials have their own lengths:
`--duration` and `--records` have no effect.";

/// Options as clap parses them: those of `simulate`, for each trial, and those of the search.
#[derive(Args)]
pub struct CapacityArgs {
    #[command(flatten)]
    pub search: SearchArgs,

    #[command(flatten)]
    pub simulate: SimulateArgs,
}

/// How the limit is sought. The limit itself is `--max-end-to-end-p99`.
#[derive(Args)]
#[command(next_help_heading = "Search")]
pub struct SearchArgs {
    /// Time for all trials; starting and stopping servers takes additional time.
    #[arg(long, value_name = "TIME", default_value = "5m")]
    #[arg(value_parser = parse::span)]
    pub budget: Duration,

    /// What is raised until it is too much: `vehicles`, or `rate`, the readings per second of a fleet
    /// of `--vehicles`.
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "vehicles",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::value::<Vary>)]
    pub vary: Vary,

    /// Largest fleet that is tried; with `--vary rate`, the most readings per second.
    #[arg(long, value_name = "N", default_value = "1M", hide_short_help = true)]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub max_vehicles: u32,

    /// Stop when the limit is known this precisely: from `1%` to `50%`.
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "5%",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::precision)]
    pub precision: f64,
}
