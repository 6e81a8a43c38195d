//! Flags of `convoy simulate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::broker::{Compression, Mechanism, SecurityProtocol};
use crate::command::settings::{Backend, Encoding, Format, Sink};
use crate::fleet::Key;
use crate::load::{Arrival, Rate};
use crate::terminal::ProgressMode;
use crate::{broker, store};

use super::parse;

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
    /// Number of vehicles.
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        default_value = "50",
        help_heading = "Fleet"
    )]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub vehicles: u32,

    /// Readings of each vehicle: `2` per second, `30/m`, `3600/h` or `max`.
    #[arg(
        short,
        long,
        value_name = "RATE",
        default_value = "1",
        help_heading = "Fleet"
    )]
    #[arg(value_parser = parse::value::<Rate>, allow_negative_numbers = true)]
    pub rate: Rate,

    /// Readings of the whole fleet, instead of `--rate`.
    #[arg(
        long,
        value_name = "RATE",
        conflicts_with = "rate",
        help_heading = "Fleet"
    )]
    #[arg(value_parser = parse::value::<Rate>, allow_negative_numbers = true)]
    pub total_rate: Option<Rate>,

    /// Shape of the arrivals: `uniform`, `poisson`, `burst` or `ramp`.
    #[arg(
        long,
        value_name = "SHAPE",
        default_value = "uniform",
        help_heading = "Fleet"
    )]
    #[arg(value_parser = parse::value::<Arrival>)]
    pub arrival: Arrival,

    /// Key of each message: `vehicle` (keeps a vehicle's order), `uuid` or `none`.
    #[arg(
        long,
        value_name = "KEY",
        default_value = "vehicle",
        help_heading = "Fleet"
    )]
    #[arg(value_parser = parse::value::<Key>)]
    pub key: Key,

    /// CSV file, folder of them, or folder with one folder per topic.
    #[arg(
        long,
        value_name = "PATH",
        default_value = "sample_data",
        help_heading = "Fleet"
    )]
    pub dataset: PathBuf,

    /// Seed of every random choice; the same seed emits the same readings.
    #[arg(long, value_name = "N", default_value = "42", help_heading = "Fleet")]
    #[arg(value_parser = parse::value::<u64>)]
    pub seed: u64,

    /// How long to measure, after the warm-up.
    #[arg(
        short,
        long,
        value_name = "TIME",
        default_value = "10s",
        help_heading = "Length"
    )]
    #[arg(value_parser = parse::span)]
    pub duration: Duration,

    /// How many readings to measure, or `all` rows once, instead of `--duration`.
    #[arg(
        long,
        value_name = "N|all",
        conflicts_with = "duration",
        help_heading = "Length"
    )]
    #[arg(allow_negative_numbers = true)]
    pub records: Option<RecordsArg>,

    /// Load before measuring starts [default: 2s; 0s with `--records`].
    #[arg(long, value_name = "TIME", help_heading = "Length")]
    #[arg(value_parser = parse::duration)]
    pub warmup: Option<Duration>,

    /// How long to wait until everything emitted is stored.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        help_heading = "Length"
    )]
    #[arg(value_parser = parse::span)]
    pub drain_timeout: Duration,

    /// How long one request may take until it counts as unanswered and is sent again.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        help_heading = "Length"
    )]
    #[arg(value_parser = parse::span)]
    pub request_timeout: Duration,

    /// How long the broker may fail to answer before the run gives up.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2m",
        help_heading = "Length"
    )]
    #[arg(value_parser = parse::span)]
    pub broker_timeout: Duration,

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

    /// Partitions of a topic that is created.
    #[arg(long, value_name = "N", default_value = "4", help_heading = "Pipeline")]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub partitions: u32,

    /// Consumers that share the partitions [default: 2, or 1 for one partition].
    #[arg(long, value_name = "N", help_heading = "Pipeline")]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub consumers: Option<u32>,

    /// How long the producer gathers a batch.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5ms",
        help_heading = "Pipeline"
    )]
    #[arg(value_parser = parse::duration)]
    pub linger: Duration,

    /// Compression of record batches: `none`, `gzip`, `lz4`, `snappy` or `zstd`.
    #[arg(
        long,
        value_name = "CODEC",
        default_value = "none",
        help_heading = "Pipeline"
    )]
    pub compression: Compression,

    /// Form of each message: `json`, or `confluent` with a schema id before it.
    #[arg(
        long,
        value_name = "FORM",
        default_value = "json",
        help_heading = "Pipeline"
    )]
    pub encoding: Encoding,

    /// Most documents of one insert.
    #[arg(
        long,
        value_name = "N",
        default_value = "1000",
        help_heading = "Pipeline"
    )]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub batch_records: u32,

    /// How long the writer gathers an insert.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10ms",
        help_heading = "Pipeline"
    )]
    #[arg(value_parser = parse::duration)]
    pub batch_wait: Duration,

    /// Database to write to.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "convoy",
        help_heading = "Pipeline"
    )]
    #[arg(value_parser = parse::database)]
    pub database: String,

    /// Collection to write to.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "sensor",
        help_heading = "Pipeline"
    )]
    #[arg(value_parser = parse::collection)]
    pub collection: String,

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

    /// How to talk to an existing broker: `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`
    /// [default: `sasl_ssl` with a user, `plaintext` without].
    #[arg(long, value_name = "PROTOCOL", help_heading = "Servers")]
    pub security_protocol: Option<SecurityProtocol>,

    /// How the password is shown to an existing broker: `plain`, `scram-sha-256` or
    /// `scram-sha-512`.
    #[arg(
        long,
        value_name = "MECHANISM",
        default_value = "plain",
        help_heading = "Servers"
    )]
    pub sasl_mechanism: Mechanism,

    /// Certificate authorities of an existing broker, a PEM file [default: those of the web].
    #[arg(long, value_name = "FILE", help_heading = "Servers")]
    pub ca_file: Option<PathBuf>,

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

    /// Where the run's directory is made.
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "runs",
        help_heading = "Output"
    )]
    pub output: PathBuf,

    /// Form of the report on stdout: `text` or `json`.
    #[arg(
        long,
        value_name = "FORM",
        default_value = "text",
        help_heading = "Output"
    )]
    pub format: Format,

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

    /// Progress on stderr: `auto` draws bars on a terminal, `never` writes plain lines.
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub progress: ProgressMode,

    /// TOML file with any of these options.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub scenario: Option<PathBuf>,
}

/// `--records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordsArg {
    /// That many readings.
    Number(u64),
    /// Every row once.
    All,
}

impl std::str::FromStr for RecordsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        parse::count(text)
            .map(Self::Number)
            .map_err(|reason| format!("{reason}, or `all`"))
    }
}
