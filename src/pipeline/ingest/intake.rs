//! What becomes of a record: a document, or a dead letter with its reason.
//!
//! A run of its own takes the records of that run and no others, and checks them against the
//! dataset's schema. A group takes whatever is in the topic: records of any run under the types
//! that JSON gives them, and records that convoy did not write under their coordinates. Those that
//! name a schema are checked against it, where there is a registry to ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use bson::RawDocumentBuf;

use crate::broker::client::Record;
use crate::measure::RunClock;
use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::error::Error;
use crate::pipeline::form::Form;
use crate::pipeline::ingest::consumer::Ready;
use crate::pipeline::ingest::schemas::{SchemaCheck, Schemas};
use crate::record::{
    Emission, Envelope, EnvelopeError, Origin, PayloadDecoder, RunKey, UntypedDecoder,
    payload_hash, write_anonymous_document, write_document, write_document_with,
};
use crate::registry::wire;

/// Bytes a document takes beyond its payload, at most, for a first guess of its size.
const DOCUMENT_OVERHEAD: usize = 256;

/// Makes documents of one partition's records.
#[derive(Debug)]
pub struct Intake {
    context: Arc<Context>,
    partition: TopicPartition,
    scope: Scope,
}

/// Whose records are taken.
#[derive(Debug)]
enum Scope {
    /// Those of the context's own run.
    Run {
        decoder: PayloadDecoder,
        form: Arc<Form>,
    },
    /// All.
    Everything {
        decoder: UntypedDecoder,
        /// Key of records that belong to no run.
        topic: RunKey,
        /// Runs whose records were seen.
        runs: BTreeSet<String>,
        /// None without a registry.
        schemas: Option<SchemaCheck>,
    },
}

/// Why a record becomes no document.
#[derive(Debug)]
pub struct Refused {
    /// The run that the record names, where it names one.
    pub run_id: Option<String>,
    /// Vehicle and sequence, where it says which reading of a run it is.
    pub reading: Option<(u32, u64)>,
    /// What is wrong.
    pub reason: String,
}

impl Intake {
    /// Prepares for records of the context's own run.
    pub fn of_run(context: Arc<Context>, partition: TopicPartition, form: Arc<Form>) -> Self {
        let decoder = PayloadDecoder::new(context.workload.schema(partition.topic));
        Self {
            context,
            partition,
            scope: Scope::Run { decoder, form },
        }
    }

    /// Prepares for records of whatever origin; without `schemas`, those that name one are taken
    /// unchecked.
    pub fn of_everything(
        context: Arc<Context>,
        partition: TopicPartition,
        schemas: Option<Arc<Schemas>>,
    ) -> Self {
        let topic = RunKey::for_topic(context.topic(partition));
        let scope = Scope::Everything {
            decoder: UntypedDecoder::default(),
            topic,
            runs: BTreeSet::new(),
            schemas: schemas.map(SchemaCheck::new),
        };
        Self {
            context,
            partition,
            scope,
        }
    }

    /// Returns the runs whose records were seen, as far as that was of interest.
    pub fn into_runs(self) -> BTreeSet<String> {
        match self.scope {
            Scope::Run { .. } => BTreeSet::new(),
            Scope::Everything { runs, .. } => runs,
        }
    }

    /// Gets what is needed to make documents of these records.
    ///
    /// Fails if a registry does not answer for long. Dropping the future is safe.
    pub async fn prepare(&mut self, records: &[Record]) -> Result<(), Error> {
        if let Scope::Everything { schemas, .. } = &mut self.scope
            && let Some(schemas) = schemas
        {
            let values = records.iter().filter_map(|record| record.value.as_deref());
            let ids = values.filter_map(|value| split(value).0);
            schemas.learn(&self.context, ids).await?;
        }
        Ok(())
    }

    /// Makes the document of a record that was prepared for.
    pub fn document(&mut self, record: &Record) -> Result<Ready, Refused> {
        let header = record.headers.get(Envelope::HEADER);
        let everything = matches!(self.scope, Scope::Everything { .. });
        let made = match header {
            None if everything => self.anonymous_document(record),
            None => Err(EnvelopeError::Missing.to_string()),
            Some(header) => self.own_document(record, header),
        };
        made.map_err(|reason| self.refused(header.map(Vec::as_slice), reason))
    }

    /// Tells as much of a refused record as its header says, which may be cut off.
    fn refused(&self, header: Option<&[u8]>, reason: String) -> Refused {
        let decoded = header.and_then(|header| Envelope::decode(header).ok());
        let identity = header.and_then(Envelope::identity);
        let ours = |run: RunKey| match self.scope {
            Scope::Run { .. } => run == self.context.run,
            // Without the name of its run, nobody could look a reading up.
            Scope::Everything { .. } => decoded.is_some(),
        };
        let reading = identity
            .filter(|(run, _, _)| ours(*run))
            .map(|(_, vehicle, sequence)| (vehicle, sequence));
        Refused {
            run_id: decoded.map(|(_, emission)| emission.run_id.to_owned()),
            reading,
            reason,
        }
    }

