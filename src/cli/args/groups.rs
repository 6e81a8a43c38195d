//! Options that several commands share, in groups.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::broker::{Compression, Mechanism, SecurityProtocol};
use crate::cli::parse;
use crate::dataset::BUILT_IN;
use crate::fleet::Key;
use crate::load::{Arrival, Rate};
use crate::settings::{Encoding, Format};
use crate::terminal::Ui;
use crate::web::WebAddress;

/// What `simulate` and `produce` emit, and for how long.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArgs {
    /// Number of vehicles.
    #[arg(short = 'n', long, value_name = "N", default_value = "50")]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub vehicles: u32,

    /// Rate per vehicle: `2` per second, `30/m`, `3600/h` or `max`.
    #[arg(short, long, value_name = "RATE", default_value = "1")]
    #[arg(value_parser = parse::rate, allow_negative_numbers = true)]
    pub rate: Rate,

    /// Rate of the whole fleet; replaces `--rate`.
    #[arg(
        long,
        value_name = "RATE",
        conflicts_with = "rate",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::rate, allow_negative_numbers = true)]
    pub total_rate: Option<Rate>,

    /// Measure for this long, after the warm-up.
    #[arg(short, long, value_name = "TIME", default_value = "10s")]
    #[arg(value_parser = parse::span)]
    pub duration: Duration,

    /// Measure this many readings, or `all` rows once; replaces `--duration`.
    #[arg(long, value_name = "N|all", conflicts_with = "duration")]
    #[arg(allow_negative_numbers = true)]
    pub records: Option<RecordsArg>,

    /// Length of the warm-up, which is not measured [default: 2s, or 0s with `--records`].
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    #[arg(value_parser = parse::duration)]
    pub warmup: Option<Duration>,

    /// Distribution of the send times: `uniform`, `poisson`, `burst` or `ramp`.
    #[arg(
        long,
        value_name = "SHAPE",
        default_value = "uniform",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::value::<Arrival>)]
    pub arrival: Arrival,

    /// Key of each message: `vehicle` (keeps the order of a vehicle's readings), `uuid` or `none`.
    #[arg(
        long,
        value_name = "KEY",
        default_value = "vehicle",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::value::<Key>)]
    pub key: Key,

    /// CSV file, folder of CSV files, or `-` for stdin.
    ///
    /// The default is built into the executable. The name of a file, or of a folder of CSV files,
    /// is its topic. A folder of such folders has a topic for each.
    #[arg(long, value_name = "PATH", default_value = BUILT_IN)]
    pub dataset: PathBuf,

    /// Seed of all random choices; the same seed emits the same readings.
    #[arg(long, value_name = "N", default_value = "42", hide_short_help = true)]
    #[arg(value_parser = parse::value::<u64>)]
    pub seed: u64,
}

/// When requests to the broker fail, and when an interrupted command is aborted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Timeouts")]
#[expect(
    clippy::struct_field_names,
    reason = "the fields are named as their options"
)]
pub struct TimeoutArgs {
    /// Timeout of one request to the broker; then convoy retries it.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::span)]
    pub request_timeout: Duration,

    /// Give up after the broker has not responded for this long.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2m",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::span)]
    pub broker_timeout: Duration,

    /// Time to drain, audit and report after Ctrl-C, SIGTERM or SIGHUP; then convoy aborts.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "8s",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::span)]
    pub interrupt_timeout: Duration,
}

/// When storing documents fails.
#[derive(Debug, Args)]
#[command(next_help_heading = "Timeouts")]
pub struct StoreTimeoutArgs {
    /// Give up after the store has not responded for this long.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "2m",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::span)]
    pub store_timeout: Duration,

    /// Time to store the remaining records at the end of the run.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::span)]
    pub drain_timeout: Duration,
}

/// How convoy creates topics.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pipeline")]
pub struct TopicArgs {
    /// Partitions of a new topic.
    ///
    /// If this is set, an existing topic must have as many.
    #[arg(long, value_name = "N", default_value = "4")]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub partitions: u32,

    /// Replicas of each partition of a new topic [default: the broker's own].
    #[arg(long, value_name = "N", hide_short_help = true)]
    #[arg(value_parser = parse::count::<i16>, allow_negative_numbers = true)]
    pub replication_factor: Option<i16>,
}

