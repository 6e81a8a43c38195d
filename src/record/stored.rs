//! Documents of readings as the audit reads them back.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::Write as _;

use convoy_mongodb_server::bson::{CheckedElements, Doc, Element, Invalid, Kind, Value, subtype};

use crate::dataset::{MISSING_LABEL, write_date};
use crate::record::document::{
    EMITTED_AT, KAFKA, OFFSET, PARTITION, PAYLOAD_HASH, SEQUENCE, TOPIC, VEHICLE,
};
use crate::record::field_names::FieldNames;
use crate::record::identity::DocumentId;
use crate::record::names::{ID, OWN};
use crate::record::payload::{unquoted, write_decimal, write_integer, write_json_string};
use crate::record::payload_hash;

/// Rows whose payload is remembered.
const MAX_KNOWN: usize = 1 << 16;

/// Reads documents: identity, coordinates and the hash of the payload that their fields give.
///
/// A fleet emits the rows of its dataset again and again, so most documents have the same bytes after
/// convoy's own fields as one before. Their payload is not rebuilt.
#[derive(Debug, Default)]
pub struct DocumentReader {
    payload: Vec<u8>,
    names: FieldNames,
    /// Rows that were read before.
    rows: Vec<Row>,
    /// The index of each of them by the hash of its fields' bytes.
    known: HashMap<u128, usize, BuildHasherDefault<HashOfHash>>,
    /// The last row, if it is not among those that are known.
    other: Row,
}

/// A hash of keys that are hashes themselves.
#[derive(Debug, Default)]
struct HashOfHash(u64);

impl Hasher for HashOfHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "each half of a hash is one"
    )]
    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

/// What the fields of a row give.
#[derive(Debug, Default)]
struct Row {
    /// Hash of the payload.
    content_hash: u64,
    /// The label; `None` without a label column.
    label: Option<String>,
}

/// A document is not one that convoy writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The bytes are not BSON.
    #[error("the document is not BSON")]
    Bson(#[from] Invalid),
    /// A field has a value that no field of a row has.
    #[error("a field of the document has an unexpected type")]
    Field,
}

/// What a stored document says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredDocument<'a> {
    /// The `_id`; `None` if convoy did not create it.
    pub id: Option<DocumentId>,
    /// The field `_convoy.vehicle`.
    pub vehicle: Option<i64>,
    /// The field `_convoy.sequence`.
    pub sequence: Option<i64>,
    /// The field `_convoy.emitted_at`, milliseconds since 1970.
    pub emitted_at_unix_ms: i64,
    /// The label; `None` if the reader has no label column.
    pub label: Option<&'a str>,
    /// The field `_convoy.payload_hash`.
    pub payload_hash: Option<u64>,
    /// Hash of the payload that the typed values of its fields give.
    pub content_hash: u64,
    /// Topic of the record.
    pub topic: &'a str,
    /// Partition of the record.
    pub partition: i64,
    /// Offset of the record.
    pub offset: i64,
}

impl DocumentReader {
    /// Creates a reader that also returns the text of a label column.
    pub fn with_label(label_column: Option<String>) -> Self {
        Self {
            names: FieldNames::with_label(label_column),
            ..Self::default()
        }
    }

    /// Reads one raw document.
    pub fn read<'a>(&'a mut self, document: &'a [u8]) -> Result<StoredDocument<'a>, Unreadable> {
        let mut stored = StoredDocument {
            id: None,
            vehicle: None,
            sequence: None,
            emitted_at_unix_ms: i64::MIN,
            label: None,
            payload_hash: None,
            content_hash: 0,
            topic: "",
            partition: -1,
            offset: -1,
        };
        let mut elements = Doc::new(document).checked_elements()?;
        let mut fields = elements.clone();
        while let Some(element) = elements.next() {
            let (name, element) = element?;
            if !read_reserved(name, element, &mut stored)? {
                break;
            }
            fields = elements.clone();
        }
        let row = self.row(fields, &mut stored)?;
        stored.content_hash = row.content_hash;
        stored.label = row.label.as_deref();
        Ok(stored)
    }

