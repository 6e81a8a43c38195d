//! Options of `convoy simulate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::args::external::ConsumerArgs;
use crate::cli::args::groups::{
    EnvFileArgs, LoadArgs, OutputArgs, PublishArgs, ReportArgs, SecurityArgs, StoreTimeoutArgs,
    TimeoutArgs, TopicArgs, WriterArgs,
};
use crate::cli::args::reading::DatasetArgs;
use crate::cli::parse;
use crate::settings::{Backend, Sink};
use crate::{broker, store};

/// Shown after the short help.
pub const EXAMPLES: &str = "\
Examples:
  convoy simulate --vehicles 1000 --rate max --records 200k
  convoy simulate --max-end-to-end-p99 250ms --min-throughput 45";

/// Shown after the long help.
pub const LONG_EXAMPLES: &str = "\
Examples:
  Fifty vehicles for ten seconds, with nothing to install:
    $ convoy simulate
  200,000 readings, as fast as the pipeline accepts them:
    $ convoy simulate --vehicles 1000 --rate max --records 200k
  Fail if a build made the pipeline slower:
    $ convoy simulate --max-end-to-end-p99 250ms --min-throughput 45
  Replay your own rows once:
    $ convoy simulate --dataset trucks.csv --records all
  Test your own consumer, killed and started again after five seconds:
    $ convoy simulate --consumer external --consumer-command ./consumer --faults consumer-crash@5s
  Restart the broker five seconds after the first reading:
    $ convoy simulate --faults broker-restart@5s
  Repeat a run, with more vehicles:
    $ convoy simulate --again runs/20261128-231537-26a0 --vehicles 100

Counts take `10k`, `1_000` and `2M`. Each option can also be set by an environment variable
(CONVOY_VEHICLES=50), in the file `.env`, or in a scenario (`vehicles = 50`). Flags override
environment variables, which override the scenario, which overrides defaults. Servers that `.env`
names are used only with `--backend external`.

Credentials come from environment variables only: CONVOY_BROKER_USERNAME and
CONVOY_BROKER_PASSWORD, CONVOY_REGISTRY_URL, CONVOY_REGISTRY_USERNAME and
CONVOY_REGISTRY_PASSWORD. Those of the store are part of its URI.";

/// Options as clap parses them.
#[derive(Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    pub load: LoadArgs,

    #[command(flatten)]
    pub read: DatasetArgs,

    #[command(flatten)]
    pub pipeline: PipelineArgs,

    #[command(flatten)]
    pub consumer: ConsumerArgs,

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
    pub report: ReportArgs,

    #[command(flatten)]
    pub thresholds: ThresholdArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub run: RunArgs,

    #[command(flatten)]
    pub env_file: EnvFileArgs,
}

/// The pipeline as a whole.
#[derive(Args)]
#[command(next_help_heading = "Pipeline")]
pub struct PipelineArgs {
    /// Topic [default: the name of the dataset's file or folder].
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = parse::topic)]
    pub topic: Option<String>,

    /// Faults to inject, such as `broker-restart@5s`; see `--help`.
    ///
    /// A list separated by commas. Times count from the first reading.
    ///
    /// data=KIND:P+KIND:P      corrupt this share of the readings; P is from 0 to 1. Kinds:
    ///                         missing-batch, out-of-order, duplicate, na-storm, wrong-type,
    ///                         extra-column, missing-column, truncated-header, oversized
    /// broker-restart@5s       stop and start; also store-restart@5s
    /// consumer-crash@5s       kill the command of an external consumer and start it again; also
    ///                         consumer-restart@5s (SIGTERM), consumer-hang@5s+2s (SIGSTOP)
    /// broker-crash@5s         lose everything that was not synced
    /// broker-hang@5s+2s       respond to nothing for 2s; also store-hang@5s+2s
    /// slow-store=20ms@5s+2s   delay each request by 20ms for 2s, or without `@` for the whole run; also
    ///                         slow-broker=20ms@5s+2s
    /// NAME=P                  fail this share of the requests: broker-cut-before-append,
    ///                         broker-cut-after-append, broker-cut-on-fetch, broker-not-ready,
    ///                         broker-disk-full, store-cut-before-apply, store-cut-after-apply,
    ///                         store-concern-unmet
    /// chaos                   a plan drawn from `--seed`
    #[arg(long, value_name = "PLAN", verbatim_doc_comment)]
    #[arg(value_parser = parse::faults)]
    pub faults: Vec<String>,

    /// Consumers that share the partitions [default: 2, or 1 with one partition].
    #[arg(long, value_name = "N", hide_short_help = true)]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub consumers: Option<u32>,

    /// Destination of the readings: `pipeline`, or `null` to measure the load generator alone.
    #[arg(
        long,
        value_name = "SINK",
        default_value = "pipeline",
        hide_short_help = true
    )]
    pub sink: Sink,
}

