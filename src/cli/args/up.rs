//! Options of `convoy up`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

use crate::cli::args::groups::EnvFileArgs;
use crate::cli::parse;
use crate::settings::{Advertised, LoadFile, NewTopic};
use crate::web::WebAddress;

/// Ports without COMMAND.
pub const BROKER_PORT: u16 = 9092;
pub const REGISTRY_PORT: u16 = 8081;
pub const STORE_PORT: u16 = 27017;

/// Shown after the short help.
pub const EXAMPLES: &str = "\
Examples:
  convoy up > up.env
  convoy up -- pytest";

/// Shown after the long help.
pub const LONG_EXAMPLES: &str = "\
Examples:
  Run tests with servers of their own, on free ports, and exit with their exit code:
    $ convoy up -- pytest
  The same with two topics, documents and at most ten minutes:
    $ convoy up --topic orders:3,audit --load seed.json:shop.items --timeout 10m -- npm test
  Serve at the usual ports, for programs that read a `.env` file:
    $ convoy up > .env
  Keep the data and the password, and use free ports:
    $ convoy up --data-dir data --broker-port 0 --registry-port 0 --store-port 0
  Repair a damaged data directory and start; print what was lost:
    $ convoy up --data-dir data --repair > .env
  Serve programs that use `SASL_SSL`, such as programs for Confluent Cloud:
    $ convoy up --tls > .env
  Act like a cluster where topics are created by hand and new groups wait for members:
    $ convoy up --auto-create false --partitions 6 --join-delay 3s > .env

COMMAND gets the variables of the `.env`; convoy itself prints nothing on stdout then. Signals go to
both. The exit code is that of COMMAND: 128 plus the signal's number if a signal ended it, and 124 if
it ran longer than `--timeout`.

All three servers require the user and the password of the `.env`. The password is the value of
CONVOY_PASSWORD, else the one stored in the data directory, else a random one. Without
`--advertise`, the servers accept connections from this machine only.";

/// Options as clap parses them.
#[derive(Args)]
pub struct UpArgs {
    /// Port of the Kafka broker; 0 uses a free port [default: 9092].
    ///
    /// With COMMAND, the default is a free port.
    #[arg(long, value_name = "PORT")]
    #[arg(value_parser = parse::port)]
    pub broker_port: Option<u16>,

    /// Port of the Schema Registry [default: 8081].
    ///
    /// With COMMAND, the default is a free port.
    #[arg(long, value_name = "PORT")]
    #[arg(value_parser = parse::port)]
    pub registry_port: Option<u16>,

    /// Port of the MongoDB-compatible store [default: 27017].
    ///
    /// With COMMAND, the default is a free port.
    #[arg(long, value_name = "PORT")]
    #[arg(value_parser = parse::port)]
    pub store_port: Option<u16>,

    /// Also serve other machines and containers: listen on all interfaces, and tell the broker's
    /// clients to connect to this address.
    ///
    /// The ports of registry and store are expected at the same host.
    #[arg(
        long,
        value_name = "HOST:PORT",
        conflicts_with = "anonymous",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::advertised)]
    pub advertise: Option<Advertised>,

    /// Data directory of the servers, the same as that of `simulate` [default: a temporary directory].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Repair a damaged data directory first: keep all undamaged data, move the rest into `damaged`
    /// folders, and print what was lost.
    #[arg(long, requires = "data_dir", hide_short_help = true)]
    pub repair: bool,

    /// User name that clients must use.
    #[arg(long, value_name = "NAME", default_value = "convoy")]
    #[arg(value_parser = parse::user)]
    pub user: String,

    /// Disable authentication on all three servers.
    #[arg(long, conflicts_with = "user")]
    pub anonymous: bool,

    /// Enable TLS on the broker and the store; the printed `.env` names the CA file to trust.
    #[arg(long)]
    pub tls: bool,

    /// Partitions of a new topic, if its client does not say how many.
    #[arg(long, value_name = "N", default_value = "1", hide_short_help = true)]
    #[arg(value_parser = parse::count::<u16>, allow_negative_numbers = true)]
    pub partitions: u16,

    /// Create a missing topic when a client uses it: `true` or `false`.
    #[arg(long, value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    #[arg(hide_short_help = true)]
    pub auto_create: bool,

    /// Wait this long for more members before the first rebalance of a new group.
    #[arg(long, value_name = "DURATION", default_value = "50ms")]
    #[arg(value_parser = parse::duration, hide_short_help = true)]
    pub join_delay: Duration,

    /// Make the store a replica set of one, with change streams and retryable writes [default NAME:
    /// rs0].
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "rs0")]
    #[arg(value_parser = parse::replica_set)]
    pub replica_set: Option<String>,

    #[command(flatten)]
    pub content: ContentArgs,

    #[command(flatten)]
    pub output: LifetimeArgs,

    #[command(flatten)]
    pub env_file: EnvFileArgs,

    /// Command to run with the servers, and its arguments.
    ///
    /// It gets the variables of the `.env`. Its exit code is convoy's, and the servers end with it.
    #[arg(last = true, value_name = "COMMAND", help_heading = "Arguments")]
    pub command: Vec<OsString>,
}

/// What the servers start with.
#[derive(Args)]
#[command(next_help_heading = "Content")]
pub struct ContentArgs {
    /// Topics to create, separated by commas; one partition unless said otherwise.
    #[arg(long, value_name = "NAME:PARTITIONS,…", value_delimiter = ',')]
    #[arg(value_parser = parse::new_topic)]
    pub topic: Vec<NewTopic>,

    /// Files of documents to store: a JSON array, or one object per line; extended JSON is read.
    #[arg(long, value_name = "FILE:DB.COLLECTION,…", value_delimiter = ',')]
    #[arg(value_parser = parse::load_file)]
    pub load: Vec<LoadFile>,
}

/// How other programs learn of the servers, and when these end.
#[derive(Args)]
#[command(next_help_heading = "Output and end")]
pub struct LifetimeArgs {
    /// Write the `.env` to this file, which only its owner can read, instead of to stdout.
    ///
    /// A file that convoy did not write is not overwritten.
    #[arg(long, value_name = "FILE")]
    pub write_env: Option<PathBuf>,

    /// Create this file once the servers are ready, and remove it when they end.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,

    /// Serve a live page at this address [default: 127.0.0.1:5665; port 0 takes a free one].
    ///
    /// It shows topics, groups and their lag, collections, connections and request rates, and metrics
    /// for Prometheus (`/metrics`). It needs no password. Only this machine can read it unless HOST is
    /// another address.
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "127.0.0.1:5665", value_parser = parse::value::<WebAddress>)]
    pub web: Option<WebAddress>,

    /// Overwrite files that convoy did not write.
    #[arg(long, hide_short_help = true)]
    pub force: bool,

    /// End after this long; a command gets SIGTERM then, and SIGKILL 5 s later.
    #[arg(long, value_name = "TIME")]
    #[arg(value_parser = parse::span)]
    pub timeout: Option<Duration>,

    /// End when the process that started convoy has ended.
    #[arg(long, hide_short_help = true)]
    pub exit_with_parent: bool,
}
