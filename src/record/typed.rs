//! Decodes a payload into BSON fields with the types of its columns, in one pass without a tree.
//!
//! Rows as convoy writes them take a fast path, [`FlatDecoder`]; the visitors here decide about all
//! others.

use std::collections::HashMap;
use std::fmt;

use convoy_mongodb_server::bson::{Decimal128, Value, Writer};
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dataset::{Column, ColumnType, Schema, parse_date};
use crate::record::flat::FlatDecoder;
use crate::record::names::stored_name;

/// Decodes payloads of one schema.
#[derive(Debug)]
pub struct PayloadDecoder {
    columns: Vec<Column>,
    /// Names of the columns' fields in the document.
    stored: Vec<String>,
    by_name: HashMap<String, usize>,
    flat: FlatDecoder,
}

/// A payload cannot become the fields of a document.
#[derive(Debug, thiserror::Error)]
#[error("invalid payload: {reason}")]
pub struct DecodeError {
    /// The reason, with the field or the position.
    pub reason: String,
}

impl PayloadDecoder {
    /// Prepares to decode payloads of a schema.
    pub fn new(schema: &Schema) -> Self {
        let by_name = schema
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column.name.clone(), index))
            .collect();
        let columns = schema.columns.iter();
        let stored: Vec<String> = columns
            .map(|column| stored_name(&column.name).into_owned())
            .collect();
        Self {
            flat: FlatDecoder::new(&schema.columns, &stored),
            columns: schema.columns.clone(),
            stored,
            by_name,
        }
    }

    /// Appends the payload's fields to `writer`, in the payload's order.
    ///
    /// Fails if the payload is not a JSON object, if a field is missing, unknown or repeated, or if
    /// a value does not have the type of its column; discard the writer's bytes then.
    pub fn decode(&self, payload: &[u8], writer: &mut Writer<'_>) -> Result<(), DecodeError> {
        if self.flat.decode(payload, writer) {
            return Ok(());
        }
        self.decode_any(payload, writer)
    }

    /// Decodes a payload of any form.
    pub(super) fn decode_any(
        &self,
        payload: &[u8],
        writer: &mut Writer<'_>,
    ) -> Result<(), DecodeError> {
        let mut json = serde_json::Deserializer::from_slice(payload);
        json.deserialize_map(Fields {
            decoder: self,
            writer,
        })
        .and_then(|()| json.end())
        .map_err(|error| DecodeError {
            reason: error.to_string(),
        })
    }
}

/// Visits the whole object.
struct Fields<'d, 'w, 'b> {
    decoder: &'d PayloadDecoder,
    writer: &'w mut Writer<'b>,
}

impl<'de> Visitor<'de> for Fields<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the dataset's columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let columns = &self.decoder.columns;
        let mut expected = 0;
        // Payloads almost always have the columns in order; `seen` is needed only if one does not.
        let mut seen: Option<Vec<bool>> = None;
        while let Some(index) = map.next_key_seed(FieldName {
            decoder: self.decoder,
            expected,
        })? {
            if seen.is_none() && index != expected {
                seen = Some((0..columns.len()).map(|column| column < expected).collect());
            }
            if let Some(seen) = &mut seen
                && std::mem::replace(&mut seen[index], true)
            {
                let name = &columns[index].name;
                return Err(A::Error::custom(format!("field `{name}` occurs twice")));
            }
            map.next_value_seed(FieldValue {
                column: &columns[index],
                stored: &self.decoder.stored[index],
                writer: self.writer,
            })?;
            expected = index + 1;
        }
        let missing = match &seen {
            Some(seen) => seen.iter().position(|seen| !seen),
            None => (expected < columns.len()).then_some(expected),
        };
        match missing {
            Some(index) => {
                let name = &columns[index].name;
                Err(A::Error::custom(format!("field `{name}` is missing")))
            }
            None => Ok(()),
        }
    }
}

/// Finds the column of a field's name.
struct FieldName<'d> {
    decoder: &'d PayloadDecoder,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = usize;

    fn deserialize<D: serde::Deserializer<'de>>(self, key: D) -> Result<usize, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column's name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        match self.decoder.columns.get(self.expected) {
            Some(column) if column.name == name => Ok(self.expected),
            _ => {
                self.decoder.by_name.get(name).copied().ok_or_else(|| {
                    E::custom(format!("field `{name}` is not a column of the dataset"))
                })
            }
        }
    }
}

