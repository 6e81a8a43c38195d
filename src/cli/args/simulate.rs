//! Flags of `convoy simulate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::args::groups::{
    ConnectionArgs, FleetArgs, LengthArgs, PatienceArgs, ProducerArgs, ReportArgs, TalkArgs,
    TopicArgs, WriterArgs,
};
use crate::cli::args::parse;
use crate::faults::Spec;
use crate::settings::{Backend, Sink};
use crate::{broker, store};

/// Shown below the long help.
pub const EXAMPLES: &str = "\
Examples:
  Fifty vehicles for ten seconds, nothing to install:
    $ convoy simulate
  As fast as it goes, 200,000 readings:
    $ convoy simulate --vehicles 1000 --rate max --records 200000
  Fail where a build made the pipeline slower:
    $ convoy simulate --max-end-to-end-p99 250ms --min-throughput 45
  Your own rows, each once:
    $ convoy simulate --dataset trucks.csv --records all

Each option can also stand in a scenario (`vehicles = 50`) or an environment variable
(CONVOY_VEHICLES=50), the file .env included. Flags win over the scenario, the scenario over the
environment, the environment over defaults.";

/// What can be typed.
#[derive(Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    pub fleet: FleetArgs,

    #[command(flatten)]
    pub length: LengthArgs,

    /// How long to wait until everything emitted is stored.
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

    /// Topic [default: named by the folder of the dataset].
    #[arg(long, value_name = "NAME", help_heading = "Pipeline")]
    #[arg(value_parser = parse::topic)]
    pub topic: Option<String>,

    #[command(flatten)]
    pub creation: TopicArgs,

    /// Consumers that share the partitions [default: 2, or 1 for one partition].
    #[arg(long, value_name = "N", help_heading = "Pipeline")]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub consumers: Option<u32>,

    #[command(flatten)]
    pub producer: ProducerArgs,

    #[command(flatten)]
    pub writer: WriterArgs,

    /// Where readings go: `pipeline`, or `null` to measure the pacer alone.
    #[arg(
        long,
        value_name = "SINK",
        default_value = "pipeline",
        help_heading = "Pipeline"
    )]
    pub sink: Sink,

    /// Where both servers come from: `auto`, `embedded`, `containers` or `external`.
    #[arg(
        short,
        long,
        value_name = "KIND",
        default_value = "auto",
        help_heading = "Servers"
    )]
    pub backend: Backend,

    /// Addresses of an existing broker, or `embedded` or `container`.
    #[arg(long, value_name = "HOST:PORT,…", help_heading = "Servers")]
    pub broker: Option<String>,

    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// URI of an existing store (mongodb://…), or `embedded` or `container`.
    #[arg(long, value_name = "URI", help_heading = "Servers")]
    pub store: Option<String>,

    /// Port of the embedded broker [default: a free one].
    #[arg(long, value_name = "PORT", help_heading = "Servers")]
    #[arg(value_parser = parse::value::<u16>)]
    pub broker_port: Option<u16>,

    /// Port of the embedded store [default: a free one].
    #[arg(long, value_name = "PORT", help_heading = "Servers")]
    #[arg(value_parser = parse::value::<u16>)]
    pub store_port: Option<u16>,

    /// Where the embedded servers keep their data [default: a temporary directory].
    #[arg(long, value_name = "DIR", help_heading = "Servers")]
    pub data_dir: Option<PathBuf>,

    /// Image of a broker in a container.
    #[arg(long, value_name = "IMAGE", default_value = broker::container::IMAGE, help_heading = "Servers")]
    pub redpanda_image: String,

    /// Image of a store in a container.
    #[arg(long, value_name = "IMAGE", default_value = store::container::IMAGE, help_heading = "Servers")]
    pub mongo_image: String,

    /// How long a container may take until its server answers.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        help_heading = "Servers"
    )]
    #[arg(value_parser = parse::span)]
    pub start_timeout: Duration,

    /// Leave containers running, and say how to reach and remove them.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL", hide_possible_values = true)]
    #[arg(
        default_value = "false",
        default_missing_value = "true",
        help_heading = "Servers"
    )]
    #[arg(action = clap::ArgAction::Set, hide_default_value = true)]
    pub keep: bool,

    #[command(flatten)]
    pub report: ReportArgs,

    /// Fail where the end-to-end p99 is above this.
    #[arg(long, value_name = "TIME", help_heading = "Output")]
    #[arg(value_parser = parse::span)]
    pub max_end_to_end_p99: Option<Duration>,

    /// Fail where fewer records per second are stored.
    #[arg(long, value_name = "RATE", help_heading = "Output")]
    #[arg(value_parser = parse::positive, allow_negative_numbers = true)]
    pub min_throughput: Option<f64>,

    /// Fail where more records end as dead letters [default: fail at the first].
    #[arg(long, value_name = "N", help_heading = "Output")]
    #[arg(value_parser = parse::value::<u64>, allow_negative_numbers = true)]
    pub max_dead_letters: Option<u64>,

    /// What goes wrong on purpose, such as `broker-restart@5s,store-cut-after-apply=0.001`, or
    /// `chaos`.
    ///
    /// A list with commas between. Instants count from the first reading.
    ///
    /// data=KIND:P+KIND:P      spoils a share of the readings: missing-batch, out-of-order,
    ///                         duplicate, na-storm, wrong-type, extra-column, missing-column,
    ///                         truncated-header, oversized
    /// broker-restart@5s       in order, as is store-restart@5s
    /// broker-crash@5s         losing what was not synced
    /// broker-hang@5s+2s       no answer for 2s, as is store-hang@5s+2s
    /// slow-store=20ms@5s+2s   20ms more per request for 2s, as is slow-broker=20ms@5s+2s
    /// NAME=P                  at a share of the requests: broker-cut-before-append,
    ///                         broker-cut-after-append, broker-cut-on-fetch, broker-not-ready,
    ///                         broker-disk-full, store-cut-before-apply, store-cut-after-apply,
    ///                         store-concern-unmet
    /// chaos                   a plan drawn from `--seed`
    #[arg(
        long,
        value_name = "PLAN",
        help_heading = "Faults",
        verbatim_doc_comment
    )]
    #[arg(value_parser = parse::value::<Spec>)]
    pub faults: Option<Spec>,

    #[command(flatten)]
    pub talk: TalkArgs,
}
