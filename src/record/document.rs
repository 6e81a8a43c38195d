//! The document of a reading: written from an envelope and a payload, read back for the audit.
//!
//! ```text
//!  { _id, vehicle, sequence, run, emitted_at, payload_hash, <the row's fields>, kafka: { topic, partition, offset } }
//! ```

use convoy_mongodb_server::bson::{Doc, Element, Invalid, Kind, Writer, subtype};

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

/// Reads documents back: identity, coordinates and the payload as it must have been emitted.
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
    pub fn read<'a>(&'a mut self, document: &'a [u8]) -> Result<Stored<'a>, Unreadable> {
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
                    if self.label_column.as_deref() == Some(name) {
                        stored.label = element.text();
                    }
                    append_field(&mut self.payload, name, element)?;
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

fn read_coordinates<'a>(kafka: Element<'a>, stored: &mut Stored<'a>) -> Result<(), Unreadable> {
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

fn append_field(payload: &mut Vec<u8>, name: &str, element: Element<'_>) -> Result<(), Unreadable> {
    payload.push(b',');
    write_string(payload, name);
    payload.push(b':');
    match element.kind() {
        Kind::Int32 | Kind::Int64 => {
            write_integer(payload, element.integer().ok_or(Unreadable::Field)?);
        }
        Kind::Double => {
            let number = element.double().filter(|number| number.is_finite());
            write_decimal(payload, number.ok_or(Unreadable::Field)?);
        }
        Kind::String => write_string(payload, element.text().ok_or(Unreadable::Field)?),
        Kind::Null => payload.extend_from_slice(b"null"),
        _ => return Err(Unreadable::Field),
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
