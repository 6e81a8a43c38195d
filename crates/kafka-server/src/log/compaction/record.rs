//! The records of a batch in memory, with the fields that compaction needs.

use std::io::Read;

use crate::batch::Header;
use crate::codec;
use crate::varint::{put_varint, varint};

/// A record in the decompressed body of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset from the base offset of the batch.
    pub offset: i64,
    /// Milliseconds from the base timestamp of the batch.
    pub since: i64,
    pub key: Option<&'a [u8]>,
    pub is_tombstone: bool,
    attributes: u8,
    /// Key, value and headers with their lengths.
    rest: &'a [u8],
}

/// Returns the decompressed records of a batch; `None` if they cannot be read.
pub fn decompress(header: &Header, body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader = codec::reader(header.codec(), body);
    reader.ok()?.read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= codec::MAX_BYTES).then_some(bytes)
}

/// Returns the records of a decompressed body; `None` if they are not what the header states.
pub fn parse<'a>(header: &Header, mut body: &'a [u8]) -> Option<Vec<Record<'a>>> {
    let count = usize::try_from(header.records).ok()?;
    let mut records = Vec::with_capacity(count.min(body.len()));
    for _ in 0..count {
        let length = usize::try_from(varint(&mut body)?).ok()?;
        let (mut fields, following) = body.split_at_checked(length)?;
        body = following;
        let (attributes, after) = fields.split_first()?;
        fields = after;
        let since = varint(&mut fields)?;
        let offset = varint(&mut fields)?;
        let rest = fields;
        let key = match usize::try_from(varint(&mut fields)?) {
            Ok(length) => {
                let (key, after) = fields.split_at_checked(length)?;
                fields = after;
                Some(key)
            }
            Err(_null) => None,
        };
        let is_tombstone = varint(&mut fields)? < 0;
        records.push(Record {
            offset,
            since,
            key,
            is_tombstone,
            attributes: *attributes,
            rest,
        });
    }
    body.is_empty().then_some(records)
}

impl Record<'_> {
    /// Appends the record; `since` are milliseconds from the new base timestamp.
    pub fn write(&self, since: i64, output: &mut Vec<u8>) {
        let mut head = vec![self.attributes];
        put_varint(since, &mut head);
        put_varint(self.offset, &mut head);
        let length = head.len().saturating_add(self.rest.len());
        put_varint(i64::try_from(length).unwrap_or(i64::MAX), output);
        output.extend(head);
        output.extend(self.rest);
    }
}
