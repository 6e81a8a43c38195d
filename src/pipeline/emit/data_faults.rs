//! Injected data faults: changes to a reading's payload and header.
//!
//! They depend on the reading and the fault plan only, so retries and the audit get the same result.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dataset::{ColumnType, Schema};
use crate::faults::{DataFaults, DataKind};
use crate::fleet::Reading;
use crate::load::random_bits;
use crate::pipeline::emit::workload::Workload;
use crate::pipeline::settings::EmissionSettings;
use crate::record::{Envelope, write_json_string};

/// Bytes that make a message exceed the limit of brokers: 1 MiB in Kafka and Redpanda.
const PADDING: usize = 2 * 1024 * 1024;

/// Symbols of the padding: random ones do not compress below three quarters.
const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Name of an added column. `_` is appended until the dataset has no such column.
const EXTRA: &str = "unexpected";

/// Where a reading with an injected fault must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedFate {
    /// It is not emitted.
    Withheld,
    /// It is stored as emitted.
    Stored,
    /// It becomes a dead letter.
    DeadLetter,
}

impl ExpectedFate {
    pub fn new(kind: DataKind, schema: &Schema) -> Self {
        match kind {
            DataKind::MissingBatch => Self::Withheld,
            DataKind::OutOfOrder | DataKind::Duplicate => Self::Stored,
            DataKind::NaStorm if schema.columns.iter().any(|column| column.nullable) => {
                Self::Stored
            }
            DataKind::NaStorm
            | DataKind::WrongType
            | DataKind::ExtraColumn
            | DataKind::MissingColumn
            | DataKind::TruncatedHeader
            | DataKind::Oversized => Self::DeadLetter,
        }
    }
}

/// Injects the data faults of a plan into readings.
#[derive(Debug)]
pub struct DataFaultInjector {
    faults: DataFaults,
    changed: Vec<u8>,
}

/// Schema of a topic's rows, and which column is the label.
#[derive(Debug, Clone, Copy)]
struct Labelled<'a> {
    schema: &'a Schema,
    label: Option<usize>,
}

impl<'a> Labelled<'a> {
    fn of_row(workload: &'a Workload, row: u64) -> Self {
        let topic = workload.topic_of(row);
        Self {
            schema: workload.schema(topic),
            label: workload.label_index(topic),
        }
    }
}

impl DataFaultInjector {
    /// Returns an injector if the settings have data faults.
    pub fn new(emission: &EmissionSettings) -> Option<Self> {
        let faults = emission.data_faults.clone()?;
        Some(Self {
            faults,
            changed: Vec::new(),
        })
    }

    /// Returns the fault to inject into a reading.
    pub fn fault_for(&self, reading: &Reading) -> Option<DataKind> {
        self.faults.fault_for(reading.vehicle, reading.sequence)
    }

    /// Writes a row's payload to `out` as [`DataKind::NaStorm`] changes it.
    pub fn na_storm(workload: &Workload, row: u64, payload: &[u8], out: &mut Vec<u8>) {
        out.clear();
        change(
            DataKind::NaStorm,
            0,
            Labelled::of_row(workload, row),
            payload,
            out,
        );
    }

    /// Injects the planned fault into a payload. Returns the bytes to keep of the header, if the
    /// fault truncates it.
    pub fn inject(
        &mut self,
        workload: &Workload,
        reading: &Reading,
        payload: &mut Vec<u8>,
    ) -> Option<usize> {
        let kind = self.fault_for(reading)?;
        let detail = self.faults.detail(reading.vehicle, reading.sequence);
        if kind == DataKind::TruncatedHeader {
            // The identity of the reading is kept, so that the audit can account for it.
            let most = Envelope::FIXED_LENGTH - Envelope::IDENTITY_LENGTH;
            return Some(Envelope::IDENTITY_LENGTH + below(detail, most));
        }
        let row = Labelled::of_row(workload, reading.row);
        self.changed.clear();
        if change(kind, detail, row, payload, &mut self.changed) {
            std::mem::swap(payload, &mut self.changed);
        }
        None
    }
}

