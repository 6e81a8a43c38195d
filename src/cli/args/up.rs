//! Flags of `convoy up`.

use std::path::PathBuf;

use clap::Args;

use super::parse;

/// Shown below the long help.
pub const EXAMPLES: &str = "\
Examples:
  Serve at the usual ports, for programs that read a `.env`:
    $ convoy up > .env

  Keep the data, take free ports and let only one user in:
    $ CONVOY_PASSWORD=… convoy up --data-dir data --user driver \\
        --broker-port 0 --registry-port 0 --store-port 0

Without `--user` every user and password is welcome. Only this machine reaches the servers.";

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

    /// User that clients must log in as, with the password in `CONVOY_PASSWORD` or else a random one.
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = parse::user)]
    pub user: Option<String>,
}
