//! One entry of the oplog.

use crate::bson::{Builder, Doc, Value, subtype};
use crate::engine::namespace::Namespace;

/// Bytes of an entry before the value of `ts`, its first field.
const STAMP_OFFSET: usize = 8;

/// Largest size of the documents before and after a change together; beyond it they are left out.
const MAX_IMAGE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes from which a description is compared with the document that it describes.
const LARGE_DESCRIPTION: usize = 64 * 1024;

/// The collection that a change belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub namespace: &'a Namespace,
    pub uuid: [u8; 16],
    /// Whether the documents before and after a change are kept for change streams.
    pub images: bool,
}

/// Statements of a retryable write.
#[derive(Debug, Clone, Copy)]
pub struct Retry<'e> {
    /// The session's id.
    pub session: [u8; 16],
    /// `txnNumber`
    pub number: i64,
    /// The numbers of the statements, one for each document.
    pub statements: &'e [i32],
    /// The document that a retry must return.
    pub image: Option<Image>,
}

/// A document that a retry returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    Before,
    After,
}

/// A statement of a retryable write.
#[derive(Debug, Clone, Copy)]
pub struct Tag {
    pub session: [u8; 16],
    pub number: i64,
    pub statement: i32,
    image: Option<Image>,
}

/// An entry to append.
#[derive(Debug)]
pub struct Entry {
    pub bytes: Vec<u8>,
    pub tag: Option<Tag>,
}

/// Returns whether changes of a database are in the oplog.
pub fn is_replicated(namespace: &Namespace) -> bool {
    namespace.database != "local"
}

impl Retry<'_> {
    /// Returns the statement of the document at an index of the write.
    fn tag(&self, index: usize) -> Option<Tag> {
        Some(Tag {
            session: self.session,
            number: self.number,
            statement: *self.statements.get(index)?,
            image: self.image,
        })
    }
}

impl Tag {
    /// Reads the statement of an entry.
    pub fn read(entry: Doc<'_>) -> Option<Self> {
        let session = entry.get("lsid")?;
        let session = match session.as_document()?.get("id")? {
            Value::Binary { bytes, .. } => bytes.as_ref().try_into().ok()?,
            _ => return None,
        };
        Some(Self {
            session,
            number: entry.get("txnNumber")?.as_i64()?,
            statement: i32::try_from(entry.get("stmtId")?.as_i64()?).ok()?,
            image: None,
        })
    }
}

impl Entry {
    /// Returns the entry of an inserted document, which is number `index` of the write.
    pub fn insert(
        subject: Subject<'_>,
        doc: Doc<'_>,
        retry: Option<&Retry<'_>>,
        index: usize,
    ) -> Self {
        let tag = retry.and_then(|retry| retry.tag(index));
        let entry = subject.head("i").raw_document("o", doc);
        Self::finish(with_key(entry, doc), tag)
    }

    /// Returns the entry of a changed document; without a description it was replaced.
    pub fn update(
        subject: Subject<'_>,
        before: Doc<'_>,
        after: Doc<'_>,
        description: Option<&[u8]>,
        retry: Option<&Retry<'_>>,
    ) -> Self {
        let tag = retry.and_then(|retry| retry.tag(0));
        let short = |description: &&[u8]| {
            description.len() < LARGE_DESCRIPTION || description.len() < after.bytes().len()
        };
        let entry = match description.filter(short) {
            Some(description) => subject.head("u").raw_document("o", Doc::new(description)),
            None => subject
                .head("u")
                .raw_document("o", after)
                .bool("replace", true),
        };
        let entry = with_key(entry, before);
        let entry = with_images(entry, subject, before, Some(after), tag);
        Self::finish(entry, tag)
    }

    /// Returns the entry of a removed document.
    pub fn remove(subject: Subject<'_>, before: Doc<'_>, retry: Option<&Retry<'_>>) -> Self {
        let tag = retry.and_then(|retry| retry.tag(0));
        let entry = subject
            .head("d")
            .raw_document("o", Doc::new(&key_of(before)));
        Self::finish(with_images(entry, subject, before, None, tag), tag)
    }

