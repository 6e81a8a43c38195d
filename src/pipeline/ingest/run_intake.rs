//! Intake of a run: takes the run's own records and validates them with the dataset's schema.

use std::future::{Future, ready};
use std::sync::Arc;

use crate::broker::Record;
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::Rejection;
use crate::pipeline::emit::Workload;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::intake::{Enveloped, Intake, Ready, rejection, to_document};
use crate::pipeline::topic_partition::TopicPartition;
use crate::pipeline::value_format::ValueFormat;
use crate::record::{Envelope, EnvelopeError, PayloadDecoder, write_document};

/// Turns the records of one partition that belong to the context's run into documents.
#[derive(Debug)]
pub struct RunIntake {
    context: Arc<Context>,
    partition: TopicPartition,
    decoder: PayloadDecoder,
    format: Arc<ValueFormat>,
    /// Holds a document until its length is known.
    scratch: Vec<u8>,
}

impl RunIntake {
    pub fn new(
        context: Arc<Context>,
        partition: TopicPartition,
        workload: &Workload,
        format: Arc<ValueFormat>,
    ) -> Self {
        Self {
            context,
            partition,
            decoder: PayloadDecoder::new(workload.schema(partition.topic)),
            format,
            scratch: Vec::new(),
        }
    }

    fn typed_document(
        &mut self,
        record: &Record<'_>,
        header: &[u8],
        fetched: u64,
    ) -> Result<Ready, String> {
        let enveloped = Enveloped::decode(record, header)?;
        let envelope = enveloped.envelope;
        if envelope.run != self.context.run {
            return Err("the record belongs to another run".to_owned());
        }
        let payload = self.format.payload(enveloped.value)?;
        enveloped.check_hash(payload)?;
        if !self.format.is_implied() {
            self.format.check(payload)?;
        }
        let origin = enveloped.origin(&self.context, self.partition, record);
        let bytes = &mut self.scratch;
        bytes.clear();
        if let Err(error) = write_document(&envelope, &origin, payload, &self.decoder, bytes) {
            // The schema's reason comes first.
            self.format.check(payload)?;
            return Err(error.reason);
        }
        Ok(Ready {
            document: to_document(self.scratch.as_slice().to_vec())?,
            sample: enveloped.sample(
                &self.context,
                self.partition,
                record.offset,
                fetched,
                payload,
            ),
        })
    }
}

impl Intake for RunIntake {
    fn prepare(&mut self, _: &[Record<'_>]) -> impl Future<Output = Result<(), Error>> + Send {
        ready(Ok(()))
    }

    fn document(&mut self, record: &Record<'_>, fetched: u64) -> Result<Ready, Rejection> {
        let header = record.headers.get(Envelope::HEADER);
        let made = match header {
            None => Err(EnvelopeError::Missing.to_string()),
            Some(header) => self.typed_document(record, header, fetched),
        };
        let run = self.context.run;
        made.map_err(|reason| rejection(header, reason, |named, _whole| named == run))
    }
}
