//! The document of a reading: written from envelope and payload, read back by the audit.
//!
//! ```text
//!  { _id, vehicle, sequence, run, emitted_at, payload_hash, <the row's fields>, kafka: { topic, partition, offset } }
//! ```

use std::io::Write as _;

use convoy_mongodb_server::bson::{Doc, Element, Invalid, Kind, Value, Writer, subtype};

use crate::dataset::{MISSING_LABEL, write_date};
use crate::record::envelope::Envelope;
use crate::record::identity::DocumentId;
use crate::record::payload::{unquoted, write_decimal, write_integer, write_json_string};
use crate::record::typed::{DecodeError, PayloadDecoder};

/// Fields that convoy adds to every document; a column cannot have these names.
pub const RESERVED_FIELDS: [&str; 7] =
    [ID, VEHICLE, SEQUENCE, RUN, EMITTED_AT, PAYLOAD_HASH, KAFKA];

const ID: &str = "_id";
const VEHICLE: &str = "vehicle";
const SEQUENCE: &str = "sequence";
const RUN: &str = "run";
const EMITTED_AT: &str = "emitted_at";
const PAYLOAD_HASH: &str = "payload_hash";
const KAFKA: &str = "kafka";
const TOPIC: &str = "topic";
const PARTITION: &str = "partition";
const OFFSET: &str = "offset";

/// Run, coordinates and wall-clock time of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Name of the run.
    pub run: &'a str,
    /// Topic of the record.
    pub topic: &'a str,
    /// Partition of the record.
    pub partition: i32,
    /// Offset of the record.
    pub offset: i64,
    /// Intended instant in milliseconds since 1970.
    pub emitted_at_unix_ms: i64,
}

/// Writes the document of one record to `out`.
///
/// Fails if the payload does not match the schema; discard `out` then.
pub fn write_document(
    envelope: &Envelope,
    origin: &Origin<'_>,
    payload: &[u8],
    decoder: &PayloadDecoder,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    write_document_with(envelope, origin, out, |writer| {
        decoder.decode(payload, writer)
    })
}

/// Writes the document of one record to `out`; `fields` writes the fields of its row.
///
/// Fails if `fields` does; discard `out` then.
pub fn write_document_with<E>(
    envelope: &Envelope,
    origin: &Origin<'_>,
    out: &mut Vec<u8>,
    fields: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut writer = Writer::new(out);
    writer.binary(ID, subtype::UUID, envelope.document_id().as_bytes());
    writer.integer(VEHICLE, i64::from(envelope.vehicle));
    writer.int64(SEQUENCE, envelope.sequence.cast_signed());
    writer.string(RUN, origin.run);
    writer.date_time(EMITTED_AT, origin.emitted_at_unix_ms);
    writer.int64(PAYLOAD_HASH, envelope.payload_hash.cast_signed());
    fields(&mut writer)?;
    write_coordinates(writer, origin);
    Ok(())
}

/// Writes the document of a record without an envelope to `out`: the id is derived from the
/// coordinates, and the fields `vehicle`, `sequence` and `run` are absent.
///
/// Fails if `fields` does; discard `out` then.
pub fn write_anonymous_document<E>(
    envelope: &Envelope,
    origin: &Origin<'_>,
    out: &mut Vec<u8>,
    fields: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut writer = Writer::new(out);
    writer.binary(ID, subtype::UUID, envelope.document_id().as_bytes());
    writer.date_time(EMITTED_AT, origin.emitted_at_unix_ms);
    writer.int64(PAYLOAD_HASH, envelope.payload_hash.cast_signed());
    fields(&mut writer)?;
    write_coordinates(writer, origin);
    Ok(())
}

fn write_coordinates(mut writer: Writer<'_>, origin: &Origin<'_>) {
    writer.document(KAFKA, |kafka| {
        kafka.string(TOPIC, origin.topic);
        kafka.integer(PARTITION, i64::from(origin.partition));
        kafka.int64(OFFSET, origin.offset);
    });
    writer.finish();
}