    /// Returns the payload that was rebuilt last.
    #[cfg(test)]
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns what the fields after convoy's own ones give.
    fn row<'a>(
        &mut self,
        fields: CheckedElements<'a>,
        stored: &mut StoredDocument<'a>,
    ) -> Result<&Row, Unreadable> {
        let bytes = xxhash_rust::xxh3::xxh3_128(fields.unread());
        if let Some(index) = self.known.get(&bytes) {
            return Ok(&self.rows[*index]);
        }
        let rebuilt = self.rebuild(fields, stored)?;
        if rebuilt.reserved || self.rows.len() >= MAX_KNOWN {
            self.other = rebuilt.row;
            return Ok(&self.other);
        }
        let index = self.rows.len();
        self.known.insert(bytes, index);
        self.rows.push(rebuilt.row);
        Ok(&self.rows[index])
    }

    /// Rebuilds the payload from its fields.
    fn rebuild<'a>(
        &mut self,
        fields: CheckedElements<'a>,
        stored: &mut StoredDocument<'a>,
    ) -> Result<Rebuilt, Unreadable> {
        self.payload.clear();
        let mut label = None;
        let mut reserved = false;
        let mut position = 0;
        for element in fields {
            let (name, element) = element?;
            if read_reserved(name, element, stored)? {
                reserved = true;
                continue;
            }
            let name = self.names.at(position, name);
            position += 1;
            self.payload.extend_from_slice(&name.prefix);
            let start = self.payload.len();
            append_value(&mut self.payload, element)?;
            if name.is_label {
                let json = || {
                    std::str::from_utf8(&self.payload[start..])
                        .ok()
                        .map(unquoted)
                };
                let text = match element.kind() {
                    Kind::Null => Some(MISSING_LABEL),
                    _ => element.text().or_else(json),
                };
                label = text.map(str::to_owned);
            }
        }
        if self.payload.is_empty() {
            self.payload.push(b'{');
        }
        self.payload[0] = b'{';
        self.payload.push(b'}');
        let row = Row {
            content_hash: payload_hash(&self.payload),
            label,
        };
        Ok(Rebuilt { row, reserved })
    }
}

/// A row whose payload was rebuilt.
struct Rebuilt {
    row: Row,
    /// Whether fields of convoy are among those of the row, which no document of convoy has.
    reserved: bool,
}