    /// Returns the entry of a command on a collection.
    pub fn command(subject: Subject<'_>, command: Builder) -> Self {
        let database = format!("{}.$cmd", subject.namespace.database);
        let entry = head("c", &database).with("ui", &uuid(subject.uuid));
        let namespace = subject.namespace.to_string();
        let entry = entry
            .document("o", command)
            .document("o2", Builder::new().string("ns", &namespace));
        Self::finish(entry, None)
    }

    /// Returns the entry of a dropped database.
    pub fn drop_database(database: &str) -> Self {
        let entry = head("c", &format!("{database}.$cmd"));
        Self::finish(
            entry.document("o", Builder::new().int32("dropDatabase", 1)),
            None,
        )
    }

    /// Returns an entry that changes nothing.
    pub fn note(message: &str) -> Self {
        let note = Builder::new().string("msg", message);
        Self::finish(head("n", "").document("o", note), None)
    }

    fn finish(entry: Builder, tag: Option<Tag>) -> Self {
        let now = convoy_server_kit::unix_ms();
        let now = Value::DateTime(i64::try_from(now).unwrap_or(i64::MAX));
        let entry = entry.with("wall", &now);
        let entry = match tag {
            Some(tag) => entry
                .document("lsid", Builder::new().with("id", &uuid(tag.session)))
                .int64("txnNumber", tag.number)
                .int32("stmtId", tag.statement),
            None => entry,
        };
        Self {
            bytes: entry.finish(),
            tag,
        }
    }

    /// Sets the timestamp.
    pub fn stamp(&mut self, stamp: u64) {
        if let Some(place) = self.bytes.get_mut(STAMP_OFFSET..STAMP_OFFSET + 8) {
            place.copy_from_slice(&stamp.to_le_bytes());
        }
    }
}

impl<'a> Subject<'a> {
    /// Returns a collection of which no images are kept.
    pub fn of(namespace: &'a Namespace, uuid: [u8; 16]) -> Self {
        Self {
            namespace,
            uuid,
            images: false,
        }
    }

    fn head(self, operation: &str) -> Builder {
        let namespace = self.namespace.to_string();
        head(operation, &namespace).with("ui", &uuid(self.uuid))
    }
}

/// Returns the first fields of an entry; the timestamp follows.
fn head(operation: &str, namespace: &str) -> Builder {
    Builder::new()
        .with("ts", &Value::Timestamp(0))
        .int64("t", 1)
        .int64("v", 2)
        .string("op", operation)
        .string("ns", namespace)
}

fn key_of(doc: Doc<'_>) -> Vec<u8> {
    let mut key = Builder::new();
    if let Some(id) = doc.element("_id") {
        key.push_element(id);
    }
    key.finish()
}

fn with_key(entry: Builder, doc: Doc<'_>) -> Builder {
    entry.raw_document("o2", Doc::new(&key_of(doc)))
}

/// Adds the documents before and after a change, if the collection or the statement wants them.
fn with_images(
    entry: Builder,
    subject: Subject<'_>,
    before: Doc<'_>,
    after: Option<Doc<'_>>,
    tag: Option<Tag>,
) -> Builder {
    let mut entry = entry;
    let size = before.bytes().len() + after.map_or(0, |after| after.bytes().len());
    if subject.images && size <= MAX_IMAGE_BYTES {
        entry = entry.raw_document("before", before);
        if let Some(after) = after {
            entry = entry.raw_document("after", after);
        }
    }
    let image = match tag.and_then(|tag| tag.image) {
        Some(Image::Before) => Some(before),
        Some(Image::After) => after,
        None => None,
    };
    match image {
        Some(image) => entry.raw_document("image", image),
        None => entry,
    }
}

fn uuid(bytes: [u8; 16]) -> Value<'static> {
    Value::Binary {
        subtype: subtype::UUID,
        bytes: bytes.to_vec().into(),
    }
}
