//! Measures the stages of each document when it is stored.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::measure::{Recorder, Recording, Stage};
use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::emit::{Acked, Acks};
use crate::record::Envelope;

/// Measures the documents of one writer.
#[derive(Debug)]
pub struct Stopwatch {
    context: Arc<Context>,
    acks: Arc<[Arc<Acks>]>,
    recorder: Arc<Recorder>,
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
        for (index, sample) in samples.iter().enumerate() {
            if !left_out(&index) {
                new += 1;
                self.record_sample(&mut recording, sample, stored);
            }
        }
        self.record_fetch_latencies(&mut recording);
        self.context.counters.stored.add(new);
    }

    fn record_sample(&mut self, recording: &mut Recording, sample: &Sample, stored: u64) {
        let envelope = &sample.envelope;
        if envelope.warm_up {
            recording.warm_up.record(envelope.intended, stored);
            return;
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
