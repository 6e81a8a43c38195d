//! Flags of `convoy up`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::parse;

/// Shown below the long help.
pub const EXAMPLES: &str = "\
Examples:
  Serve at the usual ports, for programs that read a `.env`:
    $ convoy up > .env

  Keep the data, the password included, and take free ports:
    $ convoy up --data-dir data --broker-port 0 --registry-port 0 --store-port 0

  Serve programs that say `SASL_SSL`, as those for Confluent Cloud do:
    $ convoy up --tls > .env

Clients must log in with the user and the password of the printed `.env`, at all three ends. The
password is the one in `CONVOY_PASSWORD`, or else the one that the data directory keeps, or else
drawn. Only this machine reaches the servers.";

/// `convoy up`.
#[derive(Args)]
pub struct UpArgs {
    /// Port of the Kafka broker; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value = "9092")]
    #[arg(value_parser = parse::value::<u16>)]
    pub broker_port: u16,

    /// Port of the Schema Registry; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value = "8081")]
    #[arg(value_parser = parse::value::<u16>)]
    pub registry_port: u16,

    /// Port of the MongoDB-compatible store; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value = "27017")]
    #[arg(value_parser = parse::value::<u16>)]
    pub store_port: u16,

    /// Where the servers keep their data [default: a temporary directory].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// User that clients must log in as.
    #[arg(long, value_name = "NAME", default_value = "convoy")]
    #[arg(value_parser = parse::user)]
    pub user: String,

    /// Let everyone in who reaches the servers, with any user and password or none.
    #[arg(long, conflicts_with = "user")]
    pub anonymous: bool,

    /// Speak TLS at broker and store; the `.env` names the file of the authority to trust.
    #[arg(long)]
    pub tls: bool,
}
