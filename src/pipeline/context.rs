//! What all tasks of a process share.

use std::sync::OnceLock;

use crate::containers::owner;
use crate::measure::{Counter, Counters, RunClock};
use crate::pipeline::lag::Lag;
use crate::pipeline::outage::Outage;
use crate::pipeline::settings::Settings;
use crate::pipeline::terminated::TerminatedServers;
use crate::record::RunKey;

/// Settings, clock and counters of a process.
#[derive(Debug)]
pub struct Context {
    /// Settings of every process.
    pub settings: Settings,
    /// Clock of all timestamps.
    pub clock: RunClock,
    /// Hash of the run id, part of each document's id.
    pub run: RunKey,
    /// Hash of this machine's boot id, or 0 if unknown. Timestamps of the same boot are comparable.
    pub boot: u64,
    /// Counters of all tasks.
    pub counters: Counters,
    /// Numbers stored as text, because they have more than 34 digits.
    pub numbers_as_text: Counter,
    /// Lag of the partitions that a member of a group owns.
    pub lag: Lag,
    /// Requests to the broker that fail.
    pub broker_outage: Outage,
    /// Requests to the store that fail.
    pub store_outage: Outage,
    /// Servers that have terminated.
    pub terminated_servers: TerminatedServers,
    /// Partitions of each topic, once known.
    partitions: OnceLock<Vec<u32>>,
}

impl Context {
    /// Creates a context without counts.
    pub fn new(settings: Settings, clock: RunClock) -> Self {
        let run = RunKey::new(&settings.run_id);
        Self {
            settings,
            clock,
            run,
            boot: owner::boot().map_or(0, |boot| xxhash_rust::xxh3::xxh3_64(boot.as_bytes())),
            counters: Counters::default(),
            numbers_as_text: Counter::default(),
            lag: Lag::default(),
            broker_outage: Outage::new("broker"),
            store_outage: Outage::new("store"),
            terminated_servers: TerminatedServers::default(),
            partitions: OnceLock::new(),
        }
    }

    /// Sets the number of partitions of each topic. Later calls have no effect.
    pub fn set_partitions(&self, partitions: Vec<u32>) {
        self.partitions.get_or_init(|| partitions);
    }

    /// Returns the number of partitions of a topic.
    pub fn partitions_of(&self, topic: usize) -> u32 {
        let known = self.partitions.get().and_then(|known| known.get(topic));
        known.copied().unwrap_or(self.settings.creation.partitions)
    }

    /// Returns every partition of every topic.
    pub fn partitions(&self) -> impl Iterator<Item = TopicPartition> + '_ {
        (0..self.settings.topics.len()).flat_map(move |topic| {
            let partitions = self.partitions_of(topic).cast_signed();
            (0..partitions).map(move |number| TopicPartition { topic, number })
        })
    }

    /// Returns the index of a partition in [`Self::partitions`].
    pub fn index_of(&self, partition: TopicPartition) -> usize {
        let before: u32 = (0..partition.topic)
            .map(|topic| self.partitions_of(topic))
            .sum();
        before as usize + usize::try_from(partition.number).unwrap_or_default()
    }

    /// Returns the name of a partition's topic.
    pub fn topic(&self, partition: TopicPartition) -> &str {
        &self.settings.topics[partition.topic]
    }
}

/// One partition of one of the run's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Index in [`Settings::topics`].
    pub topic: usize,
    /// Kafka's partition number.
    pub number: i32,
}
