//! What every task of a run shares.

use std::sync::OnceLock;
use std::time::Duration;

use crate::broker::Compression;
use crate::containers::owner;
use crate::faults::DataFaults;
use crate::fleet::{self, Key};
use crate::measure::{Counters, RunClock};
use crate::pipeline::emit::workload::Workload;
use crate::pipeline::lost::Lost;
use crate::record::RunKey;

/// Resolved settings of a pipeline.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the run.
    pub run_id: String,
    /// The fleet and its load.
    pub fleet: fleet::Settings,
    /// Key of a message.
    pub key: Key,
    /// Topics, one per dataset.
    pub topics: Vec<String>,
    /// Group whose members share the partitions; none where a run has them for itself.
    pub group: Option<String>,
    /// Partitions of each topic that is created.
    pub partitions: u32,
    /// Whether existing topics must have as many.
    pub partitions_required: bool,
    /// Replicas of each partition of a topic that is created; -1 leaves it to the broker.
    pub replication_factor: i16,
    /// Compression of record batches.
    pub compression: Compression,
    /// How long a batch waits for more messages.
    pub linger: Duration,
    /// Consumers that share the partitions.
    pub consumers: usize,
    /// Documents of one insert, at most.
    pub batch_records: usize,
    /// How long an insert waits for more documents.
    pub batch_wait: Duration,
    /// Database of the documents.
    pub database: String,
    /// Collection of the documents.
    pub collection: String,
    /// How long the consumers may take for the rest once the fleet has stopped.
    pub drain_timeout: Duration,
    /// Whether dead letters are tried again before anything is read.
    pub replay_dead_letters: bool,
    /// What happens to readings on purpose.
    pub data_faults: Option<DataFaults>,
    /// Whether the broker may lose its log's tail on purpose.
    pub log_may_be_lost: bool,
    /// How long one request may take until it counts as unanswered.
    pub request_timeout: Duration,
    /// How long the broker may fail to answer before the run gives up.
    pub broker_timeout: Duration,
    /// How long the store may fail to answer before the run gives up.
    pub store_timeout: Duration,
}

impl Settings {
    /// Returns the collection that takes what does not fit.
    pub fn dead_letter_collection(&self) -> String {
        dead_letters_of(&self.collection)
    }

    /// Returns the collection that holds the consumers' positions.
    pub fn checkpoint_collection(&self) -> String {
        format!("{}_checkpoints", self.collection)
    }

    /// Returns the collection in which members of a group show that they live.
    pub fn member_collection(&self) -> String {
        format!("{}_members", self.collection)
    }

    /// Returns the name under which the consumers' positions are kept.
    pub fn reader(&self) -> &str {
        self.group.as_deref().unwrap_or(&self.run_id)
    }
}

/// Returns the collection that takes what does not fit into another.
pub fn dead_letters_of(collection: &str) -> String {
    format!("{collection}_dead_letters")
}

/// Settings, clock, rows and counters of a run.
#[derive(Debug)]
pub struct Context {
    /// The settings.
    pub settings: Settings,
    /// The run's clock.
    pub clock: RunClock,
    /// The run's share of its ids.
    pub run: RunKey,
    /// Boot of this machine, hashed: stamps of the same boot compare. Zero if it does not tell.
    pub boot: u64,
    /// The rows.
    pub workload: Workload,
    /// Counts of all tasks.
    pub counters: Counters,
    /// Servers that have ended.
    pub lost: Lost,
    /// Partitions of each topic, once the broker has said.
    partitions: OnceLock<Vec<u32>>,
}

impl Context {
    /// Puts a run's shared things together.
    pub fn new(settings: Settings, clock: RunClock, workload: Workload) -> Self {
        let run = RunKey::new(&settings.run_id);
        Self {
            settings,
            clock,
            run,
            boot: owner::boot().map_or(0, |boot| xxhash_rust::xxh3::xxh3_64(boot.as_bytes())),
            workload,
            counters: Counters::default(),
            lost: Lost::default(),
            partitions: OnceLock::new(),
        }
    }

    /// Notes how many partitions each topic has. Only the first call counts.
    pub fn set_partitions(&self, partitions: Vec<u32>) {
        self.partitions.get_or_init(|| partitions);
    }

    /// Returns how many partitions a topic has.
    pub fn partitions_of(&self, topic: usize) -> u32 {
        let known = self.partitions.get().and_then(|known| known.get(topic));
        known.copied().unwrap_or(self.settings.partitions)
    }

    /// Returns every partition of every topic.
    pub fn partitions(&self) -> impl Iterator<Item = TopicPartition> + '_ {
        (0..self.settings.topics.len()).flat_map(move |topic| {
            let partitions = self.partitions_of(topic).cast_signed();
            (0..partitions).map(move |number| TopicPartition { topic, number })
        })
    }

    /// Returns the position of a partition among all.
    pub fn index_of(&self, partition: TopicPartition) -> usize {
        let before: u32 = (0..partition.topic)
            .map(|topic| self.partitions_of(topic))
            .sum();
        before as usize + usize::try_from(partition.number).unwrap_or_default()
    }

    /// Returns the name of a topic.
    pub fn topic(&self, partition: TopicPartition) -> &str {
        &self.settings.topics[partition.topic]
    }
}

/// One partition of one of the run's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Index of the topic.
    pub topic: usize,
    /// Number of the partition.
    pub number: i32,
}
