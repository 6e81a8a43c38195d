//! The state that all connections share: the topics, and their directory.
//!
//! ```text
//!  <data>/lock                locked by the one server that uses the directory
//!        /cluster.json        id of the cluster
//!        /producer-ids        first id that was not yet reserved
//!        /groups.journal      members and offsets of groups
//!        /transactions.journal  transactional ids and open transactions
//!        /topics/<topic>/…    topic.json and one directory per partition
//!        /staging/…           topics that are being created or deleted; emptied on start
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_protocol::error::ResponseError;
use rustix::fs::{FlockOperation, flock};
use tracing::warn;
use uuid::Uuid;

use crate::auth::Credentials;
use crate::config::Overrides;
use crate::error::Error;
use crate::faults::FaultPlan;
use crate::files;
use crate::group::Coordinator;
use crate::log;
use crate::partition::Partition;
use crate::producer_ids::ProducerIds;
use crate::settings::Settings;
use crate::topic::{self, Description, Topic};
use crate::transactions::{self, Located};

/// Id of the only broker.
pub const NODE_ID: i32 = 1;

/// Limit on the partitions of all topics together: each needs an open file.
const MAX_PARTITIONS: i32 = 4_000;

#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    id: String,
    advertised: (String, u16),
    credentials: Credentials,
    groups: Coordinator,
    transactions: transactions::Coordinator,
    producer_ids: ProducerIds,
    directory: PathBuf,
    topics: RwLock<Topics>,
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
        let id = cluster_id(&directory)?;
        let staging = directory.join("staging");
        if staging.exists() {
            fs::remove_dir_all(&staging).map_err(|source| Error::directory(&staging, source))?;
        }
        create_dir(&staging)?;
        create_dir(&directory.join("topics"))?;
        let groups =
            Coordinator::open(&directory, settings.group_join_delay).map_err(Error::groups)?;
        let transactions =
            transactions::Coordinator::open(&directory).map_err(Error::transactions)?;
        let producer_ids =
            ProducerIds::open(&directory).map_err(|source| Error::directory(&directory, source))?;
        let own_address = || (address.ip().to_string(), address.port());
        let cluster = Self {
            advertised: settings.advertised.clone().unwrap_or_else(own_address),
            credentials: Credentials::new(&settings.users),
            settings,
            id,
            groups,
            transactions,
            producer_ids,
            directory,
            topics: RwLock::default(),
            _lock: lock,
        };
        cluster.open_topics()?;
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

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
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

    /// Replaces the settings of a topic. The caller has checked them.
    pub fn configure_topic(
        &self,
        topic: &Topic,
        overrides: Overrides,
    ) -> Result<(), ResponseError> {
        let _topics = self.write();
        let mut description = topic.description();
        description.configs.clone_from(&overrides);
        change_topic(topic, &description, || {
            topic.configure(overrides, &self.settings);
            Ok(())
        })
    }

    /// Applies the retention of all topics; `now` is in milliseconds since 1970.
    pub fn apply_retention(&self, now: u64) {
        for topic in self.topics() {
            let retention = topic.config().retention;
            for partition in topic.partitions() {
                let applied = partition.log().apply_retention(retention, now);
                if let Err(error) = applied {
                    let reason = &error as &dyn std::error::Error;
                    warn!(
                        topic = topic.name(),
                        reason, "failed to remove old segments"
                    );
                }
            }
        }
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
        let removed = fs::rename(path, &staged).and_then(|()| fs::remove_dir_all(&staged));
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

    fn open_topics(&self) -> Result<(), Error> {
        let directory = self.directory.join("topics");
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
            let description = Description::load(&path)?;
            let topic = Topic::open(path.clone(), name, &description, &self.settings)?;
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
        fs::rename(&staged, &path).map_err(|source| Error::directory(&path, source))?;
        Ok(Topic::open(path, name, description, &self.settings)?)
    }

    fn topic_directory(&self, name: &str) -> PathBuf {
        self.directory.join("topics").join(name)
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
fn lock(directory: &Path) -> Result<File, Error> {
    create_dir(directory)?;
    let path = directory.join("lock");
    let file = File::create(&path).map_err(|source| Error::directory(&path, source))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| Error::Locked {
        directory: directory.to_owned(),
        source: errno.into(),
    })?;
    Ok(file)
}

/// Returns the id of the cluster; a new directory gets a random one.
fn cluster_id(directory: &Path) -> Result<String, Error> {
    let path = directory.join("cluster.json");
    if path.exists() {
        return fs::read(&path)
            .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .map_err(|source| Error::directory(&path, source));
    }
    let bytes: [u8; 16] = rand::random();
    let id = URL_SAFE_NO_PAD.encode(bytes);
    serde_json::to_vec(&id)
        .map_err(std::io::Error::from)
        .and_then(|json| files::replace(&path, &json))
        .map_err(|source| Error::directory(&path, source))?;
    Ok(id)
}

fn create_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::directory(path, source))
}
