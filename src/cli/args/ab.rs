//! Options of `convoy ab`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::groups::{
    EnvFileArgs, LoadArgs, OutputArgs, PublishArgs, SecurityArgs, StoreTimeoutArgs, TimeoutArgs,
    TopicArgs, WriterArgs,
};
use crate::cli::args::reading::DatasetArgs;
use crate::cli::args::report::JudgeArgs;
use crate::cli::args::simulate::{PipelineArgs, ServerArgs};
use crate::cli::parse;

/// Shown after the short help.
pub const EXAMPLES: &str = "\
Examples:
  convoy ab --a 'linger=5ms' --b 'linger=50ms'
  convoy ab --a-exe ./convoy-main --b-exe ./convoy-branch --fail-on slower";

/// Shown after the long help.
pub const LONG_EXAMPLES: &str = "\
Examples:
  Does a longer linger cost latency?
    $ convoy ab --a 'linger=5ms' --b 'linger=50ms' --rounds 6
  Several settings of a side, under a common load:
    $ convoy ab --a '' --b 'batch-records=1000 batch-wait=50ms' --vehicles 500 --duration 5s
  How large must a difference be to be seen on this machine?
    $ convoy ab --a '' --b ''
  Two builds, as a gate:
    $ convoy ab --a-exe ./convoy-main --b-exe ./convoy-branch --fail-on slower
  Two kinds of servers:
    $ convoy ab --a 'backend=embedded' --b 'backend=containers'

Every option of `simulate` about load, pipeline and servers can be given for both sides. A side
is a list of `option=value` separated by spaces, named as the options are. A round is four trials:
A, B, B, A. `docs/compare.md` describes the method.";

/// Options that only `ab` has: they are not passed to the trials.
pub const OWN: [&str; 12] = [
    "a",
    "b",
    "a-exe",
    "b-exe",
    "rounds",
    "max-rounds",
    "confirm",
    "threshold",
    "confidence",
    "fail-on",
    "format",
    "output",
];

/// Options as clap parses them.
#[derive(Args)]
pub struct AbArgs {
    #[command(flatten)]
    pub sides: SideArgs,

    #[command(flatten)]
    pub judge: JudgeArgs,

    #[command(flatten)]
    pub load: LoadArgs,

    #[command(flatten)]
    pub read: DatasetArgs,

    #[command(flatten)]
    pub pipeline: PipelineArgs,

    #[command(flatten)]
    pub topics: TopicArgs,

    #[command(flatten)]
    pub producer: PublishArgs,

    #[command(flatten)]
    pub writer: WriterArgs,

    #[command(flatten)]
    pub servers: ServerArgs,

    #[command(flatten)]
    pub security: SecurityArgs,

    #[command(flatten)]
    pub timeouts: TimeoutArgs,

    #[command(flatten)]
    pub store_timeouts: StoreTimeoutArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub env_file: EnvFileArgs,
}

/// What is compared.
#[derive(Args)]
#[command(next_help_heading = "Sides")]
pub struct SideArgs {
    /// Settings of the base: `option=value`, separated by spaces.
    #[arg(long, value_name = "SETTINGS", hide_env = true)]
    pub a: Vec<String>,

    /// Settings of the candidate, which is judged.
    #[arg(long, value_name = "SETTINGS", hide_env = true)]
    pub b: Vec<String>,

    /// Executable of convoy for the base; each trial starts servers of its own.
    #[arg(long, value_name = "PATH", hide_env = true)]
    pub a_exe: Option<PathBuf>,

    /// Executable of convoy for the candidate.
    #[arg(long, value_name = "PATH", hide_env = true)]
    pub b_exe: Option<PathBuf>,

    /// Number of rounds of four trials; 4 are the fewest for a verdict.
    #[arg(long, value_name = "N", default_value = "6")]
    #[arg(value_parser = parse::rounds, allow_negative_numbers = true)]
    pub rounds: u32,

    /// Run more rounds, up to this many, if `--rounds` do not tell and more probably would; the number
    /// of `--rounds` itself runs no more. [default: four times `--rounds`]
    #[arg(long, value_name = "N", hide_short_help = true)]
    #[arg(value_parser = parse::max_rounds, allow_negative_numbers = true)]
    pub max_rounds: Option<u32>,

    /// Number of further rounds that must confirm a difference; 0 needs none.
    #[arg(long, value_name = "N", default_value = "2")]
    #[arg(value_parser = parse::more_rounds, allow_negative_numbers = true)]
    pub confirm: u32,

    /// Directory for results; the comparison gets a directory in it.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub output: PathBuf,
}
