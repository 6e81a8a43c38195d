//! The message of a reading: row → payload → value, with key and envelope.

use std::sync::Arc;

use crate::broker::{Batch, HeaderRef, NewRecord, Value};
use crate::faults::DataKind;
use crate::fleet::{KeyBytes, Reading};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::{Letter, REJECTED_BY_BROKER, Undeliverable};
use crate::pipeline::emit::data_faults::{DataFaultInjector, ExpectedFate};
use crate::pipeline::emit::workload::EncodeBuffer;
use crate::pipeline::error::Error;
use crate::pipeline::settings::EmissionSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::pipeline::value_format::ValueFormat;
use crate::record::{Emission, Envelope, Headers, PayloadIdentity, payload_hash};

/// Composes the messages of one partition. The same reading always gives the same message.
#[derive(Debug)]
pub struct Composer {
    context: Arc<Context>,
    emission: Arc<EmissionSettings>,
    /// What each value has before its payload.
    prefix: Vec<u8>,
    buffer: EncodeBuffer,
    /// The encoded envelope of the last message.
    header: Vec<u8>,
    faults: Option<DataFaultInjector>,
}

/// A reading that the producer sends.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub reading: Reading,
    /// When the producer took it, nanoseconds on the run's clock.
    pub at: u64,
    /// Whether it is the second copy of an injected duplicate.
    pub copy: bool,
}

/// A message ready to be sent, in the buffers of its composer.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    key: Option<KeyBytes>,
    /// The encoded envelope.
    header: &'a [u8],
    value: Value<'a>,
    pub payload_hash: u64,
    /// Intended time by the wall clock, milliseconds since 1970.
    pub emitted_at_unix_ms: i64,
}

impl Composer {
    pub fn new(
        context: Arc<Context>,
        emission: Arc<EmissionSettings>,
        format: &ValueFormat,
    ) -> Self {
        Self {
            faults: DataFaultInjector::new(&emission),
            context,
            emission,
            prefix: format.prefix(),
            buffer: EncodeBuffer::default(),
            header: Vec::new(),
        }
    }

    /// Returns the fault to inject into a reading.
    pub fn fault_for(&self, reading: &Reading) -> Option<DataKind> {
        self.faults.as_ref()?.fault_for(reading)
    }

    /// Returns where a reading with an injected fault must end.
    pub fn expected_fate(&self, kind: DataKind, reading: &Reading) -> ExpectedFate {
        let workload = &self.emission.workload;
        let topic = workload.topic_of(reading.row);
        ExpectedFate::new(kind, workload.schema(topic))
    }

    /// Composes the message of a reading. `visit_label` gets its label, if it has one.
    pub fn compose(
        &mut self,
        sent: &Sent,
        visit_label: impl FnOnce(&str),
    ) -> Result<Message<'_>, Error> {
        let (context, emission) = (&*self.context, &*self.emission);
        let (reading, buffer) = (&sent.reading, &mut self.buffer);
        let workload = &emission.workload;
        let hash = workload.encode_hashed(reading.row, buffer, visit_label)?;
        let changed = self.faults.is_some() || workload.has_payload_identity();
        let faults = self.faults.as_mut();
        let header_bytes =
            faults.and_then(|faults| faults.inject(workload, reading, &mut buffer.payload));
        if workload.has_payload_identity() {
            let identity = PayloadIdentity {
                run: &context.settings.run_id,
                vehicle: reading.vehicle,
                sequence: reading.sequence,
                emitted_at_us: emitted_at_us(context, reading),
            };
            identity.add_to(&mut buffer.payload);
        }
        let payload = &buffer.payload;
        let payload_hash = if changed { payload_hash(payload) } else { hash };
        let envelope = Envelope {
            run: context.run,
            vehicle: reading.vehicle,
            sequence: reading.sequence,
            warm_up: reading.warm_up,
            intended: context.clock.since_boot(reading.intended),
            sent: context.clock.since_boot(sent.at),
            payload_hash,
        };
        let origin = Emission {
            run_id: &context.settings.run_id,
            boot: context.boot,
            emitted_at_unix_ms: emitted_at(context, reading),
        };
        let seed = emission.fleet.seed;
        let key = emission
            .key
            .for_reading(seed, reading.vehicle, reading.sequence);
        let header = &mut self.header;
        header.clear();
        envelope.append(&origin, header);
        header.truncate(header_bytes.unwrap_or(header.len()));
        let prefix = &self.prefix;
        Ok(Message {
            key,
            header,
            value: Value { prefix, payload },
            payload_hash,
            emitted_at_unix_ms: origin.emitted_at_unix_ms,
        })
    }

    /// Composes the dead letter of a reading whose message exceeds the broker's limit.
    pub fn letter(
        &mut self,
        sent: &Sent,
        partition: TopicPartition,
        cause: &dyn std::fmt::Display,
    ) -> Result<Letter, Error> {
        let context = Arc::clone(&self.context);
        let message = self.compose(sent, |_label| ())?;
        let mut headers = Headers::default();
        headers.push(Envelope::HEADER, Some(message.header.to_vec()));
        let undeliverable = Undeliverable {
            key: message.key.map(|key| key.as_ref().to_vec()),
            value: [message.value.prefix, message.value.payload].concat(),
            headers,
            timestamp_ms: message.emitted_at_unix_ms,
            reading: (sent.reading.vehicle, sent.reading.sequence),
            reason: format!("{REJECTED_BY_BROKER}: {cause}"),
        };
        Ok(Letter::of_message(&context, partition, undeliverable))
    }
}

impl Message<'_> {
    pub fn push_to(&self, batch: &mut Batch) {
        batch.push(&NewRecord {
            key: self.key.as_ref().map(AsRef::as_ref),
            value: Some(self.value),
            headers: &[HeaderRef {
                name: Envelope::HEADER,
                value: Some(self.header),
            }],
            timestamp_ms: self.emitted_at_unix_ms,
        });
    }
}

/// Returns the intended time of a reading by the wall clock, milliseconds since 1970.
fn emitted_at(context: &Context, reading: &Reading) -> i64 {
    context.clock.unix_ms(reading.intended).cast_signed()
}

/// Returns the same in microseconds, by the same clock.
fn emitted_at_us(context: &Context, reading: &Reading) -> u64 {
    context.clock.epoch_unix_ms() * 1_000 + reading.intended / 1_000
}
