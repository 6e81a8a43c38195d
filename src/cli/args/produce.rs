//! Flags of `convoy produce`.

use clap::Args;

use crate::cli::args::groups::{
    ConnectionArgs, FleetArgs, LengthArgs, PatienceArgs, ProducerArgs, ReportArgs, TalkArgs,
    TopicArgs,
};
use crate::cli::args::parse;
use crate::fleet::Shard;

/// Shown below the long help.
pub const EXAMPLES: &str = "\
Examples:
  The whole fleet:
    $ convoy produce --broker kafka:9092 --vehicles 1000
  Half of it from here, the other half from another host:
    $ convoy produce --broker kafka:9092 --vehicles 1000 --run-id night --shard 1/2
    $ convoy produce --broker kafka:9092 --vehicles 1000 --run-id night --shard 2/2
  Afterwards, what became of it all:
    $ convoy report merge night-1/report.json night-2/report.json --store mongodb://mongo:27017

Options come from a scenario and the environment too, as those of `convoy simulate`.";

/// What can be typed.
#[derive(Args)]
pub struct ProduceArgs {
    #[command(flatten)]
    pub fleet: FleetArgs,

    /// Which part of the fleet to emit: `2/5` is the second of five.
    #[arg(long, value_name = "K/N", help_heading = "Fleet")]
    #[arg(value_parser = parse::value::<ShardArg>)]
    pub shard: Option<ShardArg>,

    /// Name of the run, the same for all its parts [default: made of the time].
    #[arg(long, value_name = "NAME", help_heading = "Fleet")]
    #[arg(value_parser = parse::name)]
    pub run_id: Option<String>,

    #[command(flatten)]
    pub length: LengthArgs,

    #[command(flatten)]
    pub patience: PatienceArgs,

    /// Topic [default: named by the folder of the dataset].
    #[arg(long, value_name = "NAME", help_heading = "Pipeline")]
    #[arg(value_parser = parse::topic)]
    pub topic: Option<String>,

    #[command(flatten)]
    pub creation: TopicArgs,

    #[command(flatten)]
    pub producer: ProducerArgs,

    /// Addresses of the broker.
    #[arg(long, value_name = "HOST:PORT,…", help_heading = "Servers")]
    pub broker: Option<String>,

    #[command(flatten)]
    pub connection: ConnectionArgs,

    #[command(flatten)]
    pub report: ReportArgs,

    #[command(flatten)]
    pub talk: TalkArgs,
}

/// `--shard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardArg(pub Shard);

impl std::str::FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(number, count)| {
            Some((number.parse::<u32>().ok()?, count.parse::<u32>().ok()?))
        });
        match numbers {
            None => Err("expected the number of a part and of how many, such as `2/5`".to_owned()),
            Some((_, 0)) => Err("there must be at least one part".to_owned()),
            Some((0, _)) => Err("parts are counted from 1".to_owned()),
            Some((number, count)) if number > count => {
                Err(format!("there is no part {number} of {count}"))
            }
            Some((number, count)) => Ok(Self(Shard {
                index: number - 1,
                count,
            })),
        }
    }
}
