//! A topic: identity, partitions, and the file that describes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};
use tracing::warn;
use uuid::Uuid;

use crate::config::{Overrides, TopicConfig};
use crate::files;
use crate::log::{self, SequenceError, TransactionError};
use crate::partition::Partition;
use crate::settings::Settings;

const FILE_NAME: &str = "topic.json";

/// Kafka's limit: the name becomes the name of a directory.
const MAX_NAME_BYTES: usize = 249;

#[derive(Debug)]
pub struct Topic {
    name: String,
    id: Uuid,
    directory: PathBuf,
    partitions: RwLock<Vec<Arc<Partition>>>,
    configured: RwLock<Configured>,
}

#[derive(Debug)]
struct Configured {
    overrides: Overrides,
    config: TopicConfig,
}

/// The file beside the logs of a topic.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub id: Uuid128,
    /// Number of partitions.
    pub partitions: i32,
    /// Settings by Kafka's names, without those at their defaults.
    pub configs: Overrides,
}

/// A UUID written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uuid128(pub Uuid);

impl From<Uuid128> for String {
    fn from(id: Uuid128) -> Self {
        id.0.simple().to_string()
    }
}

impl TryFrom<String> for Uuid128 {
    type Error = uuid::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Uuid::try_parse(&text).map(Self)
    }
}

/// The directory of a topic cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read or write `{path}`")]
    Description {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("failed to open partition {partition} of topic `{topic}`")]
    Partition {
        topic: String,
        partition: i32,
        #[source]
        source: log::Error,
    },
}

impl Description {
    /// Describes a new topic, which gets a random id.
    pub fn new(partitions: i32, configs: Overrides) -> Self {
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        Self {
            id: Uuid128(id),
            partitions,
            configs,
        }
    }

    /// Reads the description in the directory of a topic.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE_NAME);
        fs::read(&path)
            .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .map_err(|source| Error::Description { path, source })
    }

    /// Writes the description into the directory of a topic; replaces an older one atomically.
    pub fn save(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(FILE_NAME);
        serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::from)
            .and_then(|bytes| files::replace(&path, &bytes))
            .map_err(|source| Error::Description { path, source })
    }
}

impl Topic {
    /// Opens the logs of a topic.
    pub fn open(
        directory: PathBuf,
        name: &str,
        description: &Description,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let overrides = description.configs.clone();
        let config = TopicConfig::new(&overrides, settings);
        let topic = Self {
            name: name.to_owned(),
            id: description.id.0,
            directory,
            partitions: RwLock::default(),
            configured: RwLock::new(Configured { overrides, config }),
        };
        topic.grow(description.partitions)?;
        Ok(topic)
    }

    /// Adds partitions until there are `count`.
    pub fn grow(&self, count: i32) -> Result<(), Error> {
        let segment_bytes = self.config().segment_bytes;
        let mut opened = Vec::new();
        for partition in self.partition_count()..count {
            let directory = self.directory.join(partition.to_string());
            let partition = Partition::open(directory, segment_bytes).map_err(|source| {
                let topic = self.name.clone();
                Error::Partition {
                    topic,
                    partition,
                    source,
                }
            })?;
            opened.push(Arc::new(partition));
        }
        self.partitions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(opened);
        Ok(())
    }

    /// Returns the settings that have an effect.
    pub fn config(&self) -> TopicConfig {
        self.configured().config
    }

    /// Returns the settings of the topic itself.
    pub fn overrides(&self) -> Overrides {
        self.configured().overrides.clone()
    }

    /// Replaces the settings of the topic itself. The caller has checked them.
    pub fn configure(&self, overrides: Overrides, settings: &Settings) {
        let config = TopicConfig::new(&overrides, settings);
        for partition in self.partitions() {
            partition.log().set_segment_bytes(config.segment_bytes);
        }
        *self
            .configured
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Configured { overrides, config };
    }

    pub fn description(&self) -> Description {
        Description {
            id: Uuid128(self.id),
            partitions: self.partition_count(),
            configs: self.overrides(),
        }
    }

    /// Returns the directory of the description and the logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn partition_count(&self) -> i32 {
        let count = self.read().len();
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    pub fn partition(&self, index: i32) -> Result<Arc<Partition>, ResponseError> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.read().get(index).map(Arc::clone))
            .ok_or(ResponseError::UnknownTopicOrPartition)
    }

    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        self.read().clone()
    }

    fn configured(&self) -> std::sync::RwLockReadGuard<'_, Configured> {
        self.configured
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Arc<Partition>>> {
        self.partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks a name as Kafka does: letters, digits, dot, underscore and hyphen.
pub fn check_name(name: &str) -> Result<(), ResponseError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let valid = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name != "."
        && name != ".."
        && name.bytes().all(allowed);
    if valid {
        Ok(())
    } else {
        Err(ResponseError::InvalidTopicException)
    }
}

/// Whether the brokers of Kafka keep their own state in a topic of this name.
pub fn is_internal(name: &str) -> bool {
    const INTERNAL: [&str; 4] = [
        "__cluster_metadata",
        "__consumer_offsets",
        "__share_group_state",
        "__transaction_state",
    ];
    INTERNAL.contains(&name)
}

/// Whether two names are the same in the names of metrics, which have no dots.
pub fn collide(name: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'.' { b'_' } else { byte };
    name.len() == other.len() && name.bytes().map(plain).eq(other.bytes().map(plain))
}

/// Converts an error of a log into the error code for the client.
pub fn log_error_code(error: &log::Error) -> ResponseError {
    match error {
        log::Error::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
        log::Error::Sequence { source } => match source {
            SequenceError::Fenced { .. } => ResponseError::InvalidProducerEpoch,
            SequenceError::OutOfOrder { .. } => ResponseError::OutOfOrderSequenceNumber,
        },
        log::Error::Transaction { source } => match source {
            TransactionError::Fenced { .. } => ResponseError::InvalidProducerEpoch,
            TransactionError::NotOpen { .. } | TransactionError::Outside { .. } => {
                ResponseError::InvalidTxnState
            }
        },
        _ => {
            warn!(error = error as &dyn std::error::Error, "a log failed");
            ResponseError::KafkaStorageError
        }
    }
}
