//! Transaction markers: control batches of one record that end a transaction in a partition.
//!
//! ```text
//!  key    version i16 (0), type i16 (0 abort, 1 commit)
//!  value  version i16 (0), coordinator epoch i32
//! ```
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#controlbatch>

use crate::batch::{HEADER_BYTES, Header};
use crate::varint::{put_varint, varint};

/// Epoch of the only coordinator.
pub const COORDINATOR_EPOCH: i32 = 0;

const ABORT: u8 = 0;
const COMMIT: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// Whether the transaction is committed; else it is aborted.
    pub commits: bool,
    /// Milliseconds since 1970.
    pub timestamp: i64,
}

impl Marker {
    /// Returns the header and the bytes of the control batch.
    pub fn encode(&self) -> (Header, Vec<u8>) {
        let record = self.record(0);
        let header = Header::of_marker(
            self.producer_id,
            self.producer_epoch,
            self.timestamp,
            &record,
        );
        let mut bytes = header.encode(0, 0).to_vec();
        bytes.extend(record);
        (header, bytes)
    }

    /// Returns the header and the record of a batch with the time after which compaction drops it,
    /// in milliseconds since 1970.
    pub fn encode_until(&self, horizon: i64) -> (Header, Vec<u8>) {
        let record = self.record(self.timestamp.saturating_sub(horizon));
        let mut header = Header::of_marker(self.producer_id, self.producer_epoch, horizon, &record);
        header.set_delete_horizon();
        header.set_max_timestamp(self.timestamp, &record);
        (header, record)
    }

    /// Returns whether a control batch commits; `None` if it is not a marker.
    pub fn commits(bytes: &[u8]) -> Option<bool> {
        let mut record = bytes.get(HEADER_BYTES..)?;
        let _length = varint(&mut record)?;
        let (_attributes, mut record) = record.split_first()?;
        let _since = varint(&mut record)?;
        let _offset = varint(&mut record)?;
        let _key_length = varint(&mut record)?;
        match record.get(..4)? {
            [_, _, 0, ABORT] => Some(false),
            [_, _, 0, COMMIT] => Some(true),
            _ => None,
        }
    }

    /// Returns the record; `since` are milliseconds from the base timestamp.
    fn record(&self, since: i64) -> Vec<u8> {
        let kind = if self.commits { COMMIT } else { ABORT };
        let mut fields = vec![0]; // attributes
        put_varint(since, &mut fields);
        put_varint(0, &mut fields); // offset
        put_varint(4, &mut fields);
        fields.extend([0, 0, 0, kind]);
        put_varint(6, &mut fields);
        fields.extend([0, 0]);
        fields.extend(COORDINATOR_EPOCH.to_be_bytes());
        put_varint(0, &mut fields); // headers
        let mut record = Vec::new();
        put_varint(i64::try_from(fields.len()).unwrap_or(0), &mut record);
        record.extend(fields);
        record
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::records::RecordBatchDecoder;

    use super::*;
    use crate::batch;

    #[test]
    fn marker_is_a_control_batch_that_other_decoders_read() {
        for commits in [true, false] {
            let marker = Marker {
                producer_id: 7,
                producer_epoch: 3,
                commits,
                timestamp: 1_700_000_000_000,
            };
            let (header, bytes) = marker.encode();
            let checked = batch::check(&bytes).unwrap();
            assert_eq!(checked.crc, header.crc);
            assert!(checked.control() && checked.transactional());
            assert!(header.control() && header.transactional());
            assert_eq!(Marker::commits(&bytes), Some(commits));
            let set = RecordBatchDecoder::decode(&mut Bytes::from(bytes)).unwrap();
            let record = &set.records[0];
            assert!(record.control && record.transactional);
            assert_eq!((record.producer_id, record.producer_epoch), (7, 3));
            assert_eq!(
                record.key.as_deref(),
                Some(&[0, 0, 0, u8::from(commits)][..])
            );
            assert_eq!(record.value.as_deref(), Some(&[0; 6][..]));
            assert_eq!(record.timestamp, marker.timestamp);
        }
    }

    #[test]
    fn marker_with_a_deadline_keeps_its_outcome_and_time() {
        let marker = Marker {
            producer_id: 7,
            producer_epoch: 3,
            commits: true,
            timestamp: 1_000,
        };
        let (header, record) = marker.encode_until(1_700_000_000_000);
        let mut bytes = header.encode(0, 0).to_vec();
        bytes.extend(record);
        assert_eq!(batch::check(&bytes).unwrap().crc, header.crc);
        assert_eq!(header.delete_horizon(), Some(1_700_000_000_000));
        assert_eq!(Marker::commits(&bytes), Some(true));
        let set = RecordBatchDecoder::decode(&mut Bytes::from(bytes)).unwrap();
        assert_eq!(set.records[0].timestamp, 1_000);
    }
}
