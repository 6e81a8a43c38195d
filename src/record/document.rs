//! The document of a reading: written from envelope and payload. The audit [reads](crate::record::DocumentReader) it back.
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

use convoy_mongodb_server::bson::{Writer, subtype};

use crate::record::envelope::Envelope;
use crate::record::headers::{RecordHeader, RecordHeaders};
use crate::record::names::{ID, OWN};
use crate::record::typed::{DecodeError, PayloadDecoder};

pub(super) const VEHICLE: &str = "vehicle";
pub(super) const SEQUENCE: &str = "sequence";
const RUN: &str = "run";
pub(super) const EMITTED_AT: &str = "emitted_at";
pub(super) const PAYLOAD_HASH: &str = "payload_hash";
pub(super) const KAFKA: &str = "kafka";
pub(super) const TOPIC: &str = "topic";
pub(super) const PARTITION: &str = "partition";
pub(super) const OFFSET: &str = "offset";

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::example_schema;
    use crate::record::payload::PayloadEncoder;
    use crate::record::stored::DocumentReader;
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
            prop_assert_eq!(stored.content_hash, payload_hash(&payload));
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
