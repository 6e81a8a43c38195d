//! The state that all connections share: the topics, and their directory.
//!
//! ```text
//!  <data>/lock                locked by the one server that uses the directory
//!        /files               the list of all files below
//!        /cluster.json        id of the cluster
//!        /producer-ids        first id that was not yet reserved
//!        /broker.json         settings of the broker that clients altered
//!        /groups.journal      members and offsets of groups
//!        /transactions.journal  transactional ids and open transactions
//!        /topics/<topic>/…    topic.json and one directory per partition
//!        /staging/…           topics that are being created or deleted; emptied on start
//! ```

mod configuration;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use convoy_server_kit::{Attempts, disk};
use kafka_protocol::error::ResponseError;
use tracing::warn;
use uuid::Uuid;

use crate::auth::Credentials;
use crate::broker_config::BrokerConfig;
use crate::config::Overrides;
use crate::error::Error;
use crate::faults::FaultPlan;
use crate::group::Coordinator;
use crate::log;
use crate::partition::Partition;
use crate::producer_ids::ProducerIds;
use crate::settings::Settings;
use crate::storage::Storage;
use crate::topic::{self, Description, Topic};
use crate::traffic::Traffic;
use crate::transactions::{self, Located};

/// Id of the only broker.
pub const NODE_ID: i32 = 1;

/// Name of the file with the id of the cluster.
pub const CLUSTER_FILE: &str = "cluster.json";

/// Name of the directory of the topics.
pub const TOPICS: &str = "topics";

/// Limit on the partitions of all topics together.
const MAX_PARTITIONS: i32 = 4_000;

#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    id: String,
    advertised: (String, u16),
    credentials: Credentials,
    attempts: Attempts,
    groups: Coordinator,
    transactions: transactions::Coordinator,
    producer_ids: ProducerIds,
    broker_config: RwLock<BrokerConfig>,
    directory: PathBuf,
    storage: Arc<Storage>,
    topics: RwLock<Topics>,
    traffic: Traffic,
    _lock: File,
}

#[derive(Debug, Default)]
struct Topics {
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

/// A topic in a request: old versions use the name, new ones the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRef<'a> {
    Name(&'a str),
    Id(Uuid),
}

impl Cluster {
    /// Opens the data in a directory, which is created if it does not exist. `address` is the
    /// address that the server listens on.
    pub fn open(
        settings: Settings,
        directory: PathBuf,
        address: SocketAddr,
    ) -> Result<Self, Error> {
        let lock = lock(&directory)?;
        let storage = Storage::open(&directory, || is_new(&directory)).map_err(Error::disk)?;
        let id = cluster_id(&storage)?;
        let staging = directory.join("staging");
        if staging.exists() {
            fs::remove_dir_all(&staging).map_err(|source| Error::directory(&staging, source))?;
        }
        create_dir(&staging)?;
        create_dir(&directory.join(TOPICS))?;
        let groups =
            Coordinator::open(&storage, settings.group_join_delay).map_err(Error::groups)?;
        let transactions =
            transactions::Coordinator::open(&storage).map_err(Error::transactions)?;
        let producer_ids = ProducerIds::open(&storage).map_err(Error::disk)?;
        let broker_config = BrokerConfig::load(&storage).map_err(Error::disk)?;
        let own_address = || (address.ip().to_string(), address.port());
        let cluster = Self {
            advertised: settings.advertised.clone().unwrap_or_else(own_address),
            credentials: Credentials::new(&settings.users),
            attempts: Attempts::default(),
            settings,
            id,
            groups,
            transactions,
            producer_ids,
            broker_config: RwLock::new(broker_config),
            directory,
            storage,
            topics: RwLock::default(),
            traffic: Traffic::default(),
            _lock: lock,
        };
        cluster.open_topics()?;
        cluster.storage.start().map_err(Error::disk)?;
        cluster.recover_transactions();
        Ok(cluster)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the hook that injects faults.
    pub fn faults(&self) -> Option<&FaultPlan> {
        self.settings.faults.as_deref()
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns host and port that clients are told to connect to.
    pub fn advertised(&self) -> (&str, i32) {
        (&self.advertised.0, i32::from(self.advertised.1))
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the logins that failed lately.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Counts of connections and requests since this start.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub fn groups(&self) -> &Coordinator {
        &self.groups
    }

    pub fn transactions(&self) -> &transactions::Coordinator {
        &self.transactions
    }

    /// Returns a producer id that no other producer has.
    pub fn next_producer_id(&self) -> Result<i64, ResponseError> {
        self.producer_ids.next().map_err(|error| {
            warn!(%error, "failed to reserve producer ids");
            ResponseError::KafkaStorageError
        })
    }

    /// Returns all topics in order of name.
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        self.read().by_name.values().map(Arc::clone).collect()
    }

    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        let topics = self.topics();
        topics.iter().flat_map(|topic| topic.partitions()).collect()
    }

    pub fn topic(&self, topic: TopicRef<'_>) -> Result<Arc<Topic>, ResponseError> {
        let topics = self.read();
        let (found, unknown) = match topic {
            TopicRef::Name(name) => (
                topics.by_name.get(name),
                ResponseError::UnknownTopicOrPartition,
            ),
            TopicRef::Id(id) => (topics.by_id.get(&id), ResponseError::UnknownTopicId),
        };
        found.map(Arc::clone).ok_or(unknown)
    }

    pub fn partition(
        &self,
        topic: TopicRef<'_>,
        index: i32,
    ) -> Result<Arc<Partition>, ResponseError> {
        self.topic(topic)?.partition(index)
    }

    /// Checks whether a topic can be created, and returns its number of partitions; `partitions` is
    /// -1 for the default.
    pub fn check_new_topic(&self, name: &str, partitions: i32) -> Result<i32, ResponseError> {
        topic::check_name(name)?;
        let partitions = if partitions == -1 {
            self.settings.default_partitions
        } else {
            partitions
        };
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(ResponseError::InvalidPartitions);
        }
        let topics = self.read();
        if topics.by_name.contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        if topics
            .by_name
            .keys()
            .any(|known| topic::collide(known, name))
        {
            return Err(ResponseError::InvalidTopicException);
        }
        topics.check_capacity(partitions)?;
        Ok(partitions)
    }