/// Appends one value under its column's type.
struct FieldValue<'d, 'w, 'b> {
    column: &'d Column,
    stored: &'d str,
    writer: &'w mut Writer<'b>,
}

impl FieldValue<'_, '_, '_> {
    fn wrong_type<E: serde::de::Error>(&self, found: impl fmt::Display) -> E {
        let expected = match self.column.kind {
            ColumnType::Boolean => "a boolean",
            ColumnType::Integer | ColumnType::LargeInteger => "an integer",
            ColumnType::Decimal | ColumnType::Number => "a number",
            ColumnType::Date => "a date such as `2024-05-01T10:00:00.000Z`",
            ColumnType::Text => "a string",
        };
        E::custom(format!(
            "field `{}` is {found} (expected {expected})",
            self.column.name
        ))
    }

    /// Appends a number of any size by its JSON text, of which nothing is lost.
    fn exact<E: serde::de::Error>(self, json: &str) -> Result<(), E> {
        let name = self.stored;
        let decimals = self.column.kind == ColumnType::Number;
        if json == "null" {
            return self.visit_unit();
        }
        if let Ok(number) = json.parse() {
            self.writer.integer(name, number);
        } else if let Some(number) = large_integer(json) {
            self.writer.value(name, &Value::Decimal128(number));
        } else if let Some(number) = decimal(json).filter(|_| decimals) {
            self.writer.double(name, number);
        } else {
            return Err(self.wrong_type(format_args!("`{json:.40}`")));
        }
        Ok(())
    }
}

/// Parses an integer beyond 64 bits of at most 34 digits.
fn large_integer(json: &str) -> Option<Decimal128> {
    let digits = json.strip_prefix('-').unwrap_or(json);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain.then(|| json.parse::<bson::Decimal128>().ok())?;
    Some(Decimal128::from_bytes(number?.bytes()))
}

