//! Fuzz targets: every decoder of untrusted input, as a function of bytes.
//!
//! A target must not panic, hang or allocate memory out of proportion to its input. `fuzz/` runs the
//! targets with libFuzzer, the tests with the inputs in `fixtures/fuzz/`.

use std::path::Path;

use convoy_mongodb_server::bson::Writer;
use convoy_server_kit::fuzz::Target;
use futures_util::FutureExt as _;

use crate::dataset::{self, Column, ColumnType, ReadOptions, Reader, Schema};
use crate::proxy;
use crate::record::{DocumentReader, Envelope, PayloadDecoder, UntypedDecoder};
use crate::registry::{PayloadValidator, wire};

/// Decoders of this package.
pub const TARGETS: &[Target] = &[
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

/// Returns the decoders of all packages of the workspace.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    [
        TARGETS,
        convoy_kafka_server::fuzz::TARGETS,
        convoy_mongodb_server::fuzz::TARGETS,
        convoy_registry_server::fuzz::TARGETS,
    ]
    .into_iter()
    .flatten()
}

/// Decodes an envelope; a decoded envelope round-trips, except for unused bits.
fn envelope(bytes: &[u8]) {
    match Envelope::decode(bytes) {
        Ok((envelope, emission)) => {
            let written = envelope.encode(&emission);
            let again = Envelope::decode(&written);
            assert_eq!(again, Ok((envelope, emission)), "the envelope round-trips");
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Decodes a payload, plain or in Confluent's wire format, with and without a schema; the document
/// of a payload that matches the schema is readable.
fn payload(typed: &PayloadDecoder, untyped: &mut UntypedDecoder, bytes: &[u8]) {
    let json = wire::split(bytes).map_or(bytes, |(_, json)| json);
    let mut document = Vec::new();
    let mut writer = Writer::new(&mut document);
    match typed.decode(json, &mut writer) {
        Ok(()) => {
            writer.finish();
            let read = DocumentReader::default().read(&document).is_ok();
            assert!(read, "the document is readable");
        }
        Err(error) => drop(error.to_string()),
    }
    let mut document = Vec::new();
    let _untyped = untyped.decode(json, &mut Writer::new(&mut document));
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

/// Reads the destination that a client of the proxy requests.
fn socks(bytes: &[u8]) {
    let mut client = tokio::io::join(bytes, tokio::io::sink());
    let destination = proxy::destination(&mut client).now_or_never();
    assert!(destination.is_some(), "reads from memory do not wait");
}

/// Reads the rows of a CSV file.
fn csv(bytes: &[u8]) {
    if let Err(error) = rows(bytes) {
        drop(error.to_string());
    }
}

fn rows(bytes: &[u8]) -> Result<(), dataset::Error> {
    let mut reader = Reader::new(Path::new("fuzz.csv"), bytes, &ReadOptions::default())?;
    let columns = reader.names().len();
    while let Some(row) = reader.next_row(&mut |_bad, _text| ())? {
        assert_eq!(
            row.fields.iter().count(),
            columns,
            "a row has as many fields as the header"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn corpus_and_damaged_inputs_do_not_panic() {
        convoy_server_kit::fuzz::replay(TARGETS, &root().join("fixtures/fuzz"));
    }

    #[test]
    fn every_target_has_an_executable_and_a_corpus() {
        let names: BTreeSet<String> = targets().map(|it| it.name.to_owned()).collect();
        assert_eq!(names.len(), targets().count(), "names are unique");
        let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let mut executables = BTreeSet::new();
        for executable in manifest["bin"].as_array().unwrap() {
            let name = executable["name"].as_str().unwrap().to_owned();
            let source = root()
                .join("fuzz")
                .join(executable["path"].as_str().unwrap());
            let source = fs::read_to_string(source).unwrap();
            assert!(source.contains(&format!("fuzz!({name:?})")), "{source}");
            executables.insert(name);
        }
        assert_eq!(executables, names);
        let corpora = fs::read_dir(root().join("fixtures/fuzz")).unwrap();
        let corpora = corpora.map(|it| it.unwrap().file_name().into_string().unwrap());
        assert_eq!(corpora.collect::<BTreeSet<_>>(), names);
    }
}