    fn own_document(&mut self, record: &Record, header: &[u8]) -> Result<Ready, String> {
        let (envelope, emission) = Envelope::decode(header).map_err(|error| error.to_string())?;
        let value = record.value.as_deref().ok_or("the record has no value")?;
        let (schema_id, payload) = match &self.scope {
            Scope::Run { .. } if envelope.run != self.context.run => {
                return Err("the record belongs to another run".to_owned());
            }
            Scope::Run { form, .. } => (None, form.payload(value)?),
            Scope::Everything { .. } => split(value),
        };
        if payload_hash(payload) != envelope.payload_hash {
            return Err("the payload does not match its hash".to_owned());
        }
        self.check_schema(schema_id, payload)?;
        let origin = Origin {
            run: emission.run_id,
            topic: self.context.topic(self.partition),
            partition: self.partition.number,
            offset: record.offset,
            emitted_at_unix_ms: emission.emitted_at_unix_ms,
        };
        let mut bytes = Vec::with_capacity(payload.len() + DOCUMENT_OVERHEAD);
        match &mut self.scope {
            Scope::Run { decoder, form } => {
                form.check(payload)?;
                write_document(&envelope, &origin, payload, decoder, &mut bytes)
            }
            Scope::Everything { decoder, runs, .. } => {
                if !runs.contains(emission.run_id) {
                    runs.insert(emission.run_id.to_owned());
                }
                write_document_with(&envelope, &origin, &mut bytes, |writer| {
                    decoder.decode(payload, writer)
                })
            }
        }
        .map_err(|error| error.reason)?;
        Ok(Ready {
            document: RawDocumentBuf::from_bytes(bytes).map_err(|error| error.to_string())?,
            envelope: self.on_own_clock(envelope, &emission),
            offset: record.offset,
            payload_bytes: payload.len(),
        })
    }

    /// Makes the document of a record that convoy did not write: its coordinates identify it, and
    /// its timestamp is its intended instant.
    fn anonymous_document(&mut self, record: &Record) -> Result<Ready, String> {
        let value = record.value.as_deref().ok_or("the record has no value")?;
        let (schema_id, payload) = split(value);
        self.check_schema(schema_id, payload)?;
        let Scope::Everything { decoder, topic, .. } = &mut self.scope else {
            return Err(EnvelopeError::Missing.to_string());
        };
        let clock = self.context.clock;
        let timestamp = clock.of_unix_ms(record.timestamp_ms);
        let envelope = Envelope {
            run: *topic,
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
        };
        let mut bytes = Vec::with_capacity(payload.len() + DOCUMENT_OVERHEAD);
        write_anonymous_document(&envelope, &origin, &mut bytes, |writer| {
            decoder.decode(payload, writer)
        })
        .map_err(|error| error.reason)?;
        let document = RawDocumentBuf::from_bytes(bytes).map_err(|error| error.to_string())?;
        self.context.counters.without_envelope.add(1);
        self.context.counters.timed_by_wall_clock.add(1);
        Ok(Ready {
            document,
            envelope,
            offset: record.offset,
            payload_bytes: payload.len(),
        })
    }

    /// Checks a payload against the schema whose id stands before it, if one does.
    fn check_schema(&self, id: Option<u32>, payload: &[u8]) -> Result<(), String> {
        let (Some(id), Scope::Everything { schemas, .. }) = (id, &self.scope) else {
            return Ok(());
        };
        if let Some(schemas) = schemas {
            return schemas.check(id, payload);
        }
        self.context.counters.schema_unchecked.add(1);
        Ok(())
    }

    /// Returns an envelope with its stamps on this process's clock.
    fn on_own_clock(&self, envelope: Envelope, emission: &Emission<'_>) -> Envelope {
        let Context { clock, boot, .. } = *self.context;
        if boot != 0 && emission.boot == boot {
            return Envelope {
                intended: clock.of_boot(envelope.intended),
                sent: clock.of_boot(envelope.sent),
                ..envelope
            };
        }
        self.context.counters.timed_by_wall_clock.add(1);
        by_wall_clock(clock, envelope, emission)
    }
}

/// Takes the intended instant from the wall clock, where no other clock is shared.
fn by_wall_clock(clock: RunClock, envelope: Envelope, emission: &Emission<'_>) -> Envelope {
    let intended = clock.of_unix_ms(emission.emitted_at_unix_ms);
    let delay = envelope.sent.saturating_sub(envelope.intended);
    Envelope {
        intended,
        sent: intended.saturating_add(delay),
        ..envelope
    }
}

/// Splits a value at the end of the head of Confluent's wire form, with which no JSON begins.
fn split(value: &[u8]) -> (Option<u32>, &[u8]) {
    wire::split(value).map_or((None, value), |(id, payload)| (Some(id), payload))
}
