//! Routes readings of the pacing thread to the queue of their partition, or only counts them.

use std::sync::Arc;

use crate::fleet::{Reading, partition_of_key, round_robin_partition};
use crate::measure::{Histogram, RunClock};
use crate::pipeline::context::Context;
use crate::pipeline::emit::emitter::{Sink, StopFlag};
use crate::pipeline::emit::queue::Queue;
use crate::pipeline::settings::EmissionSettings;
use crate::pipeline::topic_partition::TopicPartition;

/// Readings that are passed to a queue at once while the thread does not sleep.
const CHUNK: usize = 64;

/// Routes readings to the queues of their partitions.
#[derive(Debug)]
pub struct Router {
    context: Arc<Context>,
    emission: Arc<EmissionSettings>,
    queues: Vec<Arc<Queue>>,
    held: Vec<Vec<Reading>>,
    stop: StopFlag,
    routed: u64,
}

impl Router {
    /// `queues` has one queue per partition, in the order of [`Context::partitions`].
    pub fn new(
        context: Arc<Context>,
        emission: Arc<EmissionSettings>,
        queues: Vec<Arc<Queue>>,
        stop: StopFlag,
    ) -> Self {
        let held = queues.iter().map(|_| Vec::with_capacity(CHUNK)).collect();
        Self {
            context,
            emission,
            queues,
            held,
            stop,
            routed: 0,
        }
    }

    fn index_of(&mut self, reading: &Reading) -> usize {
        let emission = &self.emission;
        let topic = emission.workload.topic_of(reading.row);
        let partitions = self.context.partitions_of(topic);
        let key = emission
            .key
            .for_reading(emission.fleet.seed, reading.vehicle, reading.sequence);
        let number = match key {
            Some(key) => partition_of_key(key.as_ref(), partitions),
            // Without a key, partitions take turns, which is reproducible.
            None => round_robin_partition(self.routed, partitions),
        };
        self.routed += 1;
        self.context.index_of(TopicPartition {
            topic,
            number: number.cast_signed(),
        })
    }

    fn pass_on(&mut self, index: usize) {
        let held = &mut self.held[index];
        let number = held.len();
        let left_out = self.queues[index].push(held, || self.stop.is_running());
        self.context.counters.emitted.add(number - left_out);
        self.context.counters.left_out.add(left_out);
    }
}

impl Sink for Router {
    fn push(&mut self, reading: Reading) {
        let (vehicle, sequence) = (reading.vehicle, reading.sequence);
        let faults = self.emission.data_faults.as_ref();
        if faults.is_some_and(|faults| faults.is_in_missing_batch(vehicle, sequence)) {
            self.context.counters.withheld.add(1);
            return;
        }
        let index = self.index_of(&reading);
        self.held[index].push(reading);
        if self.held[index].len() >= CHUNK {
            self.pass_on(index);
        }
    }

    fn flush(&mut self) {
        for index in 0..self.held.len() {
            if !self.held[index].is_empty() {
                self.pass_on(index);
            }
        }
    }
}

/// Counts readings and measures their publish delay.
#[derive(Debug)]
pub struct NullSink {
    clock: RunClock,
    /// Intended times of readings that share the next reading of the clock, and whether each is
    /// warm-up.
    held: Vec<(u64, bool)>,
    /// Publish delay of the measured readings.
    pub publish_delay: Histogram,
    /// Intended time of the first measured reading.
    pub first_intended: Option<u64>,
    /// Time at which the last measured reading was emitted.
    pub last_sent: Option<u64>,
}

impl NullSink {
    /// Creates a sink that has counted nothing.
    pub fn new(clock: RunClock) -> Self {
        Self {
            clock,
            held: Vec::with_capacity(CHUNK),
            publish_delay: Histogram::default(),
            first_intended: None,
            last_sent: None,
        }
    }
}

impl Sink for NullSink {
    fn push(&mut self, reading: Reading) {
        self.held.push((reading.intended, reading.warm_up));
        if self.held.len() == CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let sent = self.clock.now();
        for (intended, _) in self.held.drain(..).filter(|(_, warm_up)| !warm_up) {
            self.publish_delay.record(intended, sent);
            self.first_intended.get_or_insert(intended);
            self.last_sent = Some(sent);
        }
    }
}
