//! Options of `convoy produce`.

use clap::Args;

use crate::cli::args::groups::{
    BrokerArgs, EnvFileArgs, LoadArgs, OutputArgs, PublishArgs, ReportArgs, TimeoutArgs, TopicArgs,
};
use crate::cli::args::reading::DatasetArgs;
use crate::cli::parse;
use crate::fleet::Shard;

/// Shown after the short help.
pub const EXAMPLES: &str = "\
Examples:
  convoy produce --broker kafka:9092 --vehicles 1000
  convoy produce --broker kafka:9092 --vehicles 1000 --run-id night --shard 1/2";

/// Shown after the long help.
pub const LONG_EXAMPLES: &str = "\
Examples:
  Emit the whole fleet:
    $ convoy produce --broker kafka:9092 --vehicles 1000
  Emit half of the fleet from this host, and the other half from another:
    $ convoy produce --broker kafka:9092 --vehicles 1000 --run-id night --shard 1/2
    $ convoy produce --broker kafka:9092 --vehicles 1000 --run-id night --shard 2/2
  Then join the reports, and audit all documents of the run:
    $ convoy report merge runs/night-1of2 runs/night-2of2 --store mongodb://mongo:27017

Options also come from environment variables, `.env` and a scenario; see `convoy simulate --help`.";

/// Options as clap parses them.
#[derive(Args)]
pub struct ProduceArgs {
    #[command(flatten)]
    pub load: LoadArgs,

    #[command(flatten)]
    pub read: DatasetArgs,

    #[command(flatten)]
    pub part: PartArgs,

    #[command(flatten)]
    pub topic: TopicNameArgs,

    #[command(flatten)]
    pub topics: TopicArgs,

    #[command(flatten)]
    pub producer: PublishArgs,

    #[command(flatten)]
    pub broker: BrokerArgs,

    #[command(flatten)]
    pub timeouts: TimeoutArgs,

    #[command(flatten)]
    pub report: ReportArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub env_file: EnvFileArgs,
}

/// The part of a run that this process emits.
#[derive(Args)]
#[command(next_help_heading = "Load")]
pub struct PartArgs {
    /// Part of the fleet to emit: `2/5` is the second of five parts.
    #[arg(long, value_name = "K/N")]
    #[arg(value_parser = parse::value::<ShardArg>)]
    pub shard: Option<ShardArg>,

    /// Name of the run; use the same for all parts [default: made from the time].
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = parse::name)]
    pub run_id: Option<String>,
}

/// The topic of the readings.
#[derive(Args)]
#[command(next_help_heading = "Pipeline")]
pub struct TopicNameArgs {
    /// Topic [default: the name of the dataset's file or folder].
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = parse::topic)]
    pub topic: Option<String>,
}

/// Value of `--shard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardArg(pub Shard);

impl std::str::FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(number, count)| {
            Some((number.parse::<u32>().ok()?, count.parse::<u32>().ok()?))
        });
        match numbers {
            None => Err("expected K/N, such as `2/5` for the second of five parts".to_owned()),
            Some((_, 0)) => Err("the number of parts must be at least 1".to_owned()),
            Some((0, _)) => Err("parts are numbered from 1".to_owned()),
            Some((number, count)) if number > count => {
                Err(format!("there are only {count} parts, not {number}"))
            }
            Some((number, count)) => Ok(Self(Shard {
                index: number - 1,
                count,
            })),
        }
    }
}