    /// Creates a topic; `partitions` is -1 for the default.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        configs: Overrides,
    ) -> Result<Arc<Topic>, ResponseError> {
        let partitions = self.check_new_topic(name, partitions)?;
        let mut topics = self.write();
        if topics.by_name.contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        topics.check_capacity(partitions)?;
        let description = Description::new(partitions, configs);
        let topic = self.store_topic(name, &description).map_err(|error| {
            warn!(
                topic = name,
                error = &error as &dyn std::error::Error,
                "failed to create a topic"
            );
            ResponseError::KafkaStorageError
        })?;
        let topic = Arc::new(topic);
        topics.insert(&topic);
        Ok(topic)
    }

    /// Adds partitions to a topic until it has `count`.
    pub fn grow_topic(
        &self,
        topic: &Topic,
        count: i32,
        validate_only: bool,
    ) -> Result<(), ResponseError> {
        // The lock keeps two requests from opening the same log.
        let topics = self.write();
        let present = topic.partition_count();
        if count <= present {
            return Err(ResponseError::InvalidPartitions);
        }
        topics.check_capacity(count.saturating_sub(present))?;
        if validate_only {
            return Ok(());
        }
        let mut description = topic.description();
        description.partitions = count;
        change_topic(topic, &description, || topic.grow(count))
    }

    pub fn delete_topic(&self, topic: &Topic) -> Result<(), ResponseError> {
        let mut topics = self.write();
        if topics.by_id.remove(&topic.id()).is_none() {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        topics.by_name.remove(topic.name());
        for partition in topic.partitions() {
            partition.delete();
        }
        self.groups.forget_topic(topic.name());
        let path = topic.directory();
        let staged = self
            .staging()
            .join(format!("{}-{}", topic.name(), topic.id().simple()));
        let removed = self
            .storage
            .take_off_folder(path)
            .and_then(|()| fs::rename(path, &staged))
            .and_then(|()| fs::remove_dir_all(&staged));
        removed.map_err(|error| {
            warn!(path = %path.display(), %error, "failed to remove the files of a topic");
            ResponseError::KafkaStorageError
        })
    }

    /// Syncs all records to the disk and stores how far, so that the next start need not check them.
    pub async fn sync(&self) -> Result<(), log::Error> {
        for partition in self.partitions() {
            if partition.sync().await? {
                partition.log().save_checkpoint()?;
            }
        }
        Ok(())
    }

    /// Continues or ends the transactions that were open when the server ended.
    fn recover_transactions(&self) {
        let mut located = Vec::new();
        for topic in self.topics() {
            for (index, partition) in (0..).zip(topic.partitions()) {
                located.push(Located {
                    topic: topic.name().to_owned(),
                    index,
                    partition,
                });
            }
        }
        self.transactions.recover(self, &located);
    }

    /// Notes how long the files are, all of them synced: no connection appends to them any more.
    pub fn close(&self) -> Result<(), Error> {
        self.storage.stop().map_err(Error::disk)
    }

    fn open_topics(&self) -> Result<(), Error> {
        let directory = self.directory.join(TOPICS);
        let entries =
            fs::read_dir(&directory).map_err(|source| Error::directory(&directory, source))?;
        let mut topics = self.write();
        for entry in entries {
            let path = entry
                .map_err(|source| Error::directory(&directory, source))?
                .path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| topic::check_name(name).is_ok()) else {
                warn!(path = %path.display(), "ignored an unexpected entry in the topics directory");
                continue;
            };
            if !path.is_dir() {
                warn!(path = %path.display(), "ignored a file in the topics directory");
                continue;
            }
            let belongs = self.storage.admit_folder(&path, topic::FILE_NAME);
            if !belongs.map_err(Error::disk)? {
                continue;
            }
            let description = Description::load(&path)?;
            let config = self.topic_config(&description.configs);
            let topic = Topic::open(path.clone(), name, &description, config, &self.storage)?;
            topics.insert(&Arc::new(topic));
        }
        Ok(())
    }

