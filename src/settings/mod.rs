//! What a command is told, with every source weighed and every default filled in.
//!
//! A settings value needs no environment and no flags to be understood, and serialises into the
//! report: keys are the flags' names in `snake_case`, units last.

mod invocation;
mod processes;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::audit::Verdict;
use crate::broker::{Compression, Mechanism, SecurityProtocol};
use crate::dataset::SchemaForm;
use crate::faults::Plan;
use crate::fleet::Key;
use crate::load::{Arrival, Bound, Rate};
use crate::registry;
use crate::report::{Summary, Threshold, ThresholdName};
use crate::string_enum::string_enum;
use convoy_server_kit::{Secret, SecretUri};

pub use invocation::Invocation;
pub use processes::{
    ConsumeSettings, CreationSettings, MergeSettings, ProduceSettings, ShowSettings,
};

string_enum! {
    /// Where the broker and the store come from.
    Backend {
        /// Containers where an engine answers and has or can pull both images, else embedded.
        Auto = "auto",
        /// Servers in this process.
        Embedded = "embedded",
        /// Redpanda and MongoDB in containers that convoy starts.
        Containers = "containers",
        /// Servers that exist already.
        External = "external",
    }
}

string_enum! {
    /// Where the fleet's readings go.
    Sink {
        /// Through the broker into the store.
        Pipeline = "pipeline",
        /// Nowhere: they are only counted, which measures the pacer.
        Null = "null",
    }
}

string_enum! {
    /// What a message's value looks like.
    Encoding {
        /// Plain JSON.
        Json = "json",
        /// Confluent's wire format: magic byte, schema id, JSON.
        Confluent = "confluent",
    }
}

string_enum! {
    /// What the report on stdout looks like.
    Format {
        /// For people.
        Text = "text",
        /// For programs.
        Json = "json",
    }
}

/// Which broker to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerChoice {
    /// Whichever this machine has.
    Auto,
    /// One in this process.
    Embedded,
    /// Redpanda in a container.
    Container,
    /// One that exists already.
    External(ExternalBroker),
}

/// A broker that exists already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalBroker {
    /// Bootstrap addresses, `HOST:PORT`.
    pub bootstrap: Vec<String>,
    /// User and password.
    pub credentials: Option<Credentials>,
    /// Whether the connection is encrypted and who we are is asked.
    pub security_protocol: SecurityProtocol,
    /// How the password is shown.
    pub sasl_mechanism: Mechanism,
    /// Certificate authorities to trust instead of those of the web.
    pub ca_file: Option<PathBuf>,
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User, or API key.
    pub username: String,
    /// Password, or API secret.
    pub password: Secret,
}

impl From<&Credentials> for registry::Credentials {
    fn from(credentials: &Credentials) -> Self {
        Self {
            user: credentials.username.clone(),
            password: credentials.password.reveal().to_owned(),
        }
    }
}

impl fmt::Display for BrokerChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Embedded => formatter.write_str("embedded"),
            Self::Container => formatter.write_str("container"),
            Self::External(broker) => formatter.write_str(&broker.bootstrap.join(",")),
        }
    }
}

/// Which store to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreChoice {
    /// Whichever this machine has.
    Auto,
    /// One in this process.
    Embedded,
    /// MongoDB in a container.
    Container,
    /// One that exists already.
    External(SecretUri),
}

impl fmt::Display for StoreChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Embedded => formatter.write_str("embedded"),
            Self::Container => formatter.write_str("container"),
            Self::External(uri) => fmt::Display::fmt(uri, formatter),
        }
    }
}

/// A Schema Registry that exists already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalRegistry {
    /// Its address.
    pub url: SecretUri,
    /// User and password of basic authentication.
    pub credentials: Option<Credentials>,
}

/// What a fleet emits, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadSettings {
    /// Vehicles, at least one.
    pub vehicles: u32,
    /// Readings per second and vehicle.
    #[serde(rename = "rate_per_second", serialize_with = "rate")]
    pub rate: Rate,
    /// Readings per second of the whole fleet; replaces `rate`.
    #[serde(
        rename = "total_rate_per_second",
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_rate"
    )]
    pub total_rate: Option<Rate>,
    /// Shape of the arrivals.
    #[serde(serialize_with = "text")]
    pub arrival: Arrival,
    /// What the key of a message is.
    #[serde(serialize_with = "text")]
    pub key: Key,
    /// File, topic folder, or folder of topic folders.
    pub dataset: PathBuf,
    /// Seed of every random choice.
    pub seed: u64,
    /// When the measured part ends.
    #[serde(flatten, serialize_with = "bound")]
    pub bound: Bound,
    /// Load before measuring starts.
    #[serde(rename = "warmup_s", serialize_with = "seconds")]
    pub warmup: Duration,
}

