//! Settings of the commands that do not run a pipeline.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use convoy_server_kit::Secret;

use crate::dataset::{ReadOptions, SchemaForm};
use crate::settings::choices::Format;

/// Settings of `convoy up`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpSettings {
    /// Port of the broker; 0 uses a free port.
    pub broker_port: u16,
    /// Port of the Schema Registry; 0 uses a free port.
    pub registry_port: u16,
    /// Port of the store; 0 uses a free port.
    pub store_port: u16,
    /// Where other machines connect to; `None` serves this machine only.
    pub advertised: Option<Advertised>,
    /// Data directory of the servers; `None` is a temporary directory.
    pub data_dir: Option<PathBuf>,
    /// Whether a damaged data directory is repaired first.
    pub repair: bool,
    pub access: Access,
    /// Whether broker and store use TLS, with certificates of a private CA.
    pub tls: bool,
    /// Partitions of topics that are created without a number.
    pub partitions: u16,
    /// Whether the broker creates topics that clients use.
    pub auto_create: bool,
    /// How long a new group waits for more members.
    pub join_delay: Duration,
    /// Topics to create.
    pub topics: Vec<NewTopic>,
    /// Documents to store.
    pub load: Vec<LoadFile>,
    pub published: Published,
    /// Command to run, and to end with; empty to serve until interrupted.
    pub command: Vec<OsString>,
    /// Time after which the servers and the command end.
    pub timeout: Option<Duration>,
    /// Whether they end with the process that started convoy.
    pub exit_with_parent: bool,
    /// Name of the replica set whose only member the store is; `None` is a standalone server.
    pub replica_set: Option<String>,
}

/// The address that other machines connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// Name or IPv4 address, for all three servers.
    pub host: String,
    /// Port of the broker.
    pub port: u16,
}

/// Files that tell other programs of the servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// File for the `.env`; `None` writes it to stdout.
    pub env_file: Option<PathBuf>,
    /// File that exists while the servers are ready.
    pub ready_file: Option<PathBuf>,
    /// Whether files of other programs may be overwritten.
    pub force: bool,
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    pub partitions: u32,
}

/// A file of documents, and their collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadFile {
    pub path: PathBuf,
    pub database: String,
    pub collection: String,
}

/// Authentication of the servers of `convoy up`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Disabled.
    Anyone,
    /// One user.
    User {
        name: String,
        /// `None` takes the password in the data directory, else a random one.
        password: Option<Secret>,
    },
}

/// Settings of `convoy clean`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanSettings {
    /// Print what would be removed, and remove nothing.
    pub dry_run: bool,
}

/// Settings of `convoy dataset inspect`.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectSettings {
    /// File, topic folder, or folder of topic folders.
    pub path: PathBuf,
    /// How its files are read.
    pub read: ReadOptions,
    /// Format of the description on stdout.
    pub format: Format,
}

/// Settings of `convoy dataset schema`.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaSettings {
    /// File, topic folder, or folder of topic folders.
    pub path: PathBuf,
    /// How its files are read.
    pub read: ReadOptions,
    /// Types of the values.
    pub form: SchemaForm,
}

/// Settings of `convoy dataset generate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateSettings {
    pub rows: u64,
    pub seed: u64,
    /// File to create; `None` is stdout.
    pub output: Option<PathBuf>,
}

/// Settings of `convoy man --dir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualSettings {
    /// Existing directory for the pages.
    pub directory: PathBuf,
    /// File name and text of each page.
    pub pages: Vec<(String, String)>,
}