/// Reads a field of convoy. Returns whether it is one.
fn read_reserved<'a>(
    name: &str,
    element: Element<'a>,
    stored: &mut StoredDocument<'a>,
) -> Result<bool, Unreadable> {
    match (name, element.kind()) {
        (ID, Kind::Binary) => {
            if let Some((subtype::UUID, id)) = element.binary() {
                stored.id = id.try_into().ok().and_then(DocumentId::from_bytes);
            }
        }
        (OWN, Kind::Document) => read_own(element, stored)?,
        (ID | OWN, _) => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads convoy's own fields. A damaged one is missing then, and so are those after it.
fn read_own<'a>(own: Element<'a>, stored: &mut StoredDocument<'a>) -> Result<(), Unreadable> {
    for element in framed(own)?.elements() {
        let name = element.name_bytes();
        match element.kind() {
            Kind::DateTime if name == EMITTED_AT.as_bytes() => {
                stored.emitted_at_unix_ms = element.date_time().unwrap_or(i64::MIN);
            }
            Kind::Int32 | Kind::Int64 if name == VEHICLE.as_bytes() => {
                stored.vehicle = element.integer();
            }
            Kind::Int32 | Kind::Int64 if name == SEQUENCE.as_bytes() => {
                stored.sequence = element.integer();
            }
            Kind::Int32 | Kind::Int64 if name == PAYLOAD_HASH.as_bytes() => {
                stored.payload_hash = element.integer().map(i64::cast_unsigned);
            }
            Kind::Document if name == KAFKA.as_bytes() => read_coordinates(element, stored)?,
            _ => {}
        }
    }
    Ok(())
}

/// Returns an embedded document with a valid length and end.
fn framed(element: Element<'_>) -> Result<Doc<'_>, Invalid> {
    let doc = element.doc().unwrap_or(Doc::EMPTY);
    doc.checked_elements().map(|_elements| doc)
}

fn read_coordinates<'a>(
    kafka: Element<'a>,
    stored: &mut StoredDocument<'a>,
) -> Result<(), Unreadable> {
    for element in framed(kafka)?.elements() {
        let name = element.name_bytes();
        match element.kind() {
            Kind::String if name == TOPIC.as_bytes() => {
                stored.topic = element.text().unwrap_or_default();
            }
            Kind::Int32 | Kind::Int64 if name == PARTITION.as_bytes() => {
                stored.partition = element.integer().unwrap_or(-1);
            }
            Kind::Int32 | Kind::Int64 if name == OFFSET.as_bytes() => {
                stored.offset = element.integer().unwrap_or(-1);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Appends the value of a field to a payload.
fn append_value(payload: &mut Vec<u8>, element: Element<'_>) -> Result<(), Unreadable> {
    match element.kind() {
        Kind::Int32 | Kind::Int64 => {
            write_integer(payload, element.integer().ok_or(Unreadable::Field)?);
        }
        Kind::Double => {
            let number = element.double().filter(|number| number.is_finite());
            write_decimal(payload, number.ok_or(Unreadable::Field)?);
        }
        Kind::String => write_json_string(payload, element.text().ok_or(Unreadable::Field)?),
        Kind::Null => payload.extend_from_slice(b"null"),
        Kind::Bool | Kind::DateTime | Kind::Decimal128 => append_rare(payload, &element.value())?,
        _ => return Err(Unreadable::Field),
    }
    Ok(())
}

fn append_rare(payload: &mut Vec<u8>, value: &Value<'_>) -> Result<(), Unreadable> {
    match value {
        Value::Bool(true) => payload.extend_from_slice(b"true"),
        Value::Bool(false) => payload.extend_from_slice(b"false"),
        Value::DateTime(unix_ms) => {
            let written = write_date(*unix_ms).ok_or(Unreadable::Field)?;
            payload.push(b'"');
            payload.extend_from_slice(&written);
            payload.push(b'"');
        }
        Value::Decimal128(number) if number.to_f64().is_finite() => {
            write!(payload, "{number}").map_err(|_| Unreadable::Field)?;
        }
        _ => return Err(Unreadable::Field),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use convoy_mongodb_server::bson::Writer;
    use proptest::prelude::*;

    use super::*;

    fn document(class: &str, number: i64, last: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        if !last {
            writer.document(OWN, |own| own.integer(VEHICLE, 7));
        }
        writer.string("class", class);
        writer.int64("n", number);
        if last {
            writer.document(OWN, |own| own.integer(VEHICLE, 7));
        }
        writer.finish();
        bytes
    }

    #[test]
    fn reader_that_knows_too_many_rows_reads_further_ones() {
        let mut reader = DocumentReader::with_label(Some("class".to_owned()));
        for number in 0..=i64::try_from(MAX_KNOWN).unwrap() {
            let bytes = document("neg", number, false);
            let stored = reader.read(&bytes).unwrap();
            let payload = format!(r#"{{"class":"neg","n":{number}}}"#);
            assert_eq!(stored.content_hash, payload_hash(payload.as_bytes()));
            assert_eq!(stored.label, Some("neg"));
        }
        assert_eq!(
            (reader.known.len(), reader.rows.len()),
            (MAX_KNOWN, MAX_KNOWN)
        );
    }

    proptest! {
        #[test]
        fn documents_read_alike_whatever_was_read_before(
            rows in prop::collection::vec(("[ab]{0,2}", 0_i64..4, any::<bool>()), 1..20),
        ) {
            let mut reader = DocumentReader::with_label(Some("class".to_owned()));
            for (class, number, last) in rows {
                let bytes = document(&class, number, last);
                let mut fresh = DocumentReader::with_label(Some("class".to_owned()));
                let expected = fresh.read(&bytes).unwrap();
                prop_assert_eq!(reader.read(&bytes).unwrap(), expected);
                prop_assert_eq!(expected.vehicle, Some(7));
                prop_assert_eq!(expected.label, Some(class.as_str()));
            }
        }
    }
}