impl LoadSettings {
    /// Returns readings per second of the whole fleet; none at an unlimited rate.
    pub fn target_rate(&self) -> Option<f64> {
        match (self.total_rate, self.rate) {
            (Some(Rate::Timed(total)), _) => Some(total.per_second()),
            (None, Rate::Timed(rate)) => Some(rate.per_second() * f64::from(self.vehicles)),
            (Some(Rate::Max), _) | (None, Rate::Max) => None,
        }
    }

    /// Returns how long readings are emitted, warm-up included; none where it depends on the
    /// pipeline.
    pub fn emission(&self) -> Option<Duration> {
        let measured = match self.bound {
            Bound::Duration(duration) => duration,
            Bound::Records(records) => {
                Duration::try_from_secs_f64(records as f64 / self.target_rate()?).ok()?
            }
            Bound::Rows => return None,
        };
        Some(self.warmup + measured)
    }
}

/// What `convoy simulate` is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulateSettings {
    /// What the fleet emits.
    #[serde(flatten)]
    pub load: LoadSettings,
    /// How long to wait, after the last emission, until everything is stored.
    #[serde(rename = "drain_timeout_s", serialize_with = "seconds")]
    pub drain_timeout: Duration,
    /// How long one request may take until it counts as unanswered.
    #[serde(rename = "request_timeout_s", serialize_with = "seconds")]
    pub request_timeout: Duration,
    /// How long the broker may fail to answer before the run gives up.
    #[serde(rename = "broker_timeout_s", serialize_with = "seconds")]
    pub broker_timeout: Duration,
    /// How long the store may fail to answer before the run gives up.
    #[serde(rename = "store_timeout_s", serialize_with = "seconds")]
    pub store_timeout: Duration,
    /// Topic; none takes the name of the folder of the dataset.
    pub topic: Option<String>,
    /// Partitions of a topic that is created.
    pub partitions: u32,
    /// Whether an existing topic must have as many.
    #[serde(skip)]
    pub partitions_required: bool,
    /// Replicas of each partition of a topic that is created; -1 leaves it to the broker.
    pub replication_factor: i16,
    /// Consumers that share the partitions; never more than partitions.
    pub consumers: u32,
    /// How long the producer gathers a batch.
    #[serde(rename = "linger_ms", serialize_with = "milliseconds")]
    pub linger: Duration,
    /// How the producer compresses batches.
    pub compression: Compression,
    /// What a message's value looks like.
    pub encoding: Encoding,
    /// Most documents of one insert.
    pub batch_records: u32,
    /// How long the writer gathers an insert.
    #[serde(rename = "batch_wait_ms", serialize_with = "milliseconds")]
    pub batch_wait: Duration,
    /// Database to write to.
    pub database: String,
    /// Collection to write to.
    pub collection: String,
    /// Where readings go.
    pub sink: Sink,
    /// What was asked for both ends at once.
    pub backend: Backend,
    /// Broker.
    #[serde(serialize_with = "text")]
    pub broker: BrokerChoice,
    /// Port of the embedded broker; 0 takes a free one.
    pub broker_port: u16,
    /// Store.
    #[serde(serialize_with = "text")]
    pub store: StoreChoice,
    /// Port of the embedded store; 0 takes a free one.
    pub store_port: u16,
    /// Image of a broker in a container.
    pub redpanda_image: String,
    /// Image of a store in a container.
    pub mongo_image: String,
    /// How long what is in a container may take until it answers.
    #[serde(rename = "start_timeout_s", serialize_with = "seconds")]
    pub start_timeout: Duration,
    /// Whether containers stay when the run has ended.
    pub keep: bool,
    /// Where the embedded servers keep their data; none is a temporary directory.
    pub data_dir: Option<PathBuf>,
    /// Schema Registry, where messages need one.
    #[serde(serialize_with = "registry")]
    pub registry: Option<ExternalRegistry>,
    /// Where the run's directory is made.
    pub output: PathBuf,
    /// What the report on stdout looks like.
    pub format: Format,
    /// End-to-end p99 above which the run fails.
    #[serde(
        rename = "max_end_to_end_p99_ms",
        serialize_with = "optional_milliseconds"
    )]
    pub max_end_to_end_p99: Option<Duration>,
    /// Throughput below which the run fails.
    #[serde(rename = "min_throughput_records_per_second")]
    pub min_throughput: Option<f64>,
    /// Dead letters above which the run fails; none takes no dead letter.
    pub max_dead_letters: Option<u64>,
    /// What goes wrong on purpose.
    pub faults: Option<Plan>,
}