/// The broker and the store of a run.
#[derive(Args)]
#[command(next_help_heading = "Servers")]
pub struct ServerArgs {
    /// Servers: `auto`, `embedded`, `containers` or `external`.
    ///
    /// `auto` uses the servers of `--broker` and `--store` if they are set, else containers if
    /// both images are on this machine, else embedded servers. `containers` pulls missing images.
    /// `external` uses the servers that `.env` names; other kinds never do.
    #[arg(short, long, value_name = "KIND", default_value = "auto")]
    pub backend: Backend,

    /// Addresses of an existing broker, or `embedded` or `container`.
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub broker: Vec<String>,

    /// URI of an existing store (mongodb://…), or `embedded` or `container`.
    #[arg(long, value_name = "URI")]
    pub store: Option<String>,

    /// Data directory of embedded servers [default: a temporary directory].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Port of the embedded broker [default: a free port].
    #[arg(long, value_name = "PORT", hide_short_help = true)]
    #[arg(value_parser = parse::port)]
    pub broker_port: Option<u16>,

    /// Port of the embedded store [default: a free port].
    #[arg(long, value_name = "PORT", hide_short_help = true)]
    #[arg(value_parser = parse::port)]
    pub store_port: Option<u16>,

    /// Image of the broker's container.
    #[arg(long, value_name = "IMAGE", default_value = broker::container::IMAGE, hide_short_help = true)]
    pub redpanda_image: String,

    /// Image of the store's container.
    #[arg(long, value_name = "IMAGE", default_value = store::container::IMAGE, hide_short_help = true)]
    pub mongo_image: String,

    /// Timeout for a container to become ready.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::span)]
    pub start_timeout: Duration,

    /// Keep containers running after the run, and print how to reach and remove them.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL", hide_possible_values = true)]
    #[arg(
        default_value = "false",
        default_missing_value = "true",
        hide_short_help = true
    )]
    #[arg(action = clap::ArgAction::Set, hide_default_value = true)]
    pub keep: bool,
}

/// The name of the run, and the run to repeat.
#[derive(Args)]
#[command(next_help_heading = "Output")]
pub struct RunArgs {
    /// Name of the run, and of its directory [default: made from the time].
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    #[arg(value_parser = parse::name)]
    pub run_id: Option<String>,

    /// Run again with the options of an earlier run.
    ///
    /// Flags override them. Passwords are not part of a report.
    #[arg(long, value_name = "RUN")]
    pub again: Option<PathBuf>,
}

/// When a run fails.
#[derive(Args)]
#[command(next_help_heading = "Output")]
pub struct ThresholdArgs {
    /// Fail if the end-to-end p99 is above this.
    #[arg(long, value_name = "TIME")]
    #[arg(value_parser = parse::span)]
    pub max_end_to_end_p99: Option<Duration>,

    /// Fail if fewer records per second are stored.
    #[arg(long, value_name = "N")]
    #[arg(value_parser = parse::positive, allow_negative_numbers = true)]
    pub min_throughput: Option<f64>,

    /// Fail if there are more dead letters [default: fail at the first].
    #[arg(long, value_name = "N", hide_short_help = true)]
    #[arg(value_parser = parse::whole, allow_negative_numbers = true)]
    pub max_dead_letters: Option<u64>,
}
