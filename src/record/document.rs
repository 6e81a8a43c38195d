//! The document of a reading: written from envelope and payload, read back by the audit.
//!
//! ```text
//!  { _id, _convoy: { run, vehicle, sequence, emitted_at, payload_hash, kafka: { topic, partition, offset, timestamp, key, headers: [{ name, value }, …] } }, <the payload's fields> }
//! ```
//!
//! Everything that convoy adds is under `_convoy`, so that the payload's fields keep their names. A
//! payload field named `_id` or `_convoy`, or so with more underscores in front, gets one more
//! underscore: `_id` becomes `__id`, `__id` becomes `___id`.
//!
//! Keys and headers are text if they are UTF-8, else binary; null stays null. Headers keep their order
//! and repeat as in the record. The header `convoy` is left out: its content is in the other fields. Without other headers, `headers` is absent.

use std::io::Write as _;

use convoy_mongodb_server::bson::{Doc, Element, Invalid, Kind, Value, Writer, subtype};

use crate::dataset::{MISSING_LABEL, write_date};
use crate::record::envelope::Envelope;
use crate::record::field_names::FieldNames;
use crate::record::headers::{RecordHeader, RecordHeaders};
use crate::record::identity::DocumentId;
use crate::record::names::{ID, OWN};
use crate::record::payload::{unquoted, write_decimal, write_integer, write_json_string};
use crate::record::typed::{DecodeError, PayloadDecoder};

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
    /// Timestamp of the record in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Key of the record.
    pub key: Option<&'a [u8]>,
    /// Headers of the record in order.
    pub headers: RecordHeaders<'a>,
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
    let reading = Some((envelope.vehicle, envelope.sequence));
    write_with(envelope, origin, reading, out, fields)
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
    write_with(envelope, origin, None, out, fields)
}

fn write_with<E>(
    envelope: &Envelope,
    origin: &Origin<'_>,
    reading: Option<(u32, u64)>,
    out: &mut Vec<u8>,
    fields: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut writer = Writer::new(out);
    writer.binary(ID, subtype::UUID, envelope.document_id().as_bytes());
    writer.document(OWN, |own| {
        if let Some((vehicle, sequence)) = reading {
            own.string(RUN, origin.run);
            own.integer(VEHICLE, i64::from(vehicle));
            own.int64(SEQUENCE, sequence.cast_signed());
        }
        own.date_time(EMITTED_AT, origin.emitted_at_unix_ms);
        own.int64(PAYLOAD_HASH, envelope.payload_hash.cast_signed());
        own.document(KAFKA, |kafka| {
            kafka.string(TOPIC, origin.topic);
            kafka.integer(PARTITION, i64::from(origin.partition));
            kafka.int64(OFFSET, origin.offset);
            kafka.date_time("timestamp", origin.timestamp_ms);
            write_bytes(kafka, "key", origin.key);
            write_headers(kafka, origin.headers);
        });
    });
    fields(&mut writer)?;
    writer.finish();
    Ok(())
}

/// Writes headers without the envelope, which is in other fields.
fn write_headers(kafka: &mut Writer<'_>, headers: RecordHeaders<'_>) {
    let envelope = |it: &RecordHeader<'_>| it.name == Envelope::HEADER.as_bytes();
    let mut written = headers
        .iter()
        .filter(|it| !envelope(it) || it.value.is_none());
    let Some(first) = written.next() else {
        return;
    };
    kafka.array("headers", |array| {
        let mut digits = itoa::Buffer::new();
        for (index, header) in std::iter::once(first).chain(written).enumerate() {
            array.document(digits.format(index), |entry| {
                write_bytes(entry, "name", Some(header.name));
                write_bytes(entry, "value", header.value);
            });
        }
    });
}

/// Writes bytes as text if they are UTF-8, else as binary.
fn write_bytes(writer: &mut Writer<'_>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => writer.null(name),
        Some(Ok(text)) => writer.string(name, text),
        Some(Err(bytes)) => writer.binary(name, subtype::GENERIC, bytes),
    }
}