/// Returns a text that the dead letter's reason must contain.
pub fn expected_reason(kind: DataKind, detail: u64, schema: &Schema) -> String {
    match kind {
        DataKind::TruncatedHeader => Envelope::HEADER.to_owned(),
        DataKind::WrongType | DataKind::MissingColumn => {
            schema.columns[chosen(detail, schema)].name.clone()
        }
        DataKind::ExtraColumn | DataKind::Oversized => extra_name(schema),
        DataKind::NaStorm => "null".to_owned(),
        DataKind::MissingBatch | DataKind::OutOfOrder | DataKind::Duplicate => String::new(),
    }
}

/// Returns the index of the column to change.
fn chosen(detail: u64, schema: &Schema) -> usize {
    below(detail, schema.columns.len())
}

fn below(detail: u64, bound: usize) -> usize {
    usize::try_from(detail % bound as u64).unwrap_or_default()
}

fn extra_name(schema: &Schema) -> String {
    let mut name = EXTRA.to_owned();
    while schema.columns.iter().any(|column| column.name == name) {
        name.push('_');
    }
    name
}

/// Writes a changed payload to `out`. Returns false if the fault does not change the payload.
fn change(
    kind: DataKind,
    detail: u64,
    row: Labelled<'_>,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    let Labelled { schema, label } = row;
    let chosen = chosen(detail, schema);
    let storm_is_stored = ExpectedFate::new(DataKind::NaStorm, schema) == ExpectedFate::Stored;
    let fields = fields(payload);
    let mut changed = Object { out, empty: true };
    for (index, (name, value)) in fields.iter().enumerate() {
        let column = &schema.columns[index.min(schema.columns.len() - 1)];
        match kind {
            DataKind::MissingColumn if index == chosen => {}
            DataKind::WrongType if index == chosen => {
                let wrong = match column.kind {
                    ColumnType::Text | ColumnType::Date => "7",
                    ColumnType::Boolean
                    | ColumnType::Integer
                    | ColumnType::LargeInteger
                    | ColumnType::Decimal
                    | ColumnType::Number => "\"spoilt\"",
                };
                changed.field(name, wrong);
            }
            DataKind::NaStorm if Some(index) != label && (column.nullable || !storm_is_stored) => {
                changed.field(name, "null");
            }
            _ => changed.field(name, value.get()),
        }
    }
    match kind {
        DataKind::ExtraColumn => changed.field(&extra_name(schema), "1"),
        DataKind::Oversized => changed.field(&extra_name(schema), &padding(detail)),
        DataKind::NaStorm | DataKind::WrongType | DataKind::MissingColumn => {}
        DataKind::MissingBatch
        | DataKind::OutOfOrder
        | DataKind::Duplicate
        | DataKind::TruncatedHeader => return false,
    }
    changed.end();
    true
}

/// Returns a JSON string of random symbols.
fn padding(seed: u64) -> String {
    let mut text = String::with_capacity(PADDING + 2);
    text.push('"');
    for word in 0..PADDING as u64 / 10 {
        let mut bits = random_bits(seed, word, 0);
        for _ in 0..10 {
            text.push(char::from(SYMBOLS[below(bits, SYMBOLS.len())]));
            bits /= SYMBOLS.len() as u64;
        }
    }
    text.push('"');
    text
}

/// Writes a JSON object field by field.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl Object<'_> {
    fn field(&mut self, name: &str, value: &str) {
        self.out.push(if self.empty { b'{' } else { b',' });
        self.empty = false;
        write_json_string(self.out, name);
        self.out.push(b':');
        self.out.extend_from_slice(value.as_bytes());
    }

    fn end(self) {
        if self.empty {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }
}

