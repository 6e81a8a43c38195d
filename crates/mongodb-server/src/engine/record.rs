//! Records of the log: one per change, with a checksum.
//!
//! ```text
//! segment := header, record*             of frames, see `convoy_server_kit::disk`
//! record  := header, body                the header's tag says what the body is about
//! tag     := kind u8, count u24, collection u32, id u64
//!
//! insert  := collection u32, first id u64, document*               ids follow each other
//! put     := collection u32, (id u64, document)*                   updated, or moved by compaction
//! delete  := collection u32, id u64*
//! catalog := collection u32, document                              created, renamed, indexes changed
//! drop    := collection u32
//! ```
//!
//! `count` is the number of documents, and `id` that of the only one; of several in a put or delete,
//! it is the checksum of their ids. So damage to a body does not hide which documents it was about.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::IoSlice;

use convoy_server_kit::disk::{FRAME_HEADER_BYTES, FrameHeader, TAG_BYTES, Tag};

use crate::bson::{Doc, validate};

/// Bytes before a record's body.
pub const HEADER_BYTES: usize = FRAME_HEADER_BYTES;

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
    frame: FrameHeader,
    pub kind: RecordKind,
}

impl Header {
    /// Returns the header of a body that comes in parts.
    pub fn new(kind: RecordKind, parts: &[IoSlice<'_>]) -> Self {
        let tag = About::of(kind, parts).tag();
        Self {
            frame: FrameHeader::of(tag, parts),
            kind,
        }
    }

    /// Reads a header; `None` if it is damaged.
    pub fn read(bytes: &[u8; HEADER_BYTES], salt: u32) -> Option<Self> {
        Self::from_frame(FrameHeader::read(bytes, salt)?)
    }

    /// Returns the header of a frame; `None` if it is not one of this log.
    pub fn from_frame(frame: FrameHeader) -> Option<Self> {
        let about = About::read(&frame.tag)?;
        (frame.size() <= MAX_BODY_BYTES).then_some(Self {
            frame,
            kind: about.kind,
        })
    }

    /// Returns the bytes of the header.
    pub fn bytes(&self, salt: u32) -> [u8; HEADER_BYTES] {
        self.frame.bytes(salt)
    }

    /// Returns whether the checksum matches the body.
    pub fn fits(&self, body: &[u8]) -> bool {
        self.frame.fits(body)
    }

    /// Returns the length of the body.
    pub fn body_len(&self) -> usize {
        self.frame.size()
    }
}

/// What a record is about: known from its header alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    pub kind: RecordKind,
    /// Number of documents.
    pub count: u32,
    pub collection: CollectionId,
    /// Number of the first inserted or the only other document, else the checksum of all ids.
    pub id: u64,
}

impl About {
    fn of(kind: RecordKind, parts: &[IoSlice<'_>]) -> Self {
        // The collection, then the id of the first document; either may end a part.
        let mut start = [0; INSERT_PREFIX_BYTES];
        let bytes = parts.iter().take(2).flat_map(|part| part.iter());
        for (to, from) in start.iter_mut().zip(bytes) {
            *to = *from;
        }
        let rest = parts.get(1..).unwrap_or_default();
        let single = parts.first().is_some_and(|first| first.len() > 4);
        let count = match kind {
            RecordKind::Insert => rest.len(),
            RecordKind::Put if single => 1,
            RecordKind::Put => rest.len() / 2,
            RecordKind::Delete => rest.iter().map(|part| part.len()).sum::<usize>() / 8,
            RecordKind::Catalog | RecordKind::Drop => 0,
        };
        let (collection, id) = start.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let first = id.first_chunk().copied().map_or(0, u64::from_le_bytes);
        let id = match kind {
            RecordKind::Put if count > 1 => {
                let ids = rest.iter().step_by(2);
                let sum = ids.fold(0, |sum, id| crc32c::crc32c_append(sum, id));
                u64::from(sum)
            }
            RecordKind::Delete if count > 1 => {
                let sum = rest
                    .iter()
                    .fold(0, |sum, ids| crc32c::crc32c_append(sum, ids));
                u64::from(sum)
            }
            RecordKind::Insert | RecordKind::Put | RecordKind::Delete => first,
            RecordKind::Catalog | RecordKind::Drop => 0,
        };
        Self {
            kind,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            collection: CollectionId(u32::from_le_bytes(*collection)),
            id,
        }
    }

    /// Reads a tag; `None` if its kind is unknown.
    pub fn read(tag: &Tag) -> Option<Self> {
        let [kind, a, b, c, rest @ ..] = *tag;
        let (collection, id) = rest.split_first_chunk()?;
        Some(Self {
            kind: RecordKind::from_byte(kind)?,
            count: u32::from_le_bytes([a, b, c, 0]),
            collection: CollectionId(u32::from_le_bytes(*collection)),
            id: u64::from_le_bytes(*id.first_chunk()?),
        })
    }

    fn tag(self) -> Tag {
        let mut tag = [0; TAG_BYTES];
        let [a, b, c, more] = self.count.to_le_bytes();
        let count = if more == 0 { [a, b, c] } else { [u8::MAX; 3] };
        let bytes = std::iter::once(self.kind as u8)
            .chain(count)
            .chain(self.collection.0.to_le_bytes())
            .chain(self.id.to_le_bytes());
        for (to, from) in tag.iter_mut().zip(bytes) {
            *to = from;
        }
        tag
    }
}

/// Returns the ids of the documents of a damaged put or delete; `None` if they are damaged too.
pub fn proven_ids(about: About, body: &[u8]) -> Option<Vec<RecordId>> {
    if about.count == 1 {
        return Some(vec![RecordId(about.id)]);
    }
    let (_collection, rest) = body.split_first_chunk::<4>()?;
    let ids = match about.kind {
        RecordKind::Put => read_put(rest)?.iter().map(|placed| placed.id).collect(),
        RecordKind::Delete => read_ids(rest)?,
        _ => return None,
    };
    let sum = ids
        .iter()
        .fold(0, |sum, id| crc32c::crc32c_append(sum, &id.0.to_le_bytes()));
    (u64::from(sum) == about.id).then_some(ids)
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