/// Reads documents: identity, coordinates and the payload rebuilt from the fields.
#[derive(Debug, Default)]
pub struct DocumentReader {
    payload: Vec<u8>,
    names: FieldNames,
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
            names: FieldNames::with_label(label_column),
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
        let mut position = 0;
        for element in Doc::new(document).checked_elements()? {
            let (name, element) = element?;
            match (name, element.kind()) {
                (ID, Kind::Binary) => {
                    if let Some((subtype::UUID, id)) = element.binary() {
                        stored.id = id.try_into().ok().and_then(DocumentId::from_bytes);
                    }
                }
                (OWN, Kind::Document) => read_own(element, &mut stored)?,
                (ID | OWN, _) => {}
                _ => {
                    let name = self.names.at(position, name);
                    position += 1;
                    self.payload.extend_from_slice(&name.prefix);
                    let start = self.payload.len();
                    append_value(&mut self.payload, element)?;
                    if name.is_label {
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

fn read_own<'a>(own: Element<'a>, stored: &mut StoredDocument<'a>) -> Result<(), Unreadable> {
    for element in own.doc().unwrap_or(Doc::EMPTY).checked_elements()? {
        let (name, element) = element?;
        match (name, element.kind()) {
            (EMITTED_AT, Kind::DateTime) => {
                stored.emitted_at_unix_ms = element.date_time().unwrap_or(i64::MIN);
            }
            (VEHICLE, Kind::Int32 | Kind::Int64) => stored.vehicle = element.integer(),
            (SEQUENCE, Kind::Int32 | Kind::Int64) => stored.sequence = element.integer(),
            (PAYLOAD_HASH, Kind::Int32 | Kind::Int64) => {
                stored.payload_hash = element.integer().map(i64::cast_unsigned);
            }
            (KAFKA, Kind::Document) => read_coordinates(element, stored)?,
            _ => {}
        }
    }
    Ok(())
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
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::example_schema;
    use crate::record::payload::PayloadEncoder;
    use crate::record::{Headers, RunKey, payload_hash};

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
        timestamp_ms: 0,
        key: None,
        headers: RecordHeaders::new(0, &[]),
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
    fn key_and_headers_are_text_if_they_are_utf_8() {
        let mut headers = Headers::default();
        for (name, value) in [
            ("trace", Some(&b"b"[..])),
            (Envelope::HEADER, Some(b"\x02")),
            ("trace", Some(b"\xff")),
            ("null", None),
        ] {
            headers.push(name, value.map(<[u8]>::to_vec));
        }
        let mut header_bytes = Vec::new();
        let origin = Origin {
            key: Some(b"truck-17"),
            headers: headers.to_record(&mut header_bytes),
            ..ORIGIN
        };
        let mut bytes = Vec::new();
        let fields = |_: &mut Writer<'_>| Ok::<_, DecodeError>(());
        write_anonymous_document(&envelope(b""), &origin, &mut bytes, fields).unwrap();
        let document = bson::RawDocumentBuf::from_bytes(bytes).unwrap();
        let document = bson::Document::try_from(document).unwrap();
        let own = document.get_document("_convoy").unwrap();
        let binary = bson::Binary {
            subtype: bson::spec::BinarySubtype::Generic,
            bytes: vec![0xff],
        };
        let expected = bson::doc! {
            "topic": "topic", "partition": 2, "offset": 9_i64,
            "timestamp": bson::DateTime::from_millis(0), "key": "truck-17",
            "headers": [
                { "name": "trace", "value": "b" },
                { "name": "trace", "value": binary },
                { "name": "null", "value": bson::Bson::Null },
            ],
        };
        assert_eq!(own.get_document("kafka").unwrap(), &expected);
    }

    #[test]
    fn fields_may_come_in_another_order() {
        assert!(document(br#"{"bt_000":1,"class":"neg","aa_000":1}"#).is_ok());
    }
}
