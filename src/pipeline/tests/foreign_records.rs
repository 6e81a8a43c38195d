//! What becomes of each kind of record that other programs send: a table of values, each stored with
//! exact values or kept as a dead letter with a reason that names what a person sees.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};

use crate::broker::{Batch, HeaderRef, NewRecord};
use crate::pipeline::tests::foreign_records::Fate::{Dead, Skipped, Stored};
use crate::pipeline::tests::processes::member;
use crate::pipeline::tests::*;

/// What becomes of a record.
enum Fate {
    /// A document with these fields, as relaxed extended JSON, beside `_id` and `_convoy`.
    Stored(&'static str),
    /// A dead letter whose reason contains this.
    Dead(&'static str),
    /// Neither.
    Skipped,
}

/// Values of kinds that producers send, with what becomes of them, and why.
const VALUES: &[(&str, Option<&[u8]>, Fate)] = &[
    (
        "an object is a document",
        Some(b"{\"a\":1}"),
        Stored(r#"{"a":1}"#),
    ),
    ("it may be empty", Some(b"{}"), Stored("{}")),
    (
        "white space around it means nothing",
        Some(b" {\"a\":1}\r\n"),
        Stored(r#"{"a":1}"#),
    ),
    (
        "a tombstone deletes a key, and documents have none",
        None,
        Skipped,
    ),
    (
        "an empty value is no object",
        Some(b""),
        Dead("the payload is empty"),
    ),
    (
        "a document is an object, not an array",
        Some(b"[1,2]"),
        Dead("an array"),
    ),
    ("nor a number", Some(b"5"), Dead("a number")),
    ("nor null", Some(b"null"), Dead("null")),
    (
        "JSON in a string was encoded twice",
        Some(b"\"{\\\"a\\\":1}\""),
        Dead("encoded twice"),
    ),
    (
        "fields that Kafka and convoy name are the payload's own",
        Some(b"{\"kafka\":1,\"run\":2,\"vehicle\":\"T-9\",\"payload_hash\":3}"),
        Stored(r#"{"kafka":1,"run":2,"vehicle":"T-9","payload_hash":3}"#),
    ),
    (
        "`_id` and `_convoy` are kept under other names",
        Some(b"{\"_id\":1,\"_convoy\":{\"x\":2}}"),
        Stored(r#"{"__id":1,"__convoy":{"x":2}}"#),
    ),
    (
        "dots and dollars are allowed in documents",
        Some(b"{\"a.b\":1,\"$c\":2,\"\":3}"),
        Stored(r#"{"a.b":1,"$c":2,"":3}"#),
    ),
    (
        "integers within 64 bits are exact",
        Some(b"{\"a\":9223372036854775807}"),
        Stored(r#"{"a":9223372036854775807}"#),
    ),
    (
        "integers beyond 64 bits are exact",
        Some(b"{\"a\":18446744073709551615,\"b\":-9223372036854775809}"),
        Stored(
            r#"{"a":{"$numberDecimal":"18446744073709551615"},"b":{"$numberDecimal":"-9223372036854775809"}}"#,
        ),
    ),
    (
        "integers beyond a decimal are text",
        Some(b"{\"a\":1234567890123456789012345678901234567890}"),
        Stored(r#"{"a":"1234567890123456789012345678901234567890"}"#),
    ),
    (
        "decimals that a double cannot hold are exact",
        Some(b"{\"a\":0.1234567890123456789012}"),
        Stored(r#"{"a":{"$numberDecimal":"0.1234567890123456789012"}}"#),
    ),
    (
        "decimals stay decimals",
        Some(b"{\"a\":1.0,\"b\":1e2}"),
        Stored(r#"{"a":1.0,"b":100.0}"#),
    ),
    (
        "numbers beyond a double are no values",
        Some(b"{\"a\":1e400}"),
        Dead("beyond the range of a double at line 1"),
    ),
    (
        "NaN is not JSON",
        Some(b"{\"a\":NaN}"),
        Dead("`NaN` at line 1, column 6 (byte 5)"),
    ),
    (
        "nor is -Infinity",
        Some(b"{\"a\":-Infinity}"),
        Dead("`Infinity` at line 1"),
    ),
    (
        "of two fields of one name, one would be lost",
        Some(b"{\"a\":1,\"a\":2}"),
        Dead("field `a` occurs twice at line 1, column 10 (byte 9)"),
    ),
    (
        "also in an object within",
        Some(b"{\"x\":{\"a\":1,\"a\":2}}"),
        Dead("`a` twice"),
    ),
    (
        "arrays may be mixed",
        Some(b"{\"a\":[1,\"x\",null,{\"b\":[[]]},1.5,true]}"),
        Stored(r#"{"a":[1,"x",null,{"b":[[]]},1.5,true]}"#),
    ),
    (
        "text is kept, NUL bytes and emoji too",
        Some(b"{\"a\":\"x\\u0000\\ud83d\\ude9a\"}"),
        Stored("{\"a\":\"x\\u0000\u{1f69a}\"}"),
    ),
    (
        "half of a surrogate pair is no text",
        Some(b"{\"a\":\"\\ud800\"}"),
        Dead("half of a surrogate pair"),
    ),
    (
        "a byte order mark is named",
        Some(b"\xef\xbb\xbf{\"a\":1}"),
        Dead("BOM"),
    ),
    ("UTF-16 is named", Some(b"\xff\xfe{\0}\0"), Dead("UTF-16")),
    (
        "Latin-1 is named",
        Some(b"{\"a\":\"K\xf6ln\"}"),
        Dead("byte 0xf6 at line 1, column 8 (byte 7)"),
    ),
    (
        "two objects are two records",
        Some(b"{\"a\":1}{\"a\":2}"),
        Dead("expected the end after the first value, found `{`"),
    ),
    (
        "also in lines",
        Some(b"{\"a\":1}\n{\"a\":2}\n"),
        Dead("line 2, column 1 (byte 8)"),
    ),
    (
        "the end of a record that was cut is named",
        Some(b"{\"a\":\"x"),
        Dead("ends within a JSON value, after 7 bytes"),
    ),
    ("Python's repr is named", Some(b"{'a': 1}"), Dead("Python")),
    (
        "a plus sign is not JSON",
        Some(b"{\"a\":+1}"),
        Dead("(byte 5): expected a value, found `+`"),
    ),
    (
        "a comma before the end is not JSON",
        Some(b"{\"a\":1,}"),
        Dead("(byte 7): expected a name in double quotes, found `}`"),
    ),
    (
        "a comment is not JSON",
        Some(b"{\"a\":1 /*x*/}"),
        Dead("found `/`"),
    ),
    (
        "text is not JSON",
        Some(b"hello"),
        Dead("invalid JSON at line 1"),
    ),
    ("XML is not JSON", Some(b"<a/>"), Dead("found `<`")),
    ("gzip is named", Some(b"\x1f\x8b\x08\0"), Dead("gzip")),
    (
        "an Avro file is named",
        Some(b"Obj\x01\x04"),
        Dead("Avro file"),
    ),
    (
        "Confluent's header without its payload is named",
        Some(b"\0\0\0"),
        Dead("byte 0x00"),
    ),
    (
        "Protobuf after Confluent's header is named",
        Some(b"\0\0\0\0\x01\0\x08\x01"),
        Dead("byte 0x00"),
    ),
    (
        "JSON after Confluent's header is read",
        Some(b"\0\0\0\0\x01{\"a\":1}"),
        Stored(r#"{"a":1}"#),
    ),
    (
        "extended JSON is plain without the option",
        Some(b"{\"t\":{\"$numberLong\":\"5\"}}"),
        Stored(r#"{"t":{"$numberLong":"5"}}"#),
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_is_stored_exactly_or_kept_with_a_reason() {
    let place = Place::open(None).await;
    let connector = Connector::new(place.endpoints().broker);
    connector.create_topic("readings", 1, 1).await.unwrap();
    let headers = [
        HeaderRef {
            name: "trace",
            value: Some(b"1"),
        },
        HeaderRef {
            name: "parent",
            value: None,
        },
        HeaderRef {
            name: "trace",
            value: Some(b"\xff"),
        },
    ];
    let mut batch = Batch::default();
    for (_why, value, _fate) in VALUES {
        batch.push(&NewRecord {
            key: Some(b"truck-17"),
            value: value.map(|value: &[u8]| value.into()),
            headers: &headers,
            timestamp_ms: 1_000,
        });
    }
    let mut producer = connector.producer("readings", 0);
    producer.produce(&mut batch, Compression::None).await;
    let consumer = member("one", "first");
    let consumed = place.consume(&consumer).await;
    assert!(consumed.session.failure.is_none(), "{:?}", consumed.session);

    let mut documents = BTreeMap::new();
    for mut document in place.documents(doc! {}).await {
        let own = document.remove("_convoy").unwrap();
        let kafka = own.as_document().unwrap().get_document("kafka").unwrap();
        assert_eq!(kafka.get_str("key").unwrap(), "truck-17", "{kafka}");
        assert_eq!(kafka.get_array("headers").unwrap().len(), 3, "{kafka}");
        document.remove("_id").unwrap();
        documents.insert(kafka.get_i64("offset").unwrap(), document);
    }
    let mut reasons = BTreeMap::new();
    let visit = |letter: &bson::RawDocument| {
        let letter = Document::try_from(letter).unwrap();
        let kafka = letter.get_document("kafka").unwrap();
        let reason = letter.get_str("reason").unwrap().to_owned();
        reasons.insert(kafka.get_i64("offset").unwrap(), reason);
    };
    let letters = place.collection("sensor_dead_letters").await;
    letters.scan(doc! {}, visit).await.unwrap();
    for (offset, (why, value, fate)) in (0..).zip(VALUES) {
        let (document, reason) = (documents.remove(&offset), reasons.remove(&offset));
        let value = value.map(String::from_utf8_lossy);
        let context = format!("{why}: {value:?} became {document:?}, {reason:?}");
        match fate {
            Stored(expected) => {
                let document = document.unwrap_or_else(|| panic!("{context}"));
                let found = Bson::Document(document).into_relaxed_extjson();
                let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
                assert_eq!(found, expected, "{context}");
                assert_eq!(reason, None, "{context}");
            }
            Dead(expected) => {
                let named = reason.is_some_and(|reason| reason.contains(expected));
                assert!(named && document.is_none(), "{context}");
            }
            Skipped => assert!(document.is_none() && reason.is_none(), "{context}"),
        }
    }
    place.close().await;
}
