//! The document of a reading: written from an envelope and a payload, read back for the audit.
//!
//! ```text
//!  { _id, vehicle, sequence, run, emitted_at, payload_hash, <the row's fields>, kafka: { topic, partition, offset } }
//! ```

use crate::record::bson::{Element, Elements, Malformed, SUBTYPE_UUID, Writer};
use crate::record::envelope::Envelope;
use crate::record::identity::DocumentId;
use crate::record::payload::{write_decimal, write_integer, write_string};
use crate::record::typed::{self, PayloadDecoder};

/// Fields that convoy adds to a row's; no column may have one of these names.
pub const RESERVED: [&str; 7] = [ID, VEHICLE, SEQUENCE, RUN, EMITTED_AT, PAYLOAD_HASH, KAFKA];

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

/// Where a record came from, and when it was emitted by the wall clock.
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
    /// Intended instant by the wall clock, milliseconds since 1970.
    pub emitted_at_unix_ms: i64,
}

/// Writes the document of one record to `out`.
///
/// Fails if the payload does not fit the schema; `out` is then to be thrown away.
pub fn write(
    envelope: &Envelope,
    origin: &Origin<'_>,
    payload: &[u8],
    decoder: &PayloadDecoder,
    out: &mut Vec<u8>,
) -> Result<(), typed::Error> {
    write_fields(envelope, origin, out, |writer| {
        decoder.decode(payload, writer)
    })
}

/// Writes the document of one record to `out`, its row's fields as `fields` writes them.
///
/// Fails as `fields` does; `out` is then to be thrown away.
pub fn write_fields<E>(
    envelope: &Envelope,
    origin: &Origin<'_>,
    out: &mut Vec<u8>,
    fields: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut writer = Writer::begin(out);
    writer.binary(ID, SUBTYPE_UUID, envelope.document_id().as_bytes());
    writer.integer(VEHICLE, i64::from(envelope.vehicle));
    writer.int64(SEQUENCE, envelope.sequence.cast_signed());
    writer.string(RUN, origin.run);
    writer.date(EMITTED_AT, origin.emitted_at_unix_ms);
    writer.int64(PAYLOAD_HASH, envelope.payload_hash.cast_signed());
    fields(&mut writer)?;
    write_coordinates(writer, origin);
    Ok(())
}

/// Writes the document of a record that says nothing of itself to `out`: its id stands for its
/// coordinates, and it has neither vehicle nor sequence nor run.
///
/// Fails as `fields` does; `out` is then to be thrown away.
pub fn write_anonymous<E>(
    envelope: &Envelope,
    origin: &Origin<'_>,
    out: &mut Vec<u8>,
    fields: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut writer = Writer::begin(out);
    writer.binary(ID, SUBTYPE_UUID, envelope.document_id().as_bytes());
    writer.date(EMITTED_AT, origin.emitted_at_unix_ms);
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
    writer.end();
}

/// Reads documents back: identity, coordinates and the payload as it must have been emitted.
#[derive(Debug, Default)]
pub struct DocumentReader {
    payload: Vec<u8>,
    label_column: Option<String>,
}

/// What a stored document says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its `_id`; none if it is not one that convoy gives.
    pub id: Option<DocumentId>,
    /// Its `vehicle` field.
    pub vehicle: Option<i64>,
    /// Its `sequence` field.
    pub sequence: Option<i64>,
    /// Its `emitted_at` field, milliseconds since 1970.
    pub emitted_at_unix_ms: i64,
    /// Its label, where the reader knows a label column.
    pub label: Option<&'a str>,
    /// Its `payload_hash` field.
    pub payload_hash: Option<u64>,
    /// The row's fields as JSON, rebuilt from the typed values.
    pub payload: &'a [u8],
    /// Topic it was read from.
    pub topic: &'a str,
    /// Partition it was read from.
    pub partition: i64,
    /// Offset it was read from.
    pub offset: i64,
}

impl DocumentReader {
    /// Makes a reader that also tells the text of one column, the label.
    pub fn with_label(label_column: Option<String>) -> Self {
        Self {
            payload: Vec::new(),
            label_column,
        }
    }