/// Reads documents: identity, coordinates and the payload rebuilt from the fields.
#[derive(Debug, Default)]
pub struct DocumentReader {
    payload: Vec<u8>,
    label_column: Option<String>,
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
    /// The field `vehicle`.
    pub vehicle: Option<i64>,
    /// The field `sequence`.
    pub sequence: Option<i64>,
    /// The field `emitted_at`, milliseconds since 1970.
    pub emitted_at_unix_ms: i64,
    /// The label; `None` if the reader has no label column.
    pub label: Option<&'a str>,
    /// The field `payload_hash`.
    pub payload_hash: Option<u64>,
    /// Fields of the row as JSON, rebuilt from the typed values.
    pub payload: &'a [u8],
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
            payload: Vec::new(),
            label_column,
        }
    }

    /// Reads one raw document.
    pub fn read<'a>(&'a mut self, document: &'a [u8]) -> Result<StoredDocument<'a>, Unreadable> {
        self.payload.clear();
        let mut stored = StoredDocument {
            id: None,
            vehicle: None,
            sequence: None,
            emitted_at_unix_ms: i64::MIN,
            label: None,
            payload_hash: None,
            payload: &[],
            topic: "",
            partition: -1,
            offset: -1,
        };
        // The label is text of the document, or of the payload that is rebuilt from it.
        let mut label_at = None;
        for element in Doc::new(document).checked_elements()? {
            let (name, element) = element?;
            match (name, element.kind()) {
                (ID, Kind::Binary) => {
                    if let Some((subtype::UUID, id)) = element.binary() {
                        stored.id = id.try_into().ok().and_then(DocumentId::from_bytes);
                    }
                }
                (EMITTED_AT, Kind::DateTime) => {
                    stored.emitted_at_unix_ms = element.date_time().unwrap_or(i64::MIN);
                }
                (ID | RUN | EMITTED_AT, _) => {}
                (VEHICLE, Kind::Int32 | Kind::Int64) => stored.vehicle = element.integer(),
                (SEQUENCE, Kind::Int32 | Kind::Int64) => stored.sequence = element.integer(),
                (PAYLOAD_HASH, Kind::Int32 | Kind::Int64) => {
                    stored.payload_hash = element.integer().map(i64::cast_unsigned);
                }
                (KAFKA, Kind::Document) => read_coordinates(element, &mut stored)?,
                _ => {
                    let start = append_field(&mut self.payload, name, element)?;
                    if self.label_column.as_deref() == Some(name) {
                        label_at = Some(start..self.payload.len());
                        stored.label = match element.kind() {
                            Kind::Null => Some(MISSING_LABEL),
                            _ => element.text(),
                        };
                    }
                }
            }
        }
        if self.payload.is_empty() {
            self.payload.push(b'{');
        }
        self.payload[0] = b'{';
        self.payload.push(b'}');
        stored.payload = &self.payload;
        if let (None, Some(label)) = (stored.label, label_at) {
            let json = self.payload.get(label).unwrap_or_default();
            stored.label = std::str::from_utf8(json).ok().map(unquoted);
        }
        Ok(stored)
    }
}

fn read_coordinates<'a>(
    kafka: Element<'a>,
    stored: &mut StoredDocument<'a>,
) -> Result<(), Unreadable> {
    for element in kafka.doc().unwrap_or(Doc::EMPTY).checked_elements()? {
        let (name, element) = element?;
        match (name, element.kind()) {
            (TOPIC, Kind::String) => stored.topic = element.text().ok_or(Unreadable::Field)?,
            (PARTITION, Kind::Int32 | Kind::Int64) => {
                stored.partition = element.integer().unwrap_or(-1);
            }
            (OFFSET, Kind::Int32 | Kind::Int64) => stored.offset = element.integer().unwrap_or(-1),
            _ => {}
        }
    }
    Ok(())
}

