//! The state behind all connections: the topics, and the directory they are kept in.
//!
//! ```text
//!  <data>/lock                one broker at a time
//!        /cluster.json        the cluster's id
//!        /producer-ids        those below are given out
//!        /groups.journal      members and offsets of groups
//!        /topics/<topic>/…    topic.json and one directory per partition
//!        /staging/…           topics being created or deleted; emptied on start
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

/// The id of the only broker.
pub const NODE_ID: i32 = 1;

/// Partitions that all topics together may have: each costs an open file.
const MAX_PARTITIONS: i32 = 4_000;

/// Topics, partitions and their logs.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    id: String,
    advertised: (String, u16),
    credentials: Credentials,
    groups: Coordinator,
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

/// How a request names a topic: old versions by name, new ones by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRef<'a> {
    /// By its name.
    Name(&'a str),
    /// By its id.
    Id(Uuid),
}

impl Cluster {
    /// Opens what a directory holds, creating it if need be; clients reach it at `address`.
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
        let groups = Coordinator::open(&directory, settings.group_join_delay)
            .map_err(|source| Error::Groups { source })?;
        let producer_ids =
            ProducerIds::open(&directory).map_err(|source| Error::directory(&directory, source))?;
        let own_address = || (address.ip().to_string(), address.port());
        let cluster = Self {
            advertised: settings.advertised.clone().unwrap_or_else(own_address),
            credentials: Credentials::new(&settings.users),
            settings,
            id,
            groups,
            producer_ids,
            directory,
            topics: RwLock::default(),
            _lock: lock,
        };
        cluster.open_topics()?;
        Ok(cluster)
    }

    /// Returns what the broker was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the hook that injects faults.
    pub fn faults(&self) -> Option<&FaultPlan> {
        self.settings.faults.as_deref()
    }

    /// Returns the id of the cluster, which is stored with its data.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns host and port that clients are to connect to.
    pub fn advertised(&self) -> (&str, i32) {
        (&self.advertised.0, i32::from(self.advertised.1))
    }

    /// Returns the directory of all data.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the users of the server.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the coordinator of all groups.
    pub fn groups(&self) -> &Coordinator {
        &self.groups
    }

    /// Returns a producer id that was never given out before.
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

    /// Returns the partitions of all topics.
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        let topics = self.topics();
        topics.iter().flat_map(|topic| topic.partitions()).collect()
    }

    /// Returns the topic a request names.
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

    /// Returns one partition of the topic a request names.
    pub fn partition(
        &self,
        topic: TopicRef<'_>,
        index: i32,
    ) -> Result<Arc<Partition>, ResponseError> {
        self.topic(topic)?.partition(index)
    }

    /// Checks whether a topic of so many partitions (-1 for the default) could be created, and
    /// returns how many it would have.
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
        topics.check_room(partitions)?;
        Ok(partitions)
    }

    /// Creates a topic of so many partitions, -1 for the default.
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
        topics.check_room(partitions)?;
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
        // Held so that two requests do not open the same log.
        let topics = self.write();
        let present = topic.partition_count();
        if count <= present {
            return Err(ResponseError::InvalidPartitions);
        }
        topics.check_room(count.saturating_sub(present))?;
        if validate_only {
            return Ok(());
        }
        let mut description = topic.description();
        description.partitions = count;
        change_topic(topic, &description, || topic.grow(count))
    }

    /// Replaces the settings of a topic, which were checked.
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

    /// Removes what topics need not keep any longer; `now` in milliseconds since 1970.
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

    /// Deletes a topic and its records.
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
            warn!(path = %path.display(), %error, "failed to remove a topic's files");
            ResponseError::KafkaStorageError
        })
    }

    /// Makes all records survive the end of the machine, and writes that down so that the next
    /// start need not check them.
    pub async fn sync(&self) -> Result<(), log::Error> {
        for partition in self.partitions() {
            if partition.sync().await? {
                partition.log().save_checkpoint()?;
            }
        }
        Ok(())
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
                warn!(path = %path.display(), "ignored what is not a topic");
                continue;
            };
            let description = Description::load(&path)?;
            let topic = Topic::open(path.clone(), name, &description, &self.settings)?;
            topics.insert(&Arc::new(topic));
        }
        Ok(())
    }

    /// Writes a topic's directory; it appears under its name only once it is complete.
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
    /// Fails if so many more partitions are too many.
    fn check_room(&self, partitions: i32) -> Result<(), ResponseError> {
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

/// Writes down a changed topic and then changes it.
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

/// Takes the lock of a data directory for as long as the file is open.
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

/// Returns the id of the cluster, drawing one for a new directory.
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