/// Parses a JSON number; the text may be any JSON.
fn decimal(json: &str) -> Option<f64> {
    let number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let number = number.then(|| json.parse().ok())?;
    number.filter(|number: &f64| number.is_finite())
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        match self.column.kind {
            ColumnType::LargeInteger | ColumnType::Number => {
                let json = <&RawValue>::deserialize(value)?;
                self.exact(json.get())
            }
            _ => value.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for FieldValue<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of column `{}`", self.column.name)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        match self.column.kind {
            ColumnType::Integer => self.writer.integer(self.stored, value),
            ColumnType::Decimal => self.writer.double(self.stored, value as f64),
            _ => return Err(self.wrong_type(format_args!("the number {value}"))),
        }
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        if self.column.kind != ColumnType::Decimal {
            return Err(self.wrong_type(format_args!("the number {value}")));
        }
        self.writer.double(self.stored, value);
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        match self.column.kind {
            ColumnType::Text => self.writer.string(self.stored, value),
            ColumnType::Date => match parse_date(value) {
                Some(unix_ms) => self.writer.date_time(self.stored, unix_ms),
                None => return Err(self.wrong_type(format_args!("the string `{value:.40}`"))),
            },
            _ => return Err(self.wrong_type("a string")),
        }
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        if !self.column.nullable {
            return Err(self.wrong_type("null"));
        }
        self.writer.null(self.stored);
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        if self.column.kind != ColumnType::Boolean {
            return Err(self.wrong_type(value));
        }
        self.writer.bool(self.stored, value);
        Ok(())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.wrong_type("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.wrong_type("an object"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::payload::PayloadEncoder;
    use crate::record::stored::DocumentReader;

    fn schema(kind: ColumnType) -> Schema {
        Schema {
            columns: vec![Column {
                name: "a".to_owned(),
                kind,
                nullable: true,
            }],
        }
    }

    /// Decodes a payload and rebuilds it from the document.
    fn rebuilt(payload: &str, kind: ColumnType) -> Result<String, String> {
        let mut document = Vec::new();
        let mut writer = Writer::new(&mut document);
        let decoder = PayloadDecoder::new(&schema(kind));
        let decoded = decoder.decode(payload.as_bytes(), &mut writer);
        decoded.map_err(|error| error.reason)?;
        writer.finish();
        let mut reader = DocumentReader::with_label(Some("a".to_owned()));
        reader.read(&document).unwrap();
        Ok(String::from_utf8(reader.payload().to_vec()).unwrap())
    }

    /// Encodes a cell, decodes the payload and rebuilds it.
    fn round_trip(cell: &str, kind: ColumnType) -> String {
        let mut payload = Vec::new();
        let encoder = PayloadEncoder::new(&schema(kind));
        encoder.encode([cell].into_iter(), &mut payload).unwrap();
        let payload = String::from_utf8(payload).unwrap();
        assert_eq!(rebuilt(&payload, kind), Ok(payload.clone()), "{cell}");
        payload
    }

    #[test]
    fn stored_cells_of_every_type_rebuild_their_payload() {
        for (kind, cells) in [
            (ColumnType::Boolean, &["true", "FALSE", ""][..]),
            (
                ColumnType::Integer,
                &["0", "-5", "9223372036854775807", "na"],
            ),
            (
                ColumnType::LargeInteger,
                &[
                    "7",
                    "9223372036854775808",
                    "18446744073709551616",
                    "-9999999999999999999999999999999999",
                ],
            ),
            (ColumnType::Decimal, &["0.1", "5", "-0", "1e300", "NaN"]),
            (
                ColumnType::Number,
                &["0.1", "5", "9007199254740993", "18446744073709551616", "?"],
            ),
            (
                ColumnType::Date,
                &["2024-05-01", "1969-12-31T23:59:59.999+01:00", "-"],
            ),
            (
                ColumnType::Text,
                &["x", "2024-05-01T10:00:00.000Z", "true", "5"],
            ),
        ] {
            for cell in cells {
                round_trip(cell, kind);
            }
        }
    }

    #[test]
    fn values_of_another_type_are_rejected_with_the_column() {
        for (kind, values) in [
            (ColumnType::Boolean, &["1", "\"true\"", "[]"][..]),
            (
                ColumnType::Integer,
                &["1.5", "true", "\"1\"", "9223372036854775808", "{}"],
            ),
            (
                ColumnType::LargeInteger,
                &["1.5", "1e3", "true", "\"1\"", "[1]"],
            ),
            (ColumnType::Decimal, &["\"1.5\"", "true"]),
            (
                ColumnType::Number,
                &["\"1.5\"", "true", "[]", "{}", "1e999"],
            ),
            (
                ColumnType::Date,
                &[
                    "5",
                    "\"soon\"",
                    "\"2024-05-01\"",
                    "\"2024-05-01T10:00:00Z\"",
                    "true",
                ],
            ),
            (ColumnType::Text, &["5", "true", "[]"]),
        ] {
            for value in values {
                let reason = rebuilt(&format!("{{\"a\":{value}}}"), kind).unwrap_err();
                let named = reason.contains("`a`") || value.contains("999");
                assert!(named, "{kind} {value}: {reason}");
            }
        }
    }

    proptest! {
        #[test]
        fn integers_of_any_size_rebuild_their_payload(number in -10_i128.pow(34) + 1..10_i128.pow(34)) {
            let cell = number.to_string();
            for kind in [ColumnType::LargeInteger, ColumnType::Number] {
                prop_assert_eq!(round_trip(&cell, kind), format!("{{\"a\":{cell}}}"));
            }
        }

        #[test]
        fn doubles_rebuild_their_payload(number in prop::num::f64::NORMAL | prop::num::f64::ZERO) {
            for kind in [ColumnType::Decimal, ColumnType::Number] {
                round_trip(&format!("{number:?}"), kind);
            }
        }

        #[test]
        fn dates_rebuild_their_payload(unix_ms in -62_135_596_800_000_i64..253_402_300_800_000) {
            let written = crate::dataset::write_date(unix_ms).unwrap();
            round_trip(std::str::from_utf8(&written).unwrap(), ColumnType::Date);
        }
    }
}
