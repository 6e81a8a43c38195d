//! Intake of a group: takes every record of the topic.
//!
//! Records of any run get the types of their JSON. Records that convoy did not write are identified
//! by their coordinates. A record that names a schema is validated with it, if there is a registry.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::broker::{Record, TopicId};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::Rejection;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::intake::{
    DOCUMENT_OVERHEAD, Enveloped, Intake, Ready, rejection, to_document, value,
};
use crate::pipeline::ingest::schemas::{SchemaCheck, SchemaRejection, Schemas};
use crate::pipeline::ingest::stopwatch::Sample;
use crate::pipeline::settings::StorageSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::record::{
    Envelope, Origin, RunKey, UntypedDecoder, explain_syntax, payload_hash,
    write_anonymous_document, write_document_with,
};
use crate::registry::wire;

/// Turns all records of one partition into documents.
#[derive(Debug)]
pub struct GroupIntake {
    context: Arc<Context>,
    partition: TopicPartition,
    decoder: UntypedDecoder,
    /// Replaces the run in the ids of records that belong to no run.
    topic: RunKey,
    /// Runs of the records so far.
    runs: BTreeSet<String>,
    /// `None` without a registry: then schemas are not checked.
    schemas: Option<SchemaCheck>,
}

impl GroupIntake {
    pub fn new(
        context: Arc<Context>,
        partition: TopicPartition,
        topic_id: Option<TopicId>,
        schemas: Option<Arc<Schemas>>,
        storage: &StorageSettings,
    ) -> Self {
        let topic_id = topic_id.map(|id| id.to_string());
        Self {
            decoder: if storage.extended_json {
                UntypedDecoder::extended()
            } else {
                UntypedDecoder::default()
            },
            topic: RunKey::for_topic(context.topic(partition), topic_id.as_deref()),
            runs: BTreeSet::new(),
            schemas: schemas.map(SchemaCheck::new),
            context,
            partition,
        }
    }

    /// Returns the runs whose records were read.
    pub fn into_runs(self) -> BTreeSet<String> {
        self.runs
    }

    fn enveloped_document(
        &mut self,
        record: &Record<'_>,
        header: &[u8],
        fetched: u64,
    ) -> Result<Ready, String> {
        let enveloped = Enveloped::decode(record, header)?;
        let (schema_id, payload) = split(enveloped.value);
        let (envelope, emission) = (enveloped.envelope, enveloped.emission);
        enveloped.check_hash(payload)?;
        self.check_schema(schema_id, record.offset, payload)?;
        if !self.runs.contains(emission.run_id) {
            self.runs.insert(emission.run_id.to_owned());
        }
        let origin = enveloped.origin(&self.context, self.partition, record);
        let decoder = &mut self.decoder;
        let mut bytes = Vec::with_capacity(payload.len() + DOCUMENT_OVERHEAD);
        write_document_with(&envelope, &origin, &mut bytes, |writer| {
            decoder.decode_own(payload, writer)
        })
        .map_err(|error| error.reason)?;
        self.count_numbers_as_text();
        Ok(Ready {
            document: to_document(bytes)?,
            sample: enveloped.sample(
                &self.context,
                self.partition,
                record.offset,
                fetched,
                payload,
            ),
        })
    }

    /// Returns the document of a record that convoy did not write. Its coordinates identify it, and
    /// its timestamp is its intended time.
    fn anonymous_document(&mut self, record: &Record<'_>, fetched: u64) -> Result<Ready, String> {
        let (schema_id, payload) = split(value(record)?);
        self.check_schema(schema_id, record.offset, payload)?;
        let timestamp = self.context.clock.of_unix_ms(record.timestamp_ms);
        let envelope = Envelope {
            run: self.topic,
            vehicle: self.partition.number.cast_unsigned(),
            sequence: record.offset.cast_unsigned(),
            warm_up: false,
            intended: timestamp,
            sent: timestamp,
            payload_hash: payload_hash(payload),
        };
        let origin = Origin {
            run: "",
            topic: self.context.topic(self.partition),
            partition: self.partition.number,
            offset: record.offset,
            emitted_at_unix_ms: record.timestamp_ms,
            timestamp_ms: record.timestamp_ms,
            key: record.key,
            headers: record.headers,
        };
        let decoder = &mut self.decoder;
        let mut bytes = Vec::with_capacity(payload.len() + DOCUMENT_OVERHEAD);
        write_anonymous_document(&envelope, &origin, &mut bytes, |writer| {
            decoder.decode(payload, writer)
        })
        .map_err(|error| error.reason)?;
        let document = to_document(bytes)?;
        self.count_numbers_as_text();
        self.context.counters.without_envelope.add(1);
        self.context.counters.timed_by_wall_clock.add(1);
        Ok(Ready {
            document,
            sample: Sample {
                partition: self.partition,
                offset: record.offset,
                envelope,
                fetched,
                payload_bytes: payload.len(),
            },
        })
    }

    fn count_numbers_as_text(&mut self) {
        let numbers = self.decoder.take_numbers_as_text();
        if numbers > 0 {
            self.context.numbers_as_text.add(numbers);
        }
    }

    /// Returns whether a payload matches the schema that its record names, if any.
    fn check_schema(&mut self, id: Option<u32>, offset: i64, payload: &[u8]) -> Result<(), String> {
        if id.is_none() {
            return Ok(());
        }
        if let Some(schemas) = &mut self.schemas {
            return schemas.result(offset).map_err(|rejection| match rejection {
                SchemaRejection::Schema(reason) => reason,
                // A payload that is not JSON matches no schema.
                SchemaRejection::Payload(reason) => explain_syntax(payload).unwrap_or(reason),
            });
        }
        self.context.counters.schema_unchecked.add(1);
        Ok(())
    }
}

impl Intake for GroupIntake {
    async fn prepare(&mut self, records: &[Record<'_>]) -> Result<(), Error> {
        if let Some(schemas) = &mut self.schemas {
            let ids = records.iter().filter_map(framed).map(|(_, id, _)| id);
            schemas.learn(&self.context, ids).await?;
            schemas.validate(records.iter().filter_map(framed)).await;
        }
        Ok(())
    }

    /// A tombstone deletes a key in a compacted topic. No document has a key of its own, so there is
    /// nothing to delete, and nothing is wrong with the record.
    fn skips(&self, record: &Record<'_>) -> bool {
        record.value.is_none() && record.headers.get(Envelope::HEADER).is_none()
    }

    fn document(&mut self, record: &Record<'_>, fetched: u64) -> Result<Ready, Rejection> {
        let header = record.headers.get(Envelope::HEADER);
        let made = match header {
            None => self.anonymous_document(record, fetched),
            Some(header) => self.enveloped_document(record, header, fetched),
        };
        // Without the name of its run, a reading cannot be looked up.
        made.map_err(|reason| rejection(header, reason, |_run, whole| whole))
    }
}

/// Returns offset, schema id and payload of a record that names a schema.
fn framed<'a>(record: &Record<'a>) -> Option<(i64, u32, &'a [u8])> {
    let (id, payload) = split(record.value?);
    Some((record.offset, id?, payload))
}

/// Splits the header of Confluent's wire format off a value. JSON cannot start with that header.
fn split(value: &[u8]) -> (Option<u32>, &[u8]) {
    wire::split(value).map_or((None, value), |(id, payload)| (Some(id), payload))
}
