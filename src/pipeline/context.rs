//! What all tasks of a process share.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::broker::TopicId;
use crate::containers::owner;
use crate::measure::{
    Counter, Counters, InjectedFaults, LastReadings, PartitionFlow, PartitionLoad, RunClock,
};
use crate::pipeline::lag::Lag;
use crate::pipeline::outage::Outage;
use crate::pipeline::settings::Settings;
use crate::pipeline::terminated::TerminatedServers;
use crate::pipeline::topic_partition::TopicPartition;
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
    /// Faults of servers that were injected, for a display.
    pub injected: InjectedFaults,
    /// Last reading of each vehicle, if somebody watches the fleet.
    last_readings: OnceLock<Arc<LastReadings>>,
    /// Partitions of each topic, once known.
    partitions: OnceLock<Vec<u32>>,
    /// What passed through each of them, in the order of [`Self::partitions`].
    flows: OnceLock<Box<[PartitionFlow]>>,
    /// Ids of the topics that a member of a group reads, by partition.
    topic_ids: Mutex<BTreeMap<TopicPartition, TopicId>>,
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
            injected: InjectedFaults::default(),
            last_readings: OnceLock::new(),
            partitions: OnceLock::new(),
            flows: OnceLock::new(),
            topic_ids: Mutex::default(),
        }
    }

    /// Sets the number of partitions of each topic. Later calls have no effect.
    pub fn set_partitions(&self, partitions: Vec<u32>) {
        let partitions = self.partitions.get_or_init(|| partitions);
        let all: u32 = partitions.iter().sum();
        self.flows
            .get_or_init(|| (0..all).map(|_| PartitionFlow::default()).collect());
    }

    /// Follows the last reading of each of the first vehicles. Without it nothing is stored per
    /// vehicle.
    pub fn follow_vehicles(&self, vehicles: u32) -> &Arc<LastReadings> {
        self.last_readings
            .get_or_init(|| Arc::new(LastReadings::new(vehicles)))
    }

    /// Returns the last reading of each vehicle, if it is followed.
    pub fn last_readings(&self) -> Option<&Arc<LastReadings>> {
        self.last_readings.get()
    }

    /// Returns the counts of a partition; `None` before the partitions are known.
    pub fn flow(&self, partition: TopicPartition) -> Option<&PartitionFlow> {
        self.flows.get()?.get(self.index_of(partition))
    }

    /// Returns what passed through each partition so far.
    pub fn partition_loads(&self) -> Vec<PartitionLoad> {
        let load = |partition: TopicPartition| {
            let flow = self.flow(partition)?;
            Some(flow.load(self.topic(partition), partition.number))
        };
        self.partitions().filter_map(load).collect()
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

    /// Returns the share of each partition in some bytes, within limits.
    pub fn share(&self, bytes: usize, limits: RangeInclusive<usize>) -> usize {
        let topics = 0..self.settings.topics.len();
        let partitions: usize = topics.map(|topic| self.partitions_of(topic) as usize).sum();
        (bytes / partitions.max(1)).clamp(*limits.start(), *limits.end())
    }

    /// Returns the index of a partition in [`Self::partitions`].
    pub fn index_of(&self, partition: TopicPartition) -> usize {
        let before: u32 = (0..partition.topic)
            .map(|topic| self.partitions_of(topic))
            .sum();
        before as usize + usize::try_from(partition.number).unwrap_or_default()
    }

    /// Sets the id of the topic that a partition is read from.
    pub fn set_topic_id(&self, partition: TopicPartition, id: Option<TopicId>) {
        let mut ids = self
            .topic_ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match id {
            Some(id) => ids.insert(partition, id),
            None => ids.remove(&partition),
        };
    }

    /// Returns the id of the topic that a partition is read from, if the broker has ids.
    pub fn topic_id(&self, partition: TopicPartition) -> Option<TopicId> {
        let ids = self
            .topic_ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ids.get(&partition).copied()
    }

    /// Returns the name of a partition's topic.
    pub fn topic(&self, partition: TopicPartition) -> &str {
        &self.settings.topics[partition.topic]
    }
}
