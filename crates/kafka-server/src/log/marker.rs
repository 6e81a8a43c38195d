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

/// Epoch of the only coordinator.
pub const COORDINATOR_EPOCH: i32 = 0;

const ABORT: u8 = 0;
const COMMIT: u8 = 1;

/// Position of the low byte of the type in the record.
const TYPE_AT: usize = 8;

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
        let kind = if self.commits { COMMIT } else { ABORT };
        let mut record = vec![
            0, // attributes
            0, // timestamp, from the base timestamp
            0, // offset, from the base offset
            4 << 1,
            0,
            0,
            0,
            kind,
            6 << 1,
            0,
            0,
        ];
        record.extend(COORDINATOR_EPOCH.to_be_bytes());
        record.push(0); // headers
        let length = u8::try_from(record.len() << 1).unwrap_or(u8::MAX);
        record.insert(0, length);
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

    /// Returns whether a control batch commits; `None` if it is not a marker.
    pub fn commits(bytes: &[u8]) -> Option<bool> {
        match *bytes.get(HEADER_BYTES.checked_add(TYPE_AT)?)? {
            ABORT => Some(false),
            COMMIT => Some(true),
            _ => None,
        }
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
            assert_eq!(batch::check(&bytes), Ok(header));
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
}