/// How the producer sends messages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pipeline")]
pub struct PublishArgs {
    /// Time for which the producer collects a batch.
    ///
    /// With `0ms`, it sends what waits as soon as no request to the partition is in flight, and
    /// collects while one is.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "0ms",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::duration)]
    pub linger: Duration,

    /// Compression of record batches: `none`, `gzip`, `lz4`, `snappy` or `zstd`.
    #[arg(
        long,
        value_name = "CODEC",
        default_value = "none",
        hide_short_help = true
    )]
    pub compression: Compression,

    /// Encoding of messages: `json`, or `confluent` (JSON after the id of its schema).
    #[arg(
        long,
        value_name = "ENCODING",
        default_value = "json",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::encoding)]
    pub encoding: Encoding,
}

/// How the consumers write documents.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pipeline")]
pub struct WriterArgs {
    /// Maximum number of documents per insert.
    #[arg(long, value_name = "N", default_value = "1000", hide_short_help = true)]
    #[arg(value_parser = parse::count::<u32>, allow_negative_numbers = true)]
    pub batch_records: u32,

    /// Time for which a consumer collects documents for an insert.
    ///
    /// With `0ms`, it inserts what waits as soon as none of its inserts is in flight, and collects
    /// while one is.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "0ms",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::duration)]
    pub batch_wait: Duration,

    /// Database for the documents.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "convoy",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::database)]
    pub database: String,

    /// Collection for the documents.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "sensor",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::collection)]
    pub collection: String,
}

/// The broker that `produce` and `consume` connect to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Servers")]
pub struct BrokerArgs {
    /// Addresses of the broker, separated by commas.
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub broker: Vec<String>,

    #[command(flatten)]
    pub security: SecurityArgs,
}

/// How to connect to an existing broker.
#[derive(Debug, Args)]
#[command(next_help_heading = "Servers")]
pub struct SecurityArgs {
    /// Security protocol of an existing broker: `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`
    /// [default: `sasl_ssl` if a user is set, else `plaintext`].
    #[arg(long, value_name = "PROTOCOL", hide_short_help = true)]
    pub security_protocol: Option<SecurityProtocol>,

    /// SASL mechanism of an existing broker: `plain`, `scram-sha-256` or `scram-sha-512`.
    #[arg(
        long,
        value_name = "MECHANISM",
        default_value = "plain",
        hide_short_help = true
    )]
    pub sasl_mechanism: Mechanism,

    /// PEM file with the CA certificates to trust [default: bundled Mozilla roots].
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub ca_file: Option<PathBuf>,
}

/// Directory and format of the report.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct ReportArgs {
    /// Directory for results.
    ///
    /// Each run gets a directory in it.
    #[arg(short, long, value_name = "DIR", default_value = "runs")]
    pub output: PathBuf,

    /// Format of the report on stdout: `text` or `json`.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,

    /// Also write the verdict and the thresholds as JUnit XML.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub junit: Option<PathBuf>,
}

/// Progress, and the scenario that sets other options.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Progress: `auto`, `bar`, `dashboard`, `plain` or `none`.
    ///
    /// `auto` shows bars if stderr is a terminal that can draw, else a plain line every five seconds.
    /// `dashboard` shows screens with curves, stages and partitions.
    #[arg(long, value_name = "FORM", default_value = "auto", alias = "progress")]
    #[arg(value_parser = parse::ui, hide_short_help = true)]
    pub ui: Ui,

    /// Serve a live page at this address [default: 127.0.0.1:5665; port 0 takes a free one].
    ///
    /// It shows charts, the fleet and metrics for Prometheus (`/metrics`) while the command runs. Only
    /// this machine can read it unless HOST is another address.
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "127.0.0.1:5665", hide_short_help = true)]
    #[arg(value_parser = parse::value::<WebAddress>)]
    pub web: Option<WebAddress>,

    /// Write phases, seconds and the outcome to a file while they happen, as lines of JSON.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub events: Option<PathBuf>,

    /// TOML file with values for any of these options.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
}

/// File of variables.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct EnvFileArgs {
    /// File of environment variables to read instead of `.env`.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    #[arg(conflicts_with = "no_env_file")]
    pub env_file: Option<PathBuf>,

    /// Read no file of environment variables.
    #[arg(long, hide_short_help = true)]
    pub no_env_file: bool,
}

/// Value of `--records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordsArg {
    Number(u64),
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
