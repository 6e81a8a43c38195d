//! The rows of all topics under one index, and the payload of each row.

use std::sync::OnceLock;

use crate::dataset::{Dataset, RowBuffer, Schema};
use crate::pipeline::error::Error;
use crate::record::{IDENTITY_FIELDS, PayloadEncoder, identity_columns, payload_hash};

/// Bytes of payloads that are kept, so that a row that is replayed again is not encoded again.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// Rows of the largest dataset whose payloads are kept.
const KEPT_ROWS: u64 = 100_000;

/// Rows to replay, topic after topic.
#[derive(Debug)]
pub struct Workload {
    sources: Vec<Source>,
    rows: u64,
    /// What rows are as payloads, if all rows of their length fit into [`KEPT_BYTES`].
    kept: Vec<OnceLock<Box<Encoded>>>,
    /// Whether messages have the identity of their reading after the columns.
    payload_identity: bool,
}

/// The rows of one topic.
#[derive(Debug)]
struct Source {
    dataset: Dataset,
    encoder: PayloadEncoder,
    label_column: Option<usize>,
    first_row: u64,
}

/// A row as a payload.
#[derive(Debug)]
struct Encoded {
    payload: Box<[u8]>,
    hash: u64,
    label: Option<Box<str>>,
}

/// Buffers that are reused between rows.
#[derive(Debug, Default)]
pub struct EncodeBuffer {
    row: RowBuffer,
    /// Payload of the last row.
    pub payload: Vec<u8>,
}

impl Workload {
    /// Concatenates the datasets of all topics.
    pub fn new(datasets: Vec<Dataset>) -> Self {
        let mut rows = 0;
        let sources = datasets
            .into_iter()
            .map(|dataset| {
                let first_row = rows;
                rows += dataset.rows();
                let encoder = {
                    let syntax = dataset.syntax().clone();
                    PayloadEncoder::with_syntax(dataset.schema(), syntax)
                };
                let label_column = dataset.label_column();
                Source {
                    dataset,
                    encoder,
                    label_column,
                    first_row,
                }
            })
            .collect();
        let kept = if rows <= KEPT_ROWS { rows } else { 0 };
        Self {
            sources,
            rows,
            kept: (0..kept).map(|_row| OnceLock::new()).collect(),
            payload_identity: false,
        }
    }

    /// Adds the identity of each reading to its message, after the columns.
    pub fn add_payload_identity(&mut self) -> Result<(), Error> {
        let mut columns = self.sources.iter().flat_map(|source| {
            let columns = source.dataset.schema().columns.iter();
            columns.map(|column| column.name.as_str())
        });
        if let Some(column) = columns.find(|column| IDENTITY_FIELDS.contains(column)) {
            return Err(Error::IdentityColumn {
                column: column.to_owned(),
            });
        }
        self.payload_identity = true;
        Ok(())
    }

    /// Returns whether messages have the identity of their reading after the columns.
    pub fn has_payload_identity(&self) -> bool {
        self.payload_identity
    }

    /// Returns the schema of the messages of a topic.
    pub fn message_schema(&self, topic: usize) -> Schema {
        let mut schema = self.schema(topic).clone();
        if self.payload_identity {
            schema.columns.extend(identity_columns());
        }
        schema
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the dataset of each topic.
    pub fn datasets(&self) -> impl ExactSizeIterator<Item = &Dataset> {
        self.sources.iter().map(|source| &source.dataset)
    }

    /// Returns the schema of a topic's rows.
    pub fn schema(&self, topic: usize) -> &Schema {
        self.sources[topic].dataset.schema()
    }

    /// Returns the name of the label column of the first topic that has one.
    pub fn label_column(&self) -> Option<&str> {
        self.sources.iter().find_map(|source| {
            let column = source.label_column?;
            Some(source.dataset.schema().columns[column].name.as_str())
        })
    }

    /// Returns the index of the topic that a row belongs to.
    pub fn topic_of(&self, row: u64) -> usize {
        self.sources
            .partition_point(|source| source.first_row <= row)
            - 1
    }

    /// Writes a row's payload to `buffer.payload`, and returns its hash. `visit_label` gets its label,
    /// if its topic has a label column.
    pub fn encode_hashed(
        &self,
        row: u64,
        buffer: &mut EncodeBuffer,
        visit_label: impl FnOnce(&str),
    ) -> Result<u64, Error> {
        let slot = usize::try_from(row).ok().and_then(|row| self.kept.get(row));
        if let Some(encoded) = slot.and_then(OnceLock::get) {
            if let Some(label) = &encoded.label {
                visit_label(label);
            }
            buffer.payload.clear();
            buffer.payload.extend_from_slice(&encoded.payload);
            return Ok(encoded.hash);
        }
        let mut label = None;
        self.encode(row, buffer, |found| {
            label = slot.is_some().then(|| found.into());
            visit_label(found);
        })?;
        let payload = &buffer.payload;
        let hash = payload_hash(payload);
        let bytes = self.rows.saturating_mul(payload.len() as u64);
        if let Some(slot) = slot.filter(|_| bytes <= KEPT_BYTES) {
            slot.get_or_init(|| {
                Box::new(Encoded {
                    payload: payload.as_slice().into(),
                    hash,
                    label,
                })
            });
        }
        Ok(hash)
    }

    /// Writes a row's payload to `buffer.payload`. `visit_label` gets its label, if its topic has a
    /// label column.
    pub fn encode(
        &self,
        row: u64,
        buffer: &mut EncodeBuffer,
        visit_label: impl FnOnce(&str),
    ) -> Result<(), Error> {
        let source = &self.sources[self.topic_of(row)];
        let found = source.dataset.row(row - source.first_row, &mut buffer.row);
        let cells = found.map_err(Error::Dataset)?;
        if let Some(column) = source.label_column {
            let (cell, scratch) = (cells.field(column), &mut buffer.payload);
            source
                .encoder
                .visit_label(column, cell, scratch, visit_label);
        }
        buffer.payload.clear();
        source
            .encoder
            .encode(cells.fields(), &mut buffer.payload)
            .map_err(|error| Error::Encode { row, source: error })
    }

    /// Returns the index of the label column of a topic.
    pub fn label_index(&self, topic: usize) -> Option<usize> {
        self.sources[topic].label_column
    }

    /// Returns the hash of every row's payload.
    pub fn payload_hashes(&self) -> Result<Vec<u64>, Error> {
        let mut buffer = EncodeBuffer::default();
        (0..self.rows)
            .map(|row| {
                self.encode(row, &mut buffer, |_label| ())?;
                Ok(payload_hash(&buffer.payload))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dataset::ReadOptions;

    fn encoded(workload: &Workload, row: u64) -> (Vec<u8>, u64, String) {
        let (mut buffer, mut label) = (EncodeBuffer::default(), String::new());
        let hash = workload
            .encode_hashed(row, &mut buffer, |found| found.clone_into(&mut label))
            .unwrap();
        (buffer.payload, hash, label)
    }

    #[test]
    fn a_replayed_row_has_the_same_payload_hash_and_label() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
        let workload = Workload::new(Dataset::open(&path, &ReadOptions::default()).unwrap());
        for row in [0, 7, workload.rows() - 1] {
            let (payload, hash, label) = encoded(&workload, row);
            assert!(workload.kept[usize::try_from(row).unwrap()].get().is_some());
            let mut buffer = EncodeBuffer::default();
            workload.encode(row, &mut buffer, |_label| ()).unwrap();
            assert_eq!((&buffer.payload, payload_hash(&payload)), (&payload, hash));
            assert_eq!(encoded(&workload, row), (payload, hash, label));
        }
    }
}
