//! Flags of `convoy consume`.

use std::time::Duration;

use clap::Args;

use crate::cli::args::groups::{
    ConnectionArgs, PatienceArgs, ReportArgs, TalkArgs, TopicArgs, WriterArgs,
};
use crate::cli::args::parse;
use crate::pipeline::Start;

/// Shown below the long help.
pub const EXAMPLES: &str = "\
Examples:
  Until Ctrl-C; start it as often as there are hosts to share the partitions:
    $ convoy consume --broker kafka:9092 --store mongodb://mongo:27017 --topic kafka-sensor-topic
  Until nothing has come for ten seconds:
    $ convoy consume --topic kafka-sensor-topic --idle 10s
  Everything once more, which stores nothing twice:
    $ convoy consume --topic kafka-sensor-topic --from earliest --idle 10s

A process that ends or dies leaves its partitions to the others, which go on where it had stored.
Options come from a scenario and the environment too, as those of `convoy simulate`.";

/// What can be typed.
#[derive(Args)]
pub struct ConsumeArgs {
    /// Group of processes that share the partitions; each group reads every record.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "convoy",
        help_heading = "Group"
    )]
    #[arg(value_parser = parse::name)]
    pub group: String,

    /// Where the group begins: `checkpoint` (behind what it has stored), `earliest` or `latest`; the
    /// others move its checkpoints, for which none of its processes may be at work.
    #[arg(
        long,
        value_name = "WHERE",
        default_value = "checkpoint",
        help_heading = "Group"
    )]
    #[arg(value_parser = parse::value::<Start>)]
    pub from: Start,

    /// Between two signs of life of this process.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1s",
        help_heading = "Group",
        hide = true
    )]
    #[arg(value_parser = parse::span)]
    pub beat: Duration,

    /// Take over the partitions of a process that has given no sign of life for so long.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "6s",
        help_heading = "Group"
    )]
    #[arg(value_parser = parse::span)]
    pub dead_after: Duration,

    /// How long to consume [default: until Ctrl-C].
    #[arg(short, long, value_name = "TIME", help_heading = "Length")]
    #[arg(value_parser = parse::span)]
    pub duration: Option<Duration>,

    /// End when this process has stored so many records.
    #[arg(long, value_name = "N", help_heading = "Length")]
    #[arg(value_parser = parse::count::<u64>, allow_negative_numbers = true)]
    pub records: Option<u64>,

    /// End when nothing has come for so long.
    #[arg(long, value_name = "TIME", help_heading = "Length")]
    #[arg(value_parser = parse::span)]
    pub idle: Option<Duration>,

    /// How long storing what was read may take at the end.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        help_heading = "Length"
    )]
    #[arg(value_parser = parse::span)]
    pub drain_timeout: Duration,

    #[command(flatten)]
    pub patience: PatienceArgs,

    /// How long the store may fail to answer before the run gives up.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2m",
        help_heading = "Length"
    )]
    #[arg(value_parser = parse::span)]
    pub store_timeout: Duration,

    /// Try to store the dead letters of these topics again first, once their cause is mended.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL", hide_possible_values = true)]
    #[arg(
        default_value = "false",
        default_missing_value = "true",
        help_heading = "Pipeline"
    )]
    #[arg(action = clap::ArgAction::Set, hide_default_value = true)]
    pub replay_dead_letters: bool,

    /// Topics to read, several with commas between.
    #[arg(
        long,
        value_name = "NAME,…",
        default_value = "kafka-sensor-topic",
        help_heading = "Pipeline",
        value_delimiter = ','
    )]
    #[arg(value_parser = parse::topic)]
    pub topic: Vec<String>,

    #[command(flatten)]
    pub creation: TopicArgs,

    #[command(flatten)]
    pub writer: WriterArgs,

    /// Addresses of the broker.
    #[arg(long, value_name = "HOST:PORT,…", help_heading = "Servers")]
    pub broker: Option<String>,

    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// URI of the store (mongodb://…).
    #[arg(long, value_name = "URI", help_heading = "Servers")]
    pub store: Option<String>,

    #[command(flatten)]
    pub report: ReportArgs,

    #[command(flatten)]
    pub talk: TalkArgs,
}
