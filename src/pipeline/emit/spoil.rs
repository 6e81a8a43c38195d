//! Dirty data on purpose: what is done to a reading's payload and header.
//!
//! Nothing but reading and plan decides it, so the same reading is always spoilt in the same way:
//! when its batch is sent again, and when the audit looks for it.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dataset::{ColumnType, Schema};
use crate::faults::{DataFaults, DataKind};
use crate::fleet::Reading;
use crate::load::random_bits;
use crate::pipeline::context::Context;
use crate::record::{Envelope, write_json_string};

/// Bytes that make a message larger than brokers take: Kafka and Redpanda take 1 MiB.
const PADDING: usize = 2 * 1024 * 1024;

/// What a string of padding is made of: it does not compress to less than three quarters.
const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Name of a column that no dataset should have; `_` is added until it has not.
const EXTRA: &str = "unexpected";

/// What is to become of a reading that something is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is never emitted.
    Withheld,
    /// It is stored, as it was emitted.
    Stored,
    /// It ends as a dead letter.
    DeadLetter,
}

impl Fate {
    /// Returns what is to become of a reading whose row has a schema.
    pub fn of(kind: DataKind, schema: &Schema) -> Self {
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

/// Spoils readings as a plan says.
#[derive(Debug)]
pub struct Spoiler {
    faults: DataFaults,
    spoilt: Vec<u8>,
}

impl Spoiler {
    /// Prepares for a run; none if nothing is to be spoilt.
    pub fn of(context: &Context) -> Option<Self> {
        let faults = context.settings.data_faults.clone()?;
        Some(Self {
            faults,
            spoilt: Vec::new(),
        })
    }

    /// Returns what happens to a reading.
    pub fn strikes(&self, reading: &Reading) -> Option<DataKind> {
        self.faults.fault_for(reading.vehicle, reading.sequence)
    }

    /// Writes what a storm makes of a row's payload to `out`.
    pub fn storm(context: &Context, row: u64, payload: &[u8], out: &mut Vec<u8>) {
        let topic = context.workload.topic_of(row);
        let label = context.workload.label_index(topic);
        let schema = context.workload.schema(topic);
        out.clear();
        spoil(DataKind::NaStorm, 0, (schema, label), payload, out);
    }

    /// Does to a payload what the plan says, and returns how many bytes of the header are left
    /// where it is cut off.
    pub fn spoil(
        &mut self,
        context: &Context,
        reading: &Reading,
        payload: &mut Vec<u8>,
    ) -> Option<usize> {
        let kind = self.strikes(reading)?;
        let detail = self.faults.detail(reading.vehicle, reading.sequence);
        if kind == DataKind::TruncatedHeader {
            // Behind what says which reading it is, so that every lost one can be told.
            let most = Envelope::FIXED_LENGTH - Envelope::IDENTITY_LENGTH;
            return Some(Envelope::IDENTITY_LENGTH + below(detail, most));
        }
        let topic = context.workload.topic_of(reading.row);
        let label = context.workload.label_index(topic);
        let schema = context.workload.schema(topic);
        self.spoilt.clear();
        if spoil(kind, detail, (schema, label), payload, &mut self.spoilt) {
            std::mem::swap(payload, &mut self.spoilt);
        }
        None
    }
}

/// Returns what the reason of a spoilt reading's dead letter must name.
pub fn mark(kind: DataKind, detail: u64, schema: &Schema) -> String {
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

/// Returns the column that is spoilt.
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

/// Writes a spoilt payload to `out`; false if the payload stays as it is.
fn spoil(
    kind: DataKind,
    detail: u64,
    (schema, label): (&Schema, Option<usize>),
    payload: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    let chosen = chosen(detail, schema);
    let storm_is_stored = Fate::of(DataKind::NaStorm, schema) == Fate::Stored;
    let fields = fields(payload);
    let mut spoilt = Object { out, empty: true };
    for (index, (name, value)) in fields.iter().enumerate() {
        let column = &schema.columns[index.min(schema.columns.len() - 1)];
        match kind {
            DataKind::MissingColumn if index == chosen => {}
            DataKind::WrongType if index == chosen => {
                let wrong = match column.kind {
                    ColumnType::Text => "7",
                    ColumnType::Integer | ColumnType::Decimal => "\"spoilt\"",
                };
                spoilt.field(name, wrong);
            }
            DataKind::NaStorm if Some(index) != label && (column.nullable || !storm_is_stored) => {
                spoilt.field(name, "null");
            }
            _ => spoilt.field(name, value.get()),
        }
    }
    match kind {
        DataKind::ExtraColumn => spoilt.field(&extra_name(schema), "1"),
        DataKind::Oversized => spoilt.field(&extra_name(schema), &padding(detail)),
        DataKind::NaStorm | DataKind::WrongType | DataKind::MissingColumn => {}
        DataKind::MissingBatch
        | DataKind::OutOfOrder
        | DataKind::Duplicate
        | DataKind::TruncatedHeader => return false,
    }
    spoilt.end();
    true
}

/// A JSON string of random symbols.
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

/// Takes a payload's fields apart, in their order, values as they are written.
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
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::Column;
    use crate::record::PayloadDecoder;
    use crate::record::bson::Writer;

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
            ],
        }
    }

    const PAYLOAD: &[u8] = br#"{"class":"neg","aa_000":12,"unexpected":0.5}"#;

    fn spoilt(kind: DataKind, detail: u64, schema: &Schema) -> Vec<u8> {
        let mut out = Vec::new();
        let changed = spoil(kind, detail, (schema, Some(0)), PAYLOAD, &mut out);
        assert!(changed);
        out
    }

    fn decode(payload: &[u8], schema: &Schema) -> Result<(), String> {
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(&mut bytes);
        let decoded = PayloadDecoder::new(schema).decode(payload, &mut writer);
        decoded.map_err(|error| error.reason)
    }

    proptest! {
        #[test]
        fn what_is_spoilt_is_refused_for_the_reason_that_it_is_marked_with(
            kind in prop::sample::select(vec![
                DataKind::WrongType, DataKind::ExtraColumn, DataKind::MissingColumn,
            ]),
            detail: u64, nullable: bool,
        ) {
            let schema = schema(nullable);
            let payload = spoilt(kind, detail, &schema);
            let reason = decode(&payload, &schema).unwrap_err();
            let mark = format!("`{}`", mark(kind, detail, &schema));
            prop_assert!(reason.contains(&mark), "{}: {} lacks {}", kind, reason, mark);
            prop_assert_eq!(Fate::of(kind, &schema), Fate::DeadLetter);
        }
    }

    #[test]
    fn a_storm_leaves_the_label_and_what_must_have_a_value() {
        let storm = spoilt(DataKind::NaStorm, 0, &schema(true));
        let expected = br#"{"class":"neg","aa_000":null,"unexpected":0.5}"#;
        assert_eq!(storm, expected);
        assert_eq!(decode(&storm, &schema(true)), Ok(()));
    }

    #[test]
    fn a_storm_over_columns_that_never_miss_a_value_is_refused() {
        let schema = schema(false);
        let storm = spoilt(DataKind::NaStorm, 0, &schema);
        assert_eq!(storm, br#"{"class":"neg","aa_000":null,"unexpected":null}"#);
        assert_eq!(Fate::of(DataKind::NaStorm, &schema), Fate::DeadLetter);
        let reason = decode(&storm, &schema).unwrap_err();
        assert!(
            reason.contains(&mark(DataKind::NaStorm, 0, &schema)),
            "{reason}"
        );
    }

    #[test]
    fn an_oversized_payload_is_larger_than_brokers_take_and_has_an_extra_column() {
        let schema = schema(true);
        let payload = spoilt(DataKind::Oversized, 7, &schema);
        assert!(payload.len() > 2_000_000);
        let reason = decode(&payload, &schema).unwrap_err();
        assert!(reason.contains("`unexpected_`"), "{reason}");
    }
}
