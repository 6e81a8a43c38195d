//! Every decoder of what strangers send, as a function of bytes: what a fuzzer feeds.
//!
//! A target says what became of the bytes; inputs of which different things became are worth
//! keeping. It must not panic, hang or take memory that the bytes do not justify.

use std::path::Path;

use crate::broker::embedded::fuzz as broker;
use crate::dataset::{Column, ColumnType, Reader, Schema};
use crate::record::bson::Writer;
use crate::record::envelope::Envelope;
use crate::record::typed::PayloadDecoder;
use crate::registry::embedded::fuzz as registry;
use crate::registry::wire;
use crate::store::embedded::fuzz as store;

/// Takes bytes and says what became of them.
pub type Feed = Box<dyn FnMut(&[u8]) -> String>;

/// A decoder.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its folder in `fixtures/fuzz/`.
    pub name: &'static str,
    /// Starts what is fed.
    pub start: fn() -> Feed,
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
    Target::new("mongo_message", || Box::new(store::message)),
    Target::new("mongo_command", || {
        let mut commands = store::Commands::start();
        Box::new(move |bytes| commands.command(bytes))
    }),
    Target::new("bson", || Box::new(store::bson)),
    Target::new("filter", || Box::new(store::filter)),
    Target::new("update", || Box::new(store::update)),
    Target::new("projection", || Box::new(store::projection)),
    Target::new("pipeline", || {
        let mut commands = store::Commands::start();
        Box::new(move |bytes| commands.pipeline(bytes))
    }),
    Target::new("registry_request", || {
        let mut requests = registry::Requests::start();
        Box::new(move |bytes| requests.answer(bytes))
    }),
    Target::new("envelope", || Box::new(envelope)),
    Target::new("payload", || {
        let decoder = PayloadDecoder::new(&schema());
        Box::new(move |bytes| payload(&decoder, bytes))
    }),
    Target::new("csv", || Box::new(csv)),
];

impl Target {
    const fn new(name: &'static str, start: fn() -> Feed) -> Self {
        Self { name, start }
    }
}

/// Reads an envelope; one that is read is written as it was, but for bits that mean nothing.
fn envelope(bytes: &[u8]) -> String {
    match Envelope::decode(bytes) {
        Ok((envelope, emission)) => {
            let written = envelope.encode(&emission);
            let again = Envelope::decode(&written);
            assert_eq!(again, Ok((envelope, emission)), "it survives its header");
            format!("{}", envelope.warm_up)
        }
        Err(error) => error.to_string(),
    }
}

/// Reads a payload, plain and in Confluent's wire form.
fn payload(decoder: &PayloadDecoder, bytes: &[u8]) -> String {
    let json = wire::split(bytes).map_or(bytes, |(_, json)| json);
    let mut document = Vec::new();
    let mut writer = Writer::begin(&mut document);
    match decoder.decode(json, &mut writer) {
        Ok(()) => {
            writer.end();
            format!("{}", document.len().min(100) / 10)
        }
        Err(error) => error.to_string(),
    }
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

/// Reads CSV row by row.
fn csv(bytes: &[u8]) -> String {
    let mut reader = match Reader::new(Path::new("fuzz.csv"), bytes) {
        Ok(reader) => reader,
        Err(error) => return error.to_string(),
    };
    let columns = reader.names().len();
    let mut rows = 0;
    loop {
        match reader.next_row() {
            Ok(Some(row)) => {
                assert_eq!(row.fields.iter().count(), columns, "as many as the header");
                rows += 1;
            }
            Ok(None) => return format!("{} rows {} columns", rows.min(4), columns.min(4)),
            Err(error) => return error.to_string(),
        }
    }
}
