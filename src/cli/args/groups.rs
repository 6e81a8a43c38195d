//! Flags that several commands share, in the groups that they share.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::broker::{Compression, Mechanism, SecurityProtocol};
use crate::cli::args::parse;
use crate::dataset::SAMPLE_PATH;
use crate::fleet::Key;
use crate::load::{Arrival, Rate};
use crate::settings::{Encoding, Format};
use crate::terminal::ProgressMode;

/// The fleet: what `simulate` and `produce` emit.
#[derive(Args)]
pub struct FleetArgs {
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

    /// CSV file, folder of them, or folder with one folder per topic; the default is built in.
    #[arg(
        long,
        value_name = "PATH",
        default_value = SAMPLE_PATH,
        help_heading = "Fleet"
    )]
    pub dataset: PathBuf,

    /// Seed of every random choice; the same seed emits the same readings.
    #[arg(long, value_name = "N", default_value = "42", help_heading = "Fleet")]
    #[arg(value_parser = parse::value::<u64>)]
    pub seed: u64,
}

/// How long a fleet emits.
#[derive(Args)]
pub struct LengthArgs {
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
}

/// How long the broker is waited for.
#[derive(Args)]
pub struct PatienceArgs {
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
}

/// How topics are made that do not exist.
#[derive(Args)]
pub struct TopicArgs {
    /// Partitions of a topic that is created; if given, an existing one must have as many.
    #[arg(long, value_name = "N", default_value = "4", help_heading = "Pipeline")]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub partitions: u32,

    /// Replicas of each partition of a topic that is created [default: as the broker is configured].
    #[arg(long, value_name = "N", help_heading = "Pipeline")]
    #[arg(value_parser = parse::replicas, allow_negative_numbers = true)]
    pub replication_factor: Option<i16>,
}

/// How messages are sent.
#[derive(Args)]
pub struct ProducerArgs {
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
}

/// How documents are written.
#[derive(Args)]
pub struct WriterArgs {
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
}

/// How to talk to an existing broker.
#[derive(Args)]
pub struct ConnectionArgs {
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
}

/// Where the report goes.
#[derive(Args)]
pub struct ReportArgs {
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
}

/// What is said meanwhile, and where options may come from.
#[derive(Args)]
pub struct TalkArgs {
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