    /// Creates the directory of a topic; it gets its name only once it is complete.
    fn store_topic(&self, name: &str, description: &Description) -> Result<Topic, Error> {
        let staged = self.staging().join(name);
        create_dir(&staged)?;
        description.save(&staged)?;
        let path = self.topic_directory(name);
        fs::rename(&staged, &path)
            .and_then(|()| self.storage.add(&path.join(topic::FILE_NAME)))
            .map_err(|source| Error::directory(&path, source))?;
        let config = self.topic_config(&description.configs);
        Ok(Topic::open(path, name, description, config, &self.storage)?)
    }

    fn topic_directory(&self, name: &str) -> PathBuf {
        self.directory.join(TOPICS).join(name)
    }

    fn staging(&self) -> PathBuf {
        self.directory.join("staging")
    }

    fn read(&self) -> RwLockReadGuard<'_, Topics> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Topics> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topics {
    /// Fails if so many more partitions exceed the limit.
    fn check_capacity(&self, partitions: i32) -> Result<(), ResponseError> {
        let counts = self.by_name.values().map(|topic| topic.partition_count());
        let total = counts.fold(partitions, i32::saturating_add);
        if total <= MAX_PARTITIONS {
            Ok(())
        } else {
            Err(ResponseError::InvalidPartitions)
        }
    }

    fn insert(&mut self, topic: &Arc<Topic>) {
        self.by_name
            .insert(topic.name().to_owned(), Arc::clone(topic));
        self.by_id.insert(topic.id(), Arc::clone(topic));
    }
}

/// Stores the description of a changed topic, then changes it.
fn change_topic(
    topic: &Topic,
    description: &Description,
    change: impl FnOnce() -> Result<(), topic::Error>,
) -> Result<(), ResponseError> {
    let changed = description.save(topic.directory()).and_then(|()| change());
    changed.map_err(|error| {
        let reason = &error as &dyn std::error::Error;
        warn!(topic = topic.name(), reason, "failed to change a topic");
        ResponseError::KafkaStorageError
    })
}

/// Locks a data directory until the file is closed.
pub fn lock(directory: &Path) -> Result<File, Error> {
    let locked = disk::lock_directory(directory, "lock");
    let locked = locked.map_err(|source| Error::directory(directory, source))?;
    locked.ok_or_else(|| Error::Locked {
        directory: directory.to_owned(),
    })
}

/// Whether a directory without a list has no data either.
fn is_new(directory: &Path) -> Result<bool, disk::Error> {
    let path = directory.join(CLUSTER_FILE);
    match fs::read(&path) {
        // A file without a checksum is one of an earlier format.
        Ok(bytes) if bytes.starts_with(b"\"") && bytes.ends_with(b"\"") => {
            Err(disk::Error::Old { path })
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(disk::Error::read(&path, source)),
    }
}

/// Returns the id of the cluster; a new directory gets a random one.
fn cluster_id(storage: &Storage) -> Result<String, Error> {
    let path = storage.path(CLUSTER_FILE);
    let lost = "the id of the cluster would be lost";
    if let Some(text) = disk::load_sealed(&path, lost).map_err(Error::disk)? {
        let read = serde_json::from_str(&text).map_err(io::Error::from);
        let known = read.and_then(|id| storage.add_once(&path).map(|()| id));
        return known.map_err(|source| Error::directory(&path, source));
    }
    let bytes: [u8; 16] = rand::random();
    let id = URL_SAFE_NO_PAD.encode(bytes);
    serde_json::to_string(&id)
        .map_err(io::Error::from)
        .and_then(|json| disk::save_sealed(&path, &json))
        .and_then(|()| storage.add_once(&path))
        .map_err(|source| Error::directory(&path, source))?;
    Ok(id)
}

fn create_dir(path: &Path) -> Result<(), Error> {
    disk::create_directory(path).map_err(|source| Error::directory(path, source))
}