    /// Reads one raw document.
    pub fn read<'a>(&'a mut self, document: &'a [u8]) -> Result<Stored<'a>, Malformed> {
        self.payload.clear();
        let mut stored = Stored {
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
        for element in Elements::of(document)? {
            let (key, value) = element?;
            match (key, value) {
                (ID, Element::Binary(SUBTYPE_UUID, bytes)) => {
                    stored.id = bytes.try_into().ok().and_then(DocumentId::from_bytes);
                }
                (EMITTED_AT, Element::Date(unix_ms)) => stored.emitted_at_unix_ms = unix_ms,
                (ID | RUN | EMITTED_AT, _) => {}
                (VEHICLE, Element::Integer(vehicle)) => stored.vehicle = Some(vehicle),
                (SEQUENCE, Element::Integer(sequence)) => stored.sequence = Some(sequence),
                (PAYLOAD_HASH, Element::Integer(hash)) => {
                    stored.payload_hash = Some(hash.cast_unsigned());
                }
                (KAFKA, Element::Document(kafka)) => read_coordinates(kafka, &mut stored)?,
                _ => {
                    if self.label_column.as_deref() == Some(key) {
                        stored.label = match value {
                            Element::String(label) => Some(label),
                            _ => None,
                        };
                    }
                    append_field(&mut self.payload, key, value)?;
                }
            }
        }
        if self.payload.is_empty() {
            self.payload.push(b'{');
        }
        self.payload[0] = b'{';
        self.payload.push(b'}');
        stored.payload = &self.payload;
        Ok(stored)
    }
}

fn read_coordinates<'a>(kafka: &'a [u8], stored: &mut Stored<'a>) -> Result<(), Malformed> {
    for element in Elements::of(kafka)? {
        match element? {
            (TOPIC, Element::String(topic)) => stored.topic = topic,
            (PARTITION, Element::Integer(partition)) => stored.partition = partition,
            (OFFSET, Element::Integer(offset)) => stored.offset = offset,
            _ => {}
        }
    }
    Ok(())
}

fn append_field(payload: &mut Vec<u8>, key: &str, value: Element<'_>) -> Result<(), Malformed> {
    payload.push(b',');
    write_string(payload, key);
    payload.push(b':');
    match value {
        Element::Integer(number) => write_integer(payload, number),
        Element::Double(number) if number.is_finite() => write_decimal(payload, number),
        Element::String(text) => write_string(payload, text),
        Element::Null => payload.extend_from_slice(b"null"),
        Element::Double(_)
        | Element::Document(_)
        | Element::Binary(..)
        | Element::Date(_)
        | Element::Other => {
            return Err(Malformed);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::{Column, ColumnType, Schema};
    use crate::record::payload::PayloadEncoder;
    use crate::record::{RunKey, payload_hash};

    fn schema() -> Schema {
        let column = |name: &str, kind| Column {
            name: name.to_owned(),
            kind,
            nullable: true,
        };
        Schema {
            columns: vec![
                column("class", ColumnType::Text),
                column("aa_000", ColumnType::Integer),
                column("bt_000", ColumnType::Decimal),
            ],
        }
    }

    fn envelope(payload: &[u8]) -> Envelope {
        Envelope {
            run: RunKey::of("run"),
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

    fn document(payload: &[u8]) -> Result<Vec<u8>, typed::Error> {
        let mut bytes = Vec::new();
        let decoder = PayloadDecoder::new(&schema());
        write(&envelope(payload), &ORIGIN, payload, &decoder, &mut bytes)?;
        Ok(bytes)
    }

    proptest! {
        #[test]
        fn a_stored_row_reads_back_as_the_bytes_that_were_emitted(
            class: String, integer: i64, decimal in prop::num::f64::NORMAL | prop::num::f64::ZERO,
        ) {
            let (integer, decimal) = (integer.to_string(), decimal.to_string());
            let mut payload = Vec::new();
            let fields = [class.as_str(), &integer, &decimal];
            PayloadEncoder::new(&schema()).encode(fields.into_iter(), &mut payload).unwrap();
            let document = document(&payload).unwrap();
            let mut reader = DocumentReader::default();
            let stored = reader.read(&document).unwrap();
            prop_assert_eq!(stored.payload, payload.as_slice());
            prop_assert_eq!(stored.id, Some(envelope(&payload).document_id()));
            prop_assert_eq!((stored.topic, stored.partition, stored.offset), ("topic", 2, 9));
            prop_assert_eq!(stored.payload_hash, Some(payload_hash(&payload)));
        }

        #[test]
        fn any_payload_is_decoded_or_refused(payload: Vec<u8>) {
            if let Ok(document) = document(&payload) {
                prop_assert!(DocumentReader::default().read(&document).is_ok());
            }
        }
    }

    #[test]
    fn a_payload_that_does_not_fit_is_refused_with_its_column() {
        let refused = |payload: &str| document(payload.as_bytes()).unwrap_err().reason;
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
                refused(payload).contains(&format!("`{column}`")),
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
            refused(payload);
        }
    }

    #[test]
    fn fields_may_come_in_another_order() {
        assert!(document(br#"{"bt_000":1,"class":"neg","aa_000":1}"#).is_ok());
    }
}
