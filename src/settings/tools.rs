//! Settings of the commands that do not run a pipeline.

use std::path::PathBuf;

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
    /// Data directory of the servers; `None` is a temporary directory.
    pub data_dir: Option<PathBuf>,
    pub access: Access,
    /// Whether broker and store use TLS, with certificates of a private CA.
    pub tls: bool,
    /// Name of the replica set whose only member the store is; `None` is a standalone server.
    pub replica_set: Option<String>,
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
