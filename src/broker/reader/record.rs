//! A fetched record: slices of its batch, or a copy.

use crate::record::{Headers, RecordHeaders};

/// A record of the log, as slices of the batch that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset in its partition.
    pub offset: i64,
    /// Milliseconds since 1970; any number, because some producers send other units.
    pub timestamp_ms: i64,
    /// Key; `None` has none.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: RecordHeaders<'a>,
}

/// A record that owns its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordBuf {
    /// Offset in its partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Key; `None` has none.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Headers,
}

impl Record<'_> {
    /// Copies the record.
    pub fn to_buf(&self) -> RecordBuf {
        RecordBuf {
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(<[u8]>::to_vec),
            value: self.value.map(<[u8]>::to_vec),
            headers: self.headers.to_headers(),
        }
    }

    /// Returns the bytes of key, value and headers.
    pub fn bytes(&self) -> usize {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        length(self.key) + length(self.value) + self.headers.bytes()
    }
}

impl RecordBuf {
    /// Returns the record as slices of its own bytes; `headers` holds those of the headers.
    pub fn as_record<'a>(&'a self, headers: &'a mut Vec<u8>) -> Record<'a> {
        Record {
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: self.headers.to_record(headers),
        }
    }
}
