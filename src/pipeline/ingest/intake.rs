//! Turns records into documents, or rejects them with a reason.
//!
//! A run takes its own records only and validates them with the dataset's schema ([`RunIntake`]). A
//! group takes every record of the topic ([`GroupIntake`]).
//!
//! [`RunIntake`]: crate::pipeline::ingest::RunIntake
//! [`GroupIntake`]: crate::pipeline::ingest::GroupIntake

use std::fmt;
use std::future::Future;

use bson::RawDocumentBuf;

use crate::broker::Record;
use crate::measure::RunClock;
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::Rejection;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::stopwatch::Sample;
use crate::pipeline::topic_partition::TopicPartition;
use crate::record::{Emission, Envelope, Origin, payload_hash};

/// Initial guess of a document's bytes beyond its payload.
pub const DOCUMENT_OVERHEAD: usize = 256;

/// Turns the records of one partition into documents.
pub trait Intake: fmt::Debug + Send + 'static {
    /// Loads what the records need, such as their schemas. Cancel safe.
    ///
    /// Fails if the schema registry does not respond in time.
    fn prepare(&mut self, records: &[Record<'_>])
    -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns whether a record needs neither a document nor a dead letter.
    fn skips(&self, _record: &Record<'_>) -> bool {
        false
    }

    /// Returns the document of a record that was prepared for and fetched at a time.
    fn document(&mut self, record: &Record<'_>, fetched: u64) -> Result<Ready, Rejection>;
}

/// A document that is ready to be stored.
#[derive(Debug)]
pub struct Ready {
    pub document: RawDocumentBuf,
    /// Facts to measure once the document is stored.
    pub sample: Sample,
}

/// A record with its decoded envelope.
#[derive(Debug, Clone, Copy)]
pub struct Enveloped<'a> {
    pub envelope: Envelope,
    pub emission: Emission<'a>,
    pub value: &'a [u8],
}

impl<'a> Enveloped<'a> {
    pub fn decode(record: &Record<'a>, header: &'a [u8]) -> Result<Self, String> {
        let (envelope, emission) = Envelope::decode(header).map_err(|error| error.to_string())?;
        Ok(Self {
            envelope,
            emission,
            value: value(record)?,
        })
    }

    pub fn origin(
        &self,
        context: &'a Context,
        partition: TopicPartition,
        record: &Record<'a>,
    ) -> Origin<'a> {
        Origin {
            run: self.emission.run_id,
            topic: context.topic(partition),
            partition: partition.number,
            offset: record.offset,
            emitted_at_unix_ms: self.emission.emitted_at_unix_ms,
            timestamp_ms: record.timestamp_ms,
            key: record.key,
            headers: record.headers,
        }
    }

    /// Checks that the payload is the one that was emitted.
    pub fn check_hash(&self, payload: &[u8]) -> Result<(), String> {
        if payload_hash(payload) == self.envelope.payload_hash {
            Ok(())
        } else {
            Err("the payload does not match its hash".to_owned())
        }
    }

    /// Returns the facts to measure once the document of the record is stored.
    pub fn sample(
        &self,
        context: &Context,
        partition: TopicPartition,
        offset: i64,
        fetched: u64,
        payload: &[u8],
    ) -> Sample {
        Sample {
            partition,
            offset,
            envelope: self.on_own_clock(context),
            fetched,
            payload_bytes: payload.len(),
        }
    }

    /// Returns the envelope with its timestamps on this process's clock.
    fn on_own_clock(&self, context: &Context) -> Envelope {
        let Context { clock, boot, .. } = *context;
        let envelope = self.envelope;
        if boot != 0 && self.emission.boot == boot {
            return Envelope {
                intended: clock.of_boot(envelope.intended),
                sent: clock.of_boot(envelope.sent),
                ..envelope
            };
        }
        context.counters.timed_by_wall_clock.add(1);
        by_wall_clock(clock, envelope, &self.emission)
    }
}

/// Takes the intended time from the wall clock, because no other clock is shared.
fn by_wall_clock(clock: RunClock, envelope: Envelope, emission: &Emission<'_>) -> Envelope {
    let intended = clock.of_unix_ms(emission.emitted_at_unix_ms);
    let delay = envelope.sent.saturating_sub(envelope.intended);
    Envelope {
        intended,
        sent: intended.saturating_add(delay),
        ..envelope
    }
}

pub fn value<'a>(record: &Record<'a>) -> Result<&'a [u8], String> {
    record
        .value
        .ok_or_else(|| "the record has no value".to_owned())
}

/// Checks the bytes of a document.
pub fn to_document(bytes: Vec<u8>) -> Result<RawDocumentBuf, String> {
    RawDocumentBuf::from_bytes(bytes).map_err(|error| error.to_string())
}

/// Returns the parts of a rejected record's header, which may be truncated.
pub fn rejection(
    header: Option<&[u8]>,
    reason: String,
    is_known: impl FnOnce(crate::record::RunKey, bool) -> bool,
) -> Rejection {
    let decoded = header.and_then(|header| Envelope::decode(header).ok());
    let identity = header.and_then(Envelope::identity);
    let reading = identity
        .filter(|(run, _, _)| is_known(*run, decoded.is_some()))
        .map(|(_, vehicle, sequence)| (vehicle, sequence));
    Rejection {
        run_id: decoded.map(|(_, emission)| emission.run_id.to_owned()),
        reading,
        reason,
    }
}
