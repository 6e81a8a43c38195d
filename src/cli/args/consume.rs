//! Options of `convoy consume`.

use std::time::Duration;

use clap::Args;

use crate::broker::Isolation;
use crate::cli::args::groups::{
    BrokerArgs, EnvFileArgs, OutputArgs, ReportArgs, StoreTimeoutArgs, TimeoutArgs, TopicArgs,
    WriterArgs,
};
use crate::cli::parse;
use crate::pipeline::{OnError, Start};

/// Shown after the short help.
pub const EXAMPLES: &str = "\
Examples:
  convoy consume --broker kafka:9092 --store mongodb://mongo:27017 --topic sensor
  convoy consume --topic sensor --from earliest --idle 10s";

/// Shown after the long help.
pub const LONG_EXAMPLES: &str = "\
Examples:
  Consume until Ctrl-C; start one process per host to share the partitions:
    $ convoy consume --broker kafka:9092 --store mongodb://mongo:27017 --topic sensor
  Stop after receiving nothing for ten seconds:
    $ convoy consume --topic sensor --idle 10s
  Read the topic again from the beginning; documents that exist are not stored twice:
    $ convoy consume --topic sensor --from earliest --idle 10s
  Retry dead letters after you fixed their cause:
    $ convoy consume --topic sensor --replay-dead-letters --idle 5s

When a process stops or dies, the other members of the group take over its partitions at their
checkpoints. Options also come from environment variables, `.env` and a scenario; see
`convoy simulate --help`.";

/// Options as clap parses them.
#[derive(Args)]
pub struct ConsumeArgs {
    #[command(flatten)]
    pub group: GroupArgs,

    #[command(flatten)]
    pub length: LengthArgs,

    #[command(flatten)]
    pub pipeline: SourceArgs,

    #[command(flatten)]
    pub records: RecordArgs,

    #[command(flatten)]
    pub topics: TopicArgs,

    #[command(flatten)]
    pub writer: WriterArgs,

    #[command(flatten)]
    pub broker: BrokerArgs,

    #[command(flatten)]
    pub store: StoreArgs,

    #[command(flatten)]
    pub timeouts: TimeoutArgs,

    #[command(flatten)]
    pub store_timeouts: StoreTimeoutArgs,

    #[command(flatten)]
    pub report: ReportArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub env_file: EnvFileArgs,
}

/// The group of processes that share the partitions.
#[derive(Args)]
#[command(next_help_heading = "Group")]
pub struct GroupArgs {
    /// Kafka consumer group whose members share the partitions; each group reads every record.
    ///
    /// Its members use the cooperative sticky assignor, as other consumers of the group must.
    #[arg(long, value_name = "NAME", default_value = "convoy")]
    #[arg(value_parser = parse::name)]
    pub group: String,

    /// Start at the `checkpoint`, or reset the group to `earliest` or `latest`.
    ///
    /// `earliest` and `latest` move the group's checkpoints and its committed offsets. No other member
    /// may be running then.
    #[arg(long, value_name = "POSITION", default_value = "checkpoint")]
    #[arg(value_parser = parse::value::<Start>)]
    pub from: Start,

    /// Interval between two heartbeats of this process.
    #[arg(
        long,
        alias = "beat",
        value_name = "TIME",
        default_value = "1s",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::span)]
    pub heartbeat_interval: Duration,

    /// Other members take over the partitions of this process after it missed heartbeats for this
    /// long. The broker sets the limits; Kafka's lowest is 6s by default.
    #[arg(
        long,
        alias = "dead-after",
        value_name = "TIME",
        default_value = "6s",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::span)]
    pub session_timeout: Duration,

    /// Name of this process among the static members of the group: it keeps its partitions while it
    /// restarts within the session timeout [default: not a static member].
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    #[arg(value_parser = parse::name)]
    pub instance: Option<String>,
}

/// When the process stops.
#[derive(Args)]
#[command(next_help_heading = "Length")]
pub struct LengthArgs {
    /// Consume for this long [default: until Ctrl-C].
    #[arg(short, long, value_name = "TIME")]
    #[arg(value_parser = parse::span)]
    pub duration: Option<Duration>,

    /// Stop after this process stored this many records.
    #[arg(long, value_name = "N")]
    #[arg(value_parser = parse::count::<u64>, allow_negative_numbers = true)]
    pub records: Option<u64>,

    /// Stop after receiving nothing for this long, once every record is stored.
    ///
    /// A broker or a store that does not respond is not idle.
    #[arg(long, value_name = "TIME")]
    #[arg(value_parser = parse::span)]
    pub idle: Option<Duration>,
}

/// What the process reads.
#[derive(Args)]
#[command(next_help_heading = "Pipeline")]
pub struct SourceArgs {
    /// Topics to read, separated by commas.
    #[arg(
        long,
        value_name = "NAME,…",
        default_value = "kafka-sensor-topic",
        value_delimiter = ','
    )]
    #[arg(value_parser = parse::listed_topic)]
    pub topic: Vec<String>,

    /// First retry the dead letters of these topics.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL", hide_possible_values = true)]
    #[arg(default_value = "false", default_missing_value = "true")]
    #[arg(action = clap::ArgAction::Set, hide_default_value = true)]
    pub replay_dead_letters: bool,
}

/// How records become documents.
#[derive(Args)]
#[command(next_help_heading = "Records")]
pub struct RecordArgs {
    /// Records of transactions: `read-committed` leaves aborted and unfinished ones out,
    /// `read-uncommitted` reads all.
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "read-committed",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::value::<Isolation>)]
    pub isolation: Isolation,

    /// Read extended JSON: `{"$date": …}`, `{"$oid": …}`, `{"$numberLong": …}` and so on.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL", hide_possible_values = true, hide_short_help = true)]
    #[arg(default_value = "false", default_missing_value = "true")]
    #[arg(action = clap::ArgAction::Set, hide_default_value = true)]
    pub extended_json: bool,

    /// Action for a record that cannot be stored: `dead-letter` (set it aside) or `stop`.
    #[arg(
        long,
        value_name = "ACTION",
        default_value = "dead-letter",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::value::<OnError>)]
    pub on_error: OnError,

    /// Fail if there are more dead letters [default: fail at the first].
    #[arg(long, value_name = "N", hide_short_help = true)]
    #[arg(value_parser = parse::whole, allow_negative_numbers = true)]
    pub max_dead_letters: Option<u64>,
}

/// The store that the process writes to.
#[derive(Args)]
#[command(next_help_heading = "Servers")]
pub struct StoreArgs {
    /// URI of the store (mongodb://…).
    #[arg(long, value_name = "URI")]
    pub store: Option<String>,
}