/// What `convoy up` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpSettings {
    /// Port of the broker; 0 takes a free one.
    pub broker_port: u16,
    /// Port of the Schema Registry; 0 takes a free one.
    pub registry_port: u16,
    /// Port of the store; 0 takes a free one.
    pub store_port: u16,
    /// Where the servers keep their data; none is a temporary directory.
    pub data_dir: Option<PathBuf>,
    /// Who may use the servers.
    pub access: Access,
    /// Whether broker and store speak TLS, with a certificate of an authority made for it.
    pub tls: bool,
}

/// Who may use servers that are started here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Whoever reaches them.
    Anyone,
    /// One user.
    User {
        /// The name.
        name: String,
        /// The password; none takes the one that the data directory keeps, or draws one.
        password: Option<Secret>,
    },
}

/// What `convoy doctor` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorSettings {
    /// The kind of servers to look for.
    pub backend: Backend,
    /// File, topic folder, or folder of topic folders.
    pub dataset: PathBuf,
    /// Where runs' directories are made.
    pub output: PathBuf,
    /// Image of the broker.
    pub redpanda_image: String,
    /// Image of the store.
    pub mongo_image: String,
    /// What the findings on stdout look like.
    pub format: Format,
}

/// What `convoy clean` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanSettings {
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// What `convoy dataset inspect` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectSettings {
    /// File, topic folder, or folder of topic folders.
    pub path: PathBuf,
}

/// What `convoy dataset schema` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaSettings {
    /// File, topic folder, or folder of topic folders.
    pub path: PathBuf,
    /// How values are written.
    pub form: SchemaForm,
}

/// What `convoy dataset generate` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateSettings {
    /// Number of rows.
    pub rows: u64,
    /// Seed of every value.
    pub seed: u64,
    /// File to make; none is stdout.
    pub output: Option<PathBuf>,
}

impl SimulateSettings {
    /// Compares what was measured with every limit asked for.
    pub fn thresholds(&self, summary: &Summary, verdict: &Verdict) -> Vec<Threshold> {
        let p99 = self
            .max_end_to_end_p99
            .map(|limit| (ThresholdName::MaxEndToEndP99Us, limit.as_secs_f64() * 1e6));
        let throughput = self
            .min_throughput
            .map(|limit| (ThresholdName::MinThroughputRecordsPerSecond, limit));
        let dead_letters = self
            .max_dead_letters
            .map(|limit| (ThresholdName::MaxDeadLetters, limit as f64));
        [p99, throughput, dead_letters]
            .into_iter()
            .flatten()
            .map(|(name, limit)| name.check(limit, summary, verdict))
            .collect()
    }
}

fn text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn rate<S: Serializer>(rate: &Rate, serializer: S) -> Result<S::Ok, S::Error> {
    match rate {
        Rate::Timed(rate) => serializer.serialize_f64(rate.per_second()),
        Rate::Max => serializer.serialize_str("max"),
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn optional_rate<S: Serializer>(value: &Option<Rate>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => rate(value, serializer),
        None => serializer.serialize_none(),
    }
}

fn bound<S: Serializer>(bound: &Bound, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    match bound {
        Bound::Duration(duration) => map.serialize_entry("duration_s", &duration.as_secs_f64())?,
        Bound::Records(records) => map.serialize_entry("records", records)?,
        Bound::Rows => map.serialize_entry("records", "all")?,
    }
    map.end()
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64() * 1e3)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn optional_milliseconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration
        .map(|duration| duration.as_secs_f64() * 1e3)
        .serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn registry<S: Serializer>(
    registry: &Option<ExternalRegistry>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    registry
        .as_ref()
        .map(|registry| &registry.url)
        .serialize(serializer)
}
