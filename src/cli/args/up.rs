//! Options of `convoy up`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::groups::EnvFileArgs;
use crate::cli::parse;

/// Shown after the short help.
pub const EXAMPLES: &str = "\
Examples:
  convoy up > up.env
  convoy up --tls --data-dir data > up.env";

/// Shown after the long help.
pub const LONG_EXAMPLES: &str = "\
Examples:
  Serve at the usual ports, for programs that read a `.env` file:
    $ convoy up > .env
  Keep the data and the password, and use free ports:
    $ convoy up --data-dir data --broker-port 0 --registry-port 0 --store-port 0
  Serve programs that use `SASL_SSL`, such as programs for Confluent Cloud:
    $ convoy up --tls > .env

All three servers require the user and the password of the printed `.env`. The password is the
value of CONVOY_PASSWORD, else the one stored in the data directory, else a random one. The servers
accept connections from this machine only.";

/// Options as clap parses them.
#[derive(Args)]
pub struct UpArgs {
    /// Port of the Kafka broker; 0 uses a free port.
    #[arg(long, value_name = "PORT", default_value = "9092")]
    #[arg(value_parser = parse::port)]
    pub broker_port: u16,

    /// Port of the Schema Registry; 0 uses a free port.
    #[arg(long, value_name = "PORT", default_value = "8081")]
    #[arg(value_parser = parse::port)]
    pub registry_port: u16,

    /// Port of the MongoDB-compatible store; 0 uses a free port.
    #[arg(long, value_name = "PORT", default_value = "27017")]
    #[arg(value_parser = parse::port)]
    pub store_port: u16,

    /// Data directory of the servers [default: a temporary directory].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

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

    /// Make the store a replica set of one, with change streams and retryable writes [default NAME:
    /// rs0].
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "rs0")]
    #[arg(value_parser = parse::replica_set)]
    pub replica_set: Option<String>,

    #[command(flatten)]
    pub env_file: EnvFileArgs,
}
