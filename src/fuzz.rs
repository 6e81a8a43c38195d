//! Every decoder of what strangers send, as a function of bytes: what a fuzzer feeds.
//!
//! A target must not panic, hang or take memory that the bytes do not justify. `fuzz/` feeds each of
//! them with what raises coverage, the tests with the inputs in `fixtures/fuzz/`.

use std::path::Path;

use futures_util::FutureExt as _;

use crate::broker::embedded::fuzz as broker;
use crate::dataset::{self, Column, ColumnType, Reader, Schema};
use crate::net::proxy;
use crate::record::bson::Writer;
use crate::record::document::DocumentReader;
use crate::record::envelope::Envelope;
use crate::record::typed::PayloadDecoder;
use crate::record::untyped::UntypedDecoder;
use crate::registry::embedded::fuzz as registry;
use crate::registry::{PayloadValidator, wire};
use crate::store::embedded::fuzz as store;

/// Takes bytes.
pub type Feed = Box<dyn FnMut(&[u8])>;

/// A decoder.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its folder in `fixtures/fuzz/`.
    pub name: &'static str,
    /// Starts what is fed.
    pub start: fn() -> Feed,
    /// Where in its inputs a BSON document starts, up to their end, if they hold one: a fuzzer may
    /// keep its lengths in order.
    pub document_at: Option<usize>,
}

/// Every decoder.
pub const TARGETS: &[Target] = &[
    Target::new("kafka_frame", || Box::new(broker::frames)),
    Target::new("kafka_request", || {
        let mut requests = broker::Requests::start();
        Box::new(move |bytes| requests.answer(bytes))
    }),
    Target::new("kafka_login", || Box::new(broker::login)),
    Target::new("record_batch", || Box::new(broker::record_batch)),
    Target::new("group_metadata", || Box::new(broker::group_metadata)),
    Target::new("broker_log", || {
        let remains = broker::Remains::start();
        Box::new(move |bytes| remains.log(bytes))
    }),
    Target::new("group_journal", || {
        let remains = broker::Remains::start();
        Box::new(move |bytes| remains.group_journal(bytes))
    }),
    Target::new("mongo_message", || Box::new(store::message)).with_document_at(21),
    Target::new("mongo_command", || {
        let mut commands = store::Commands::start();
        Box::new(move |bytes| commands.command(bytes))
    })
    .with_document_at(5),
    Target::new("mongo_login", || Box::new(store::login)),
    Target::new("store_record", || Box::new(store::record)),
    Target::new("bson", || Box::new(store::bson)).with_document_at(0),
    Target::new("filter", || Box::new(store::filter)).with_document_at(0),
    Target::new("update", || Box::new(store::update)).with_document_at(0),
    Target::new("projection", || Box::new(store::projection)).with_document_at(0),
    Target::new("pipeline", || {
        let mut commands = store::Commands::start();
        Box::new(move |bytes| commands.pipeline(bytes))
    })
    .with_document_at(0),
    Target::new("registry_request", || {
        let mut requests = registry::Requests::start();
        Box::new(move |bytes| requests.answer(bytes))
    }),
    Target::new("registry_journal", || Box::new(registry::journal)),
    Target::new("json_schema", || Box::new(json_schema)),
    Target::new("envelope", || Box::new(envelope)),
    Target::new("payload", || {
        let typed = PayloadDecoder::new(&schema());
        let mut untyped = UntypedDecoder::default();
        Box::new(move |bytes| payload(&typed, &mut untyped, bytes))
    }),
    Target::new("document", || Box::new(document)).with_document_at(0),
    Target::new("csv", || Box::new(csv)),
    Target::new("socks", || Box::new(socks)),
];

impl Target {
    const fn new(name: &'static str, start: fn() -> Feed) -> Self {
        Self {
            name,
            start,
            document_at: None,
        }
    }

    const fn with_document_at(self, offset: usize) -> Self {
        Self {
            document_at: Some(offset),
            ..self
        }
    }
}

/// Reads an envelope; one that is read is written as it was, but for bits that mean nothing.
fn envelope(bytes: &[u8]) {
    match Envelope::decode(bytes) {
        Ok((envelope, emission)) => {
            let written = envelope.encode(&emission);
            let again = Envelope::decode(&written);
            assert_eq!(again, Ok((envelope, emission)), "it survives its header");
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Reads a payload, plain or in Confluent's wire form, with its schema and without; what a schema
/// lets pass can be read out of the document.
fn payload(typed: &PayloadDecoder, untyped: &mut UntypedDecoder, bytes: &[u8]) {
    let json = wire::split(bytes).map_or(bytes, |(_, json)| json);
    let mut document = Vec::new();
    let mut writer = Writer::begin(&mut document);
    match typed.decode(json, &mut writer) {
        Ok(()) => {
            writer.end();
            let read = DocumentReader::default().read(&document).is_ok();
            assert!(read, "it can be read back");
        }
        Err(error) => drop(error.to_string()),
    }
    let mut document = Vec::new();
    let _untyped = untyped.decode(json, &mut Writer::begin(&mut document));
}

fn schema() -> Schema {
    let kinds = [
        ("class", ColumnType::Text),
        ("aa_000", ColumnType::Integer),
        ("ab_000", ColumnType::Decimal),
    ];
    let columns = kinds.map(|(name, kind)| Column {
        name: name.to_owned(),
        kind,
        nullable: true,
    });
    Schema {
        columns: columns.to_vec(),
    }
}

/// Reads a stored document as the audit does.
fn document(bytes: &[u8]) {
    let _stored = DocumentReader::with_label(Some("class".to_owned())).read(bytes);
}

/// Compiles a line as a schema and checks the rest against it.
fn json_schema(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (schema, payload) = bytes.split_at(end.unwrap_or(bytes.len()));
    let compiled = PayloadValidator::compile(&String::from_utf8_lossy(schema));
    let checked = compiled.map(|validator| validator.check(payload).map_err(|it| it.to_string()));
    let _refused = checked.map_err(|error| error.to_string());
}

/// Reads where a client of the proxy wants to go.
fn socks(bytes: &[u8]) {
    let mut client = tokio::io::join(bytes, tokio::io::sink());
    let destination = proxy::destination(&mut client).now_or_never();
    assert!(destination.is_some(), "memory is always ready");
}

/// Reads CSV row by row.
fn csv(bytes: &[u8]) {
    if let Err(error) = rows(bytes) {
        drop(error.to_string());
    }
}

fn rows(bytes: &[u8]) -> Result<(), dataset::Error> {
    let mut reader = Reader::new(Path::new("fuzz.csv"), bytes)?;
    let columns = reader.names().len();
    while let Some(row) = reader.next_row()? {
        assert_eq!(row.fields.iter().count(), columns, "as many as the header");
    }
    Ok(())
}
