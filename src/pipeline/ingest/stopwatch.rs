//! Measures the stages of each document when it is stored.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::measure::{LastReadings, Latencies, Recorder, Recording, SlowRecord, Stage};
use crate::pipeline::context::Context;
use crate::pipeline::emit::{Acked, Acks};
use crate::pipeline::topic_partition::TopicPartition;
use crate::record::Envelope;

/// Measures the documents of one writer.
#[derive(Debug)]
pub struct Stopwatch {
    context: Arc<Context>,
    acks: Arc<[Arc<Acks>]>,
    recorder: Arc<Recorder>,
    /// Last reading of each vehicle, if somebody watches the fleet.
    last_readings: Option<Arc<LastReadings>>,
    /// Offset and fetch time of measured records whose ack has not arrived yet: the fetch can be
    /// faster.
    unacked: BTreeMap<TopicPartition, VecDeque<(i64, u64)>>,
}

/// A document's record, as far as the measurement needs it.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub partition: TopicPartition,
    pub offset: i64,
    pub envelope: Envelope,
    /// When the record was fetched, nanoseconds on the run's clock.
    pub fetched: u64,
    pub payload_bytes: usize,
}

impl Stopwatch {
    /// `acks` are in the order of [`Context::partitions`], or empty if the producer is another process.
    pub fn new(context: Arc<Context>, acks: Arc<[Arc<Acks>]>) -> Self {
        Self {
            last_readings: context.last_readings().cloned(),
            context,
            acks,
            recorder: Arc::default(),
            unacked: BTreeMap::new(),
        }
    }

    /// Uses a recorder that other writers share.
    #[must_use]
    pub fn recording_to(mut self, recorder: Arc<Recorder>) -> Self {
        self.recorder = recorder;
        self
    }

    pub fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.recorder)
    }

    /// Measures the documents of one insert, except those whose index is left out.
    pub fn stored(&mut self, samples: &[Sample], left_out: impl Fn(&usize) -> bool, stored: u64) {
        let recorder = Arc::clone(&self.recorder);
        let mut recording = recorder.lock();
        recording.first_stored = recording.first_stored.or(Some(stored));
        let mut new = 0;
        let mut unstamped = recording.slowest.position();
        let mut same_partition = Consecutive::default();
        for (index, sample) in samples.iter().enumerate() {
            if left_out(&index) {
                continue;
            }
            new += 1;
            if self.record_sample(&mut recording, sample, stored) {
                if recording.slowest.is_full() {
                    self.stamp_acks(recording.slowest.since(unstamped));
                    recording.slowest.choose();
                    unstamped = recording.slowest.position();
                }
                recording.slowest.add(slow_record(sample, stored));
            }
            if same_partition.partition != Some(sample.partition) {
                same_partition.end(&self.context);
                same_partition.partition = Some(sample.partition);
            }
            same_partition.add(&sample.envelope, stored);
        }
        same_partition.end(&self.context);
        self.stamp_acks(recording.slowest.since(unstamped));
        self.record_fetch_latencies(&mut recording);
        recording.counted.stored += new as u64;
        self.context.counters.stored.add(new);
        if let Some(last_readings) = &self.last_readings {
            let stored = samples.iter().enumerate();
            let stored = stored.filter(|(index, _)| !left_out(index));
            for (_, Sample { envelope, .. }) in stored {
                last_readings.arrived(envelope.vehicle, envelope.sequence);
                last_readings.of_run(envelope.run.bits());
            }
        }
    }

    /// Returns whether the record may be among the slowest.
    fn record_sample(&mut self, recording: &mut Recording, sample: &Sample, stored: u64) -> bool {
        let envelope = &sample.envelope;
        if envelope.warm_up {
            recording.warm_up.record(envelope.intended, stored);
            return false;
        }
        let bytes = sample.payload_bytes as u64;
        recording.count_stored(envelope.intended, sample.fetched, stored, bytes);
        let stages = &mut recording.stages;
        stages
            .get_mut(Stage::StoreLatency)
            .record(sample.fetched, stored);
        stages
            .get_mut(Stage::EndToEndLatency)
            .record(envelope.intended, stored);
        if !self.acks.is_empty() {
            let unacked = self.unacked.entry(sample.partition).or_default();
            unacked.push_back((sample.offset, sample.fetched));
        }
        let latency = stored.saturating_sub(envelope.intended);
        recording.slowest.wants(latency)
    }

    /// Looks up when slow records were acknowledged, before their acks are dropped.
    fn stamp_acks(&self, slow: &mut [SlowRecord]) {
        if self.acks.is_empty() {
            return;
        }
        for same in slow
            .chunk_by_mut(|one, next| (one.topic, one.partition) == (next.topic, next.partition))
        {
            let [first, ..] = same else { continue };
            let partition = TopicPartition {
                topic: first.topic,
                number: first.partition,
            };
            let acks = self.acks[self.context.index_of(partition)].reader();
            for record in same {
                record.acked = acks.find(record.offset);
            }
        }
    }

    /// Measures the fetch latency of every record whose ack has arrived.
    fn record_fetch_latencies(&mut self, recording: &mut Recording) {
        let latencies = recording.stages.get_mut(Stage::FetchLatency);
        for (partition, unacked) in &mut self.unacked {
            let mut acks = self.acks[self.context.index_of(*partition)].reader();
            while let Some((offset, fetched)) = unacked.front() {
                match acks.acked(*offset) {
                    Acked::At(acked) => latencies.record(acked, *fetched),
                    Acked::Never => {}
                    Acked::NotYet => break,
                }
                unacked.pop_front();
            }
        }
    }
}

fn slow_record(sample: &Sample, stored: u64) -> SlowRecord {
    SlowRecord {
        topic: sample.partition.topic,
        partition: sample.partition.number,
        offset: sample.offset,
        vehicle: sample.envelope.vehicle,
        sequence: sample.envelope.sequence,
        intended: sample.envelope.intended,
        sent: sample.envelope.sent,
        acked: None,
        fetched: sample.fetched,
        stored,
    }
}

/// Stored records of one partition that follow each other in an insert.
#[derive(Debug, Default)]
struct Consecutive {
    partition: Option<TopicPartition>,
    documents: usize,
    latencies: Latencies,
}

impl Consecutive {
    fn add(&mut self, envelope: &Envelope, stored: u64) {
        self.documents += 1;
        if !envelope.warm_up {
            self.latencies.add(stored.saturating_sub(envelope.intended));
        }
    }

    /// Adds the records to the counts of their partition.
    fn end(&mut self, context: &Context) {
        let ended = std::mem::take(self);
        let flow = ended
            .partition
            .and_then(|partition| context.flow(partition));
        if let Some(flow) = flow {
            flow.stored(ended.documents, &ended.latencies);
        }
    }
}