/// Appends a field to a payload and returns the start of its value.
fn append_field(
    payload: &mut Vec<u8>,
    name: &str,
    element: Element<'_>,
) -> Result<usize, Unreadable> {
    payload.push(b',');
    write_json_string(payload, name);
    payload.push(b':');
    let start = payload.len();
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
    Ok(start)
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
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::example_schema;
    use crate::record::payload::PayloadEncoder;
    use crate::record::{RunKey, payload_hash};

    fn envelope(payload: &[u8]) -> Envelope {
        Envelope {
            run: RunKey::new("run"),
            vehicle: 7,
            sequence: 3,
            warm_up: false,
            intended: 0,
            sent: 0,
            payload_hash: payload_hash(payload),
        }
    }

    const ORIGIN: Origin<'_> = Origin {
        run: "run",
        topic: "topic",
        partition: 2,
        offset: 9,
        emitted_at_unix_ms: 0,
    };

    fn document(payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut bytes = Vec::new();
        let decoder = PayloadDecoder::new(&example_schema());
        write_document(&envelope(payload), &ORIGIN, payload, &decoder, &mut bytes)?;
        Ok(bytes)
    }

    proptest! {
        #[test]
        fn stored_row_reads_back_as_the_emitted_payload(
            class: String, integer: i64, decimal in prop::num::f64::NORMAL | prop::num::f64::ZERO,
        ) {
            let (integer, decimal) = (integer.to_string(), decimal.to_string());
            let mut payload = Vec::new();
            let fields = [class.as_str(), &integer, &decimal];
            PayloadEncoder::new(&example_schema()).encode(fields.into_iter(), &mut payload).unwrap();
            let document = document(&payload).unwrap();
            let mut reader = DocumentReader::default();
            let stored = reader.read(&document).unwrap();
            prop_assert_eq!(stored.payload, payload.as_slice());
            prop_assert_eq!(stored.id, Some(envelope(&payload).document_id()));
            prop_assert_eq!((stored.topic, stored.partition, stored.offset), ("topic", 2, 9));
            prop_assert_eq!(stored.payload_hash, Some(payload_hash(&payload)));
        }

        #[test]
        fn any_payload_becomes_a_readable_document_or_fails(payload: Vec<u8>) {
            if let Ok(document) = document(&payload) {
                prop_assert!(DocumentReader::default().read(&document).is_ok());
            }
        }
    }

    #[test]
    fn errors_of_mismatched_payloads_name_the_field() {
        let reason = |payload: &str| document(payload.as_bytes()).unwrap_err().reason;
        for (payload, column) in [
            (r#"{"class":"neg","aa_000":1}"#, "bt_000"),
            (r#"{"class":"neg","aa_000":1.5,"bt_000":1}"#, "aa_000"),
            (r#"{"class":"neg","aa_000":"1","bt_000":1}"#, "aa_000"),
            (r#"{"class":7,"aa_000":1,"bt_000":1}"#, "class"),
            (r#"{"class":"neg","aa_000":1,"bt_000":1,"zz":1}"#, "zz"),
            (
                r#"{"class":"neg","aa_000":1,"aa_000":1,"bt_000":1}"#,
                "aa_000",
            ),
            (
                r#"{"class":"neg","aa_000":99999999999999999999,"bt_000":1}"#,
                "aa_000",
            ),
        ] {
            assert!(
                reason(payload).contains(&format!("`{column}`")),
                "{payload}"
            );
        }
        for payload in [
            "",
            "null",
            "[1]",
            "{",
            r#"{"class":"neg","aa_000":1,"bt_000":NaN}"#,
        ] {
            reason(payload);
        }
    }

    #[test]
    fn fields_may_come_in_another_order() {
        assert!(document(br#"{"bt_000":1,"class":"neg","aa_000":1}"#).is_ok());
    }
}
