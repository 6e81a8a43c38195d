//! A topic: its identity, its partitions, and the file that describes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use kafka_protocol::error::ResponseError;
use serde::{Deserialize, Serialize};
use tracing::warn;
use uuid::Uuid;

use super::log;
use super::partition::Partition;

const FILE_NAME: &str = "topic.json";

/// Kafka's limit: the name becomes a directory.
const MAX_NAME_BYTES: usize = 249;

/// A topic that exists.
#[derive(Debug)]
pub struct Topic {
    name: String,
    id: Uuid,
    partitions: RwLock<Vec<Arc<Partition>>>,
}

/// What is kept of a topic beside its logs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its id for ever.
    pub id: Uuid128,
    /// How many partitions it has.
    pub partitions: i32,
    /// Settings that differ from the broker's, by Kafka's names.
    pub configs: BTreeMap<String, String>,
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

/// A topic directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The description is missing, unreadable or cannot be written.
    #[error("failed to read or write `{path}`")]
    Description {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A partition's log cannot be used.
    #[error("failed to open partition {partition} of topic `{topic}`")]
    Partition {
        /// Which topic.
        topic: String,
        /// Which partition.
        partition: i32,
        /// Why not.
        #[source]
        source: log::Error,
    },
}

impl Description {
    /// Describes a new topic.
    pub fn new(partitions: i32, configs: BTreeMap<String, String>) -> Self {
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        Self {
            id: Uuid128(id),
            partitions,
            configs,
        }
    }

    /// Reads the description in a topic's directory.
    pub fn load(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE_NAME);
        fs::read(&path)
            .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .map_err(|source| Error::Description { path, source })
    }

    /// Writes the description into a topic's directory, replacing an older one in one step.
    pub fn save(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(FILE_NAME);
        let fresh = directory.join("topic.json.new");
        serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::from)
            .and_then(|bytes| fs::write(&fresh, bytes))
            .and_then(|()| fs::rename(&fresh, &path))
            .map_err(|source| Error::Description { path, source })
    }
}

impl Topic {
    /// Opens the logs of a topic described in its directory.
    pub fn open(
        directory: &Path,
        name: &str,
        description: &Description,
        segment_bytes: u64,
    ) -> Result<Self, Error> {
        let open = |partition: i32| {
            let directory = directory.join(partition.to_string());
            Partition::open(directory, segment_bytes)
                .map(Arc::new)
                .map_err(|source| Error::Partition {
                    topic: name.to_owned(),
                    partition,
                    source,
                })
        };
        let partitions: Result<_, _> = (0..description.partitions).map(open).collect();
        Ok(Self {
            name: name.to_owned(),
            id: description.id.0,
            partitions: RwLock::new(partitions?),
        })
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns how many partitions it has.
    pub fn partition_count(&self) -> i32 {
        let count = self.read().len();
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// Returns one partition.
    pub fn partition(&self, index: i32) -> Result<Arc<Partition>, ResponseError> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.read().get(index).map(Arc::clone))
            .ok_or(ResponseError::UnknownTopicOrPartition)
    }

    /// Returns all partitions.
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        self.read().clone()
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
    let sound = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name != "."
        && name != ".."
        && name.bytes().all(allowed);
    if sound {
        Ok(())
    } else {
        Err(ResponseError::InvalidTopicException)
    }
}

/// Returns the code a client gets for an error of a log.
pub fn log_error_code(error: &log::Error) -> ResponseError {
    if let log::Error::OutOfRange { .. } = error {
        return ResponseError::OffsetOutOfRange;
    }
    warn!(error = error as &dyn std::error::Error, "a log failed");
    ResponseError::KafkaStorageError
}