/// Splits a payload into its fields, in order, with their values as JSON text.
fn fields(payload: &[u8]) -> Vec<(String, Box<RawValue>)> {
    struct Fields;

    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }

    let mut json = serde_json::Deserializer::from_slice(payload);
    json.deserialize_map(Fields)
        .expect("payloads are the JSON objects that convoy wrote")
}

#[cfg(test)]
mod tests {
    use convoy_mongodb_server::bson::Writer;
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::Column;
    use crate::record::PayloadDecoder;

    fn schema(nullable: bool) -> Schema {
        let column = |name: &str, kind, nullable| Column {
            name: name.to_owned(),
            kind,
            nullable,
        };
        Schema {
            columns: vec![
                column("class", ColumnType::Text, false),
                column("aa_000", ColumnType::Integer, nullable),
                column("unexpected", ColumnType::Decimal, false),
                column("at", ColumnType::Date, false),
                column("on", ColumnType::Boolean, false),
                column("id", ColumnType::LargeInteger, false),
                column("n", ColumnType::Number, false),
            ],
        }
    }

    const PAYLOAD: &[u8] = br#"{"class":"neg","aa_000":12,"unexpected":0.5,"at":"2024-05-01T10:00:00.000Z","on":true,"id":7,"n":0.5}"#;

    fn changed(kind: DataKind, detail: u64, schema: &Schema) -> Vec<u8> {
        let mut out = Vec::new();
        let row = Labelled {
            schema,
            label: Some(0),
        };
        assert!(change(kind, detail, row, PAYLOAD, &mut out));
        out
    }

    fn decode(payload: &[u8], schema: &Schema) -> Result<(), String> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        let decoded = PayloadDecoder::new(schema).decode(payload, &mut writer);
        decoded.map_err(|error| error.reason)
    }

    proptest! {
        #[test]
        fn changed_payload_is_rejected_with_the_expected_reason(
            kind in prop::sample::select(vec![
                DataKind::WrongType, DataKind::ExtraColumn, DataKind::MissingColumn,
            ]),
            detail: u64, nullable: bool,
        ) {
            let schema = schema(nullable);
            let payload = changed(kind, detail, &schema);
            let reason = decode(&payload, &schema).unwrap_err();
            let expected = format!("`{}`", expected_reason(kind, detail, &schema));
            prop_assert!(reason.contains(&expected), "{}: {} lacks {}", kind, reason, expected);
            prop_assert_eq!(ExpectedFate::new(kind, &schema), ExpectedFate::DeadLetter);
        }
    }

    #[test]
    fn na_storm_keeps_the_label_and_columns_that_are_not_nullable() {
        let storm = changed(DataKind::NaStorm, 0, &schema(true));
        let expected = br#"{"class":"neg","aa_000":null,"unexpected":0.5,"#;
        assert!(storm.starts_with(expected));
        assert_eq!(decode(&storm, &schema(true)), Ok(()));
    }

    #[test]
    fn na_storm_without_nullable_columns_is_rejected() {
        let schema = schema(false);
        let storm = changed(DataKind::NaStorm, 0, &schema);
        let expected = br#"{"class":"neg","aa_000":null,"unexpected":null,"at":null,"#;
        assert!(storm.starts_with(expected));
        assert_eq!(
            ExpectedFate::new(DataKind::NaStorm, &schema),
            ExpectedFate::DeadLetter
        );
        let reason = decode(&storm, &schema).unwrap_err();
        assert!(
            reason.contains(&expected_reason(DataKind::NaStorm, 0, &schema)),
            "{reason}"
        );
    }

    #[test]
    fn oversized_payload_exceeds_broker_limits_and_has_an_extra_column() {
        let schema = schema(true);
        let payload = changed(DataKind::Oversized, 7, &schema);
        assert!(payload.len() > 2_000_000);
        let reason = decode(&payload, &schema).unwrap_err();
        assert!(reason.contains("`unexpected_`"), "{reason}");
    }
}
