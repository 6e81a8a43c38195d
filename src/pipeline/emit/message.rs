//! The message of a reading: row → payload → value, with its key and its envelope.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::broker::client::Batch;
use crate::faults::DataKind;
use crate::fleet::Reading;
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::{Letter, Undeliverable};
use crate::pipeline::emit::spoil::{Fate, Spoiler};
use crate::pipeline::emit::workload::Scratch;
use crate::pipeline::error::Error;
use crate::pipeline::form::Form;
use crate::record::{Emission, Envelope, payload_hash};

/// Makes the messages of one partition. The same reading always gives the same message.
#[derive(Debug)]
pub struct Composer {
    context: Arc<Context>,
    form: Arc<Form>,
    scratch: Scratch,
    spoiler: Option<Spoiler>,
}

/// A reading and when the producer took it.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The reading.
    pub reading: Reading,
    /// When the producer took it, nanoseconds on the run's clock.
    pub sent: u64,
    /// Whether it is sent a second time on purpose.
    pub copy: bool,
}

/// A message ready to be sent.
#[derive(Debug)]
pub struct Message {
    /// Key, where the run has keys.
    pub key: Option<Vec<u8>>,
    /// The encoded envelope.
    pub header: Vec<u8>,
    /// Payload in the form that the topic has.
    pub value: Vec<u8>,
    /// Hash of the payload.
    pub payload_hash: u64,
    /// Wall-clock date of the reading, milliseconds since 1970.
    pub emitted_at_unix_ms: i64,
}

impl Composer {
    /// Prepares for the messages of a partition whose values have a form.
    pub fn new(context: Arc<Context>, form: Arc<Form>) -> Self {
        Self {
            spoiler: Spoiler::of(&context),
            context,
            form,
            scratch: Scratch::default(),
        }
    }

    /// Returns what happens to a reading on purpose.
    pub fn strikes(&self, reading: &Reading) -> Option<DataKind> {
        self.spoiler.as_ref()?.strikes(reading)
    }

    /// Returns what is to become of a reading that something happens to.
    pub fn fate(&self, kind: DataKind, reading: &Reading) -> Fate {
        let topic = self.context.workload.topic_of(reading.row);
        Fate::of(kind, self.context.workload.schema(topic))
    }

    /// Makes the message of a reading; `visit_label` gets its label, if it has one.
    pub fn compose(
        &mut self,
        sent: &Sent,
        visit_label: impl FnOnce(&str),
    ) -> Result<Message, Error> {
        let (context, reading) = (&*self.context, &sent.reading);
        context
            .workload
            .encode(reading.row, &mut self.scratch, visit_label)?;
        let spoilt = self.spoiler.as_mut();
        let header_bytes =
            spoilt.and_then(|spoiler| spoiler.spoil(context, reading, &mut self.scratch.payload));
        let payload = &self.scratch.payload;
        let payload_hash = payload_hash(payload);
        let envelope = Envelope {
            run: context.run,
            vehicle: reading.vehicle,
            sequence: reading.sequence,
            warm_up: reading.warm_up,
            intended: context.clock.since_boot(reading.intended),
            sent: context.clock.since_boot(sent.sent),
            payload_hash,
        };
        let emission = Emission {
            run_id: &context.settings.run_id,
            boot: context.boot,
            emitted_at_unix_ms: emitted_at(context, reading),
        };
        let seed = context.settings.fleet.seed;
        let key = context
            .settings
            .key
            .for_reading(seed, reading.vehicle, reading.sequence);
        let mut header = envelope.encode(&emission);
        header.truncate(header_bytes.unwrap_or(header.len()));
        Ok(Message {
            key: key.map(|key| key.as_ref().to_vec()),
            header,
            value: self.form.value(payload),
            payload_hash,
            emitted_at_unix_ms: emission.emitted_at_unix_ms,
        })
    }

    /// Makes the dead letter of a reading whose message no broker takes.
    pub fn letter(
        &mut self,
        sent: &Sent,
        partition: (&str, i32),
        cause: &dyn std::fmt::Display,
    ) -> Result<Letter, Error> {
        let message = self.compose(sent, |_label| ())?;
        let (topic, number) = partition;
        let undeliverable = Undeliverable {
            key: message.key,
            value: message.value,
            headers: BTreeMap::from([(Envelope::HEADER.to_owned(), message.header)]),
            timestamp_ms: message.emitted_at_unix_ms,
            reading: (sent.reading.vehicle, sent.reading.sequence),
            reason: format!("no broker takes the message: {cause}"),
        };
        let run = &self.context.settings.run_id;
        Ok(Letter::of_message(topic, number, run, undeliverable))
    }
}

impl Message {
    /// Puts the message into a batch.
    pub fn push_to(self, batch: &mut Batch) {
        batch.push(self.key, self.header, self.value, self.emitted_at_unix_ms);
    }
}

/// Returns the wall-clock date of a reading, milliseconds since 1970.
pub fn emitted_at(context: &Context, reading: &Reading) -> i64 {
    context.clock.unix_ms(reading.intended).cast_signed()
}
