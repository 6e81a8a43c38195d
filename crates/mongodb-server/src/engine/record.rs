//! Records of the log: one per change, with a checksum.
//!
//! ```text
//! segment := magic 8, number u32, salt u32, record*
//! record  := crc32c u32, length u32, durable u32, kind u8, body    length counts the body alone
//!
//! insert  := collection u32, first id u64, document*               ids follow each other
//! put     := collection u32, (id u64, document)*                   updated, or moved by compaction
//! delete  := collection u32, id u64*
//! catalog := collection u32, document                              created, renamed, indexes changed
//! drop    := collection u32
//! ```
//!
//! `durable` is the part of the segment that was known to be on disk when the record was written.
//! After a crash it tells a torn tail, which was never durable, from damage to durable records.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::IoSlice;

use crate::bson::{Doc, validate};

/// Bytes before a record's body.
pub const HEADER_BYTES: usize = 13;

/// Bytes before the documents of a batch: collection and first id.
pub const INSERT_PREFIX_BYTES: usize = 12;

/// Bytes after which a batch is split into records, so that replaying one takes little memory.
pub const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of the longest record: a batch and the document that exceeds it.
pub const MAX_BODY_BYTES: usize = BATCH_BYTES + 17 * 1024 * 1024;

/// Identifies a collection in the log; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId(pub u32);

/// Identifies a document in its collection, in the order of insertion; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

impl RecordId {
    /// Returns the id that is `count` later.
    pub fn offset(self, count: usize) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(count).unwrap_or(u64::MAX)),
        )
    }
}

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// New documents.
    Insert = 1,
    /// New contents of existing documents.
    Put = 2,
    /// Deleted documents.
    Delete = 3,
    /// A collection's description.
    Catalog = 4,
    /// A dropped collection.
    Drop = 5,
}

impl RecordKind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Insert,
            2 => Self::Put,
            3 => Self::Delete,
            4 => Self::Catalog,
            5 => Self::Drop,
            _ => return None,
        })
    }
}

/// The fixed part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Checksum of everything after it, started with the segment's salt.
    pub checksum: u32,
    /// Bytes of the body.
    pub length: u32,
    /// Length of the segment that was on disk before.
    pub durable: u32,
    pub kind: RecordKind,
}

impl Header {
    /// Returns the header of a body that comes in parts.
    pub fn of(kind: RecordKind, durable: u32, salt: u32, parts: &[IoSlice<'_>]) -> Self {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut header = Self {
            checksum: 0,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            durable,
            kind,
        };
        let seed = crc32c::crc32c_append(salt, &header.checked_bytes());
        header.checksum = parts
            .iter()
            .fold(seed, |sum, part| crc32c::crc32c_append(sum, part));
        header
    }

    /// Reads a header; `None` if its kind or length is invalid.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (checksum, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (durable, rest) = rest.split_first_chunk()?;
        let header = Self {
            checksum: u32::from_le_bytes(*checksum),
            length: u32::from_le_bytes(*length),
            durable: u32::from_le_bytes(*durable),
            kind: RecordKind::from_byte(*rest.first()?)?,
        };
        (header.body_len() <= MAX_BODY_BYTES).then_some(header)
    }

    /// Returns the bytes of the header.
    pub fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let (checksum, rest) = bytes.split_at_mut(4);
        checksum.copy_from_slice(&self.checksum.to_le_bytes());
        rest.copy_from_slice(&self.checked_bytes());
        bytes
    }

    /// Returns whether the checksum matches the body.
    pub fn fits(&self, salt: u32, body: &[u8]) -> bool {
        let seed = crc32c::crc32c_append(salt, &self.checked_bytes());
        crc32c::crc32c_append(seed, body) == self.checksum
    }

    /// Returns the length of the body.
    pub fn body_len(&self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }

    fn checked_bytes(&self) -> [u8; HEADER_BYTES - 4] {
        let [l0, l1, l2, l3] = self.length.to_le_bytes();
        let [d0, d1, d2, d3] = self.durable.to_le_bytes();
        [l0, l1, l2, l3, d0, d1, d2, d3, self.kind as u8]
    }
}

/// A decoded body.
#[derive(Debug)]
pub enum Change<'a> {
    /// New documents, or new contents of existing ones.
    Documents(Vec<Placed<'a>>),
    /// Deleted documents.
    Delete(Vec<RecordId>),
    /// A collection's description.
    Catalog(Doc<'a>),
    /// A dropped collection.
    Drop,
}

/// A document in a record's body.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    pub id: RecordId,
    /// Offset in the body.
    pub offset: usize,
    pub document: Doc<'a>,
}

/// Decodes a body; `None` if it does not have the format of its kind.
pub fn read_body(kind: RecordKind, body: &[u8]) -> Option<(CollectionId, Change<'_>)> {
    let (collection, rest) = body.split_first_chunk()?;
    let collection = CollectionId(u32::from_le_bytes(*collection));
    let change = match kind {
        RecordKind::Insert => Change::Documents(read_insert(rest)?),
        RecordKind::Put => Change::Documents(read_put(rest)?),
        RecordKind::Delete => Change::Delete(read_ids(rest)?),
        RecordKind::Catalog => Change::Catalog(read_document(rest)?.0),
        RecordKind::Drop => Change::Drop,
    };
    Some((collection, change))
}

/// Returns the bytes before an inserted batch.
pub fn insert_prefix(collection: CollectionId, first: RecordId) -> [u8; INSERT_PREFIX_BYTES] {
    let mut bytes = [0; INSERT_PREFIX_BYTES];
    let (collection_bytes, id) = bytes.split_at_mut(4);
    collection_bytes.copy_from_slice(&collection.0.to_le_bytes());
    id.copy_from_slice(&first.0.to_le_bytes());
    bytes
}

fn read_insert(rest: &[u8]) -> Option<Vec<Placed<'_>>> {
    let (first, mut rest) = rest.split_first_chunk()?;
    let first = RecordId(u64::from_le_bytes(*first));
    let mut offset = INSERT_PREFIX_BYTES;
    let mut documents = Vec::new();
    while !rest.is_empty() {
        let (document, after) = read_document(rest)?;
        documents.push(Placed {
            id: first.offset(documents.len()),
            offset,
            document,
        });
        offset = offset.checked_add(document.bytes().len())?;
        rest = after;
    }
    Some(documents)
}

fn read_put(mut rest: &[u8]) -> Option<Vec<Placed<'_>>> {
    let mut offset = 4_usize;
    let mut documents = Vec::new();
    while !rest.is_empty() {
        let (id, after) = rest.split_first_chunk()?;
        let (document, after) = read_document(after)?;
        offset = offset.checked_add(8)?;
        documents.push(Placed {
            id: RecordId(u64::from_le_bytes(*id)),
            offset,
            document,
        });
        offset = offset.checked_add(document.bytes().len())?;
        rest = after;
    }
    Some(documents)
}

fn read_ids(rest: &[u8]) -> Option<Vec<RecordId>> {
    let (ids, torn) = rest.as_chunks();
    let ids = ids.iter().map(|&id| RecordId(u64::from_le_bytes(id)));
    torn.is_empty().then(|| ids.collect())
}

/// Splits off a document. It was validated before it was written, and its checksum matches.
fn read_document(bytes: &[u8]) -> Option<(Doc<'_>, &[u8])> {
    let length = validate::document_len(bytes).filter(|&length| length >= 5)?;
    let (document, rest) = bytes.split_at_checked(length)?;
    Some((Doc::new(document), rest))
}
