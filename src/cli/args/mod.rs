//! Options as clap parses them. Their doc comments are the help.

mod ab;
mod capacity;
mod consume;
mod dataset;
mod doctor;
mod external;
mod groups;
mod produce;
mod reading;
mod report;
mod simulate;
mod sweep;
pub(super) mod up;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::version;

pub(super) use ab::{AbArgs, OWN as OWN_OPTIONS_OF_AB};
pub(super) use capacity::CapacityArgs;
pub(super) use consume::ConsumeArgs;
pub(super) use dataset::DatasetCommandArgs;
pub(super) use doctor::{CleanArgs, DoctorArgs};
pub(super) use groups::{
    BrokerArgs, LoadArgs, OutputArgs, PublishArgs, RecordsArg, ReportArgs, SecurityArgs,
    StoreTimeoutArgs, TimeoutArgs, TopicArgs, WriterArgs,
};
pub(super) use produce::ProduceArgs;
pub(super) use reading::DatasetArgs;
pub(super) use report::{CompareArgs, JudgeArgs, MergeArgs, ReportCommandArgs};
pub(super) use simulate::SimulateArgs;
pub(super) use sweep::{OWN as OWN_OPTIONS_OF_SWEEP, SweepArgs};
pub(super) use up::UpArgs;

const EXAMPLES: &str = "\
Examples:
  convoy simulate
  convoy simulate --vehicles 1000 --rate max --records 200k
  convoy up > .env

Exit codes:
  0    success
  1    the verdict failed
  2    the command line, the scenario or an environment variable is wrong
  3    the environment failed: broker, store, file
  4    a bug in convoy
  5    a latency, a throughput or a comparison missed its threshold
  130  interrupted";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  convoy completions bash > ~/.local/share/bash-completion/completions/convoy
  convoy completions zsh > ~/.zfunc/_convoy
  convoy completions fish > ~/.config/fish/completions/convoy.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  convoy man > convoy.1
  convoy man --dir ~/.local/share/man/man1";

/// Load-tests a Kafka → MongoDB pipeline with a simulated vehicle fleet, and checks every record:
/// what arrived, how fast and how late.
#[derive(Parser)]
#[command(name = "convoy", max_term_width = 100, after_help = EXAMPLES)]
#[command(version = version::SHORT, long_version = version::LONG)]
pub(super) struct CliArgs {
    #[command(subcommand)]
    pub(super) command: CommandArgs,

    #[command(flatten)]
    pub(super) verbosity: VerbosityArgs,
}

/// How much convoy prints on stderr.
#[derive(Args)]
pub(super) struct VerbosityArgs {
    /// Print only errors on stderr.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// Print debug messages on stderr; `-vv` prints trace messages.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Subcommand)]
pub(super) enum CommandArgs {
    /// Run a complete test: start servers, warm up, measure, drain, audit, report.
    #[command(max_term_width = 100)]
    #[command(after_help = simulate::EXAMPLES, after_long_help = simulate::LONG_EXAMPLES)]
    Simulate(Box<SimulateArgs>),
    /// Run broker, Schema Registry and store for another program, or around COMMAND.
    #[command(max_term_width = 100)]
    #[command(after_help = up::EXAMPLES, after_long_help = up::LONG_EXAMPLES)]
    Up(Box<UpArgs>),
    /// Emit a fleet, or a part of it, into an existing broker.
    #[command(max_term_width = 100)]
    #[command(after_help = produce::EXAMPLES, after_long_help = produce::LONG_EXAMPLES)]
    Produce(Box<ProduceArgs>),
    /// Consume from an existing broker into an existing store, as a member of a group.
    #[command(max_term_width = 100)]
    #[command(after_help = consume::EXAMPLES, after_long_help = consume::LONG_EXAMPLES)]
    Consume(Box<ConsumeArgs>),
    /// Find the most vehicles within a limit of the end-to-end p99, without loss.
    #[command(max_term_width = 100)]
    #[command(after_help = capacity::EXAMPLES, after_long_help = capacity::LONG_EXAMPLES)]
    #[command(mut_arg("again", |arg| arg.hide_short_help(true)))]
    #[command(mut_arg("consumer", |arg| arg.hide(true)))]
    #[command(mut_arg("data_dir", |arg| arg.hide_short_help(true)))]
    #[command(mut_arg("scenario", |arg| arg.hide_short_help(true)))]
    Capacity(Box<CapacityArgs>),
    /// Try combinations of settings, and recommend the best.
    #[command(max_term_width = 100)]
    #[command(after_help = sweep::EXAMPLES, after_long_help = sweep::LONG_EXAMPLES)]
    #[command(mut_arg("again", |arg| arg.hide_short_help(true)))]
    #[command(mut_arg("consumer", |arg| arg.hide(true)))]
    #[command(mut_arg("broker", |arg| arg.hide_short_help(true)))]
    #[command(mut_arg("data_dir", |arg| arg.hide_short_help(true)))]
    #[command(mut_arg("min_throughput", |arg| arg.hide_short_help(true)))]
    #[command(mut_arg("scenario", |arg| arg.hide_short_help(true)))]
    #[command(mut_arg("store", |arg| arg.hide_short_help(true)))]
    #[command(mut_arg("topic", |arg| arg.hide_short_help(true)))]
    Sweep(Box<SweepArgs>),
    /// Compare two settings or executables, in turns on one machine.
    #[command(max_term_width = 100)]
    #[command(after_help = ab::EXAMPLES, after_long_help = ab::LONG_EXAMPLES)]
    Ab(Box<AbArgs>),
    /// Show or compare reports, or join the reports of several processes.
    #[command(subcommand, max_term_width = 100, after_help = report::EXAMPLES)]
    Report(ReportCommandArgs),
    /// Inspect or generate datasets.
    #[command(subcommand, max_term_width = 100, after_help = dataset::EXAMPLES)]
    Dataset(DatasetCommandArgs),
    /// Check this machine; exit with 3 if `simulate` with these options would not run.
    #[command(max_term_width = 100, after_help = doctor::EXAMPLES)]
    Doctor(Box<DoctorArgs>),
    /// Remove containers and data of runs whose process has ended.
    #[command(max_term_width = 100, after_help = doctor::CLEAN_EXAMPLES)]
    Clean(CleanArgs),
    /// Print a completion script for a shell.
    #[command(max_term_width = 100, after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// Shell.
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands.
    #[command(max_term_width = 100, after_help = MAN_EXAMPLES)]
    Man {
        /// Existing directory for the pages of all commands [default: print one page on stdout].
        #[arg(long, value_name = "DIR", hide_env = true)]
        dir: Option<PathBuf>,
    },
}
